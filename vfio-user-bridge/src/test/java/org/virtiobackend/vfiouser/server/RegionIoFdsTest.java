package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class RegionIoFdsTest extends CommandTest {
    @Test
    void hasNoneOfARegion() throws IOException {
        byte[] answer =
                ok(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 7, 0)).payload();
        assertArrayEquals(request(16, 0, 7, 0), answer);
        assertEquals(0, client.regionIoFds(0));
    }

    @Test
    void answersItsOwnSizeToALargerArgsz() throws IOException {
        byte[] answer =
                ok(Command.DEVICE_GET_REGION_IO_FDS, request(1 << 20, 0, 0, 0)).payload();
        assertArrayEquals(request(16, 0, 0, 0), answer);
    }

    @Test
    void refusesWhatCannotBeAsked() throws IOException {
        invalidWhenShorter(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 0, 0));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(15, 0, 0, 0));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request((1 << 20) + 1, 0, 0, 0));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(16, 1, 0, 0));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 0, 1));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 4, 0)); // absent
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 9, 0));
        invalid(Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 0xffff_ffffL, 0));
    }

    private static byte[] request(long argsz, long flags, long index, long count) {
        return Bytes.of().u32(argsz, flags, index, count).get();
    }
}
