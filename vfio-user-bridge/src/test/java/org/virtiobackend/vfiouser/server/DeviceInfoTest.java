package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.vfiouser.client.DeviceInfo;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class DeviceInfoTest extends CommandTest {
    private static final byte[] ANSWER = Bytes.of().u32(16, 3, 9, 5).get();

    @Test
    void tellsAResettablePciDevice() throws IOException {
        DeviceInfo info = client.deviceInfo();
        assertTrue(info.isPci());
        assertTrue(info.isResettable());
        assertEquals(9, info.regions());
        assertEquals(5, info.irqs());
    }

    @Test
    void answersItsOwnSizeToALargerArgsz() throws IOException {
        assertArrayEquals(
                ANSWER,
                ok(Command.DEVICE_GET_INFO, Bytes.of().u32(100, 0, 0, 0).get()).payload());
        byte[] longer = Bytes.of().u32(0xffff_ffffL, 0, 0, 0).zeros(50).get();
        assertArrayEquals(ANSWER, ok(Command.DEVICE_GET_INFO, longer).payload());
    }

    @Test
    void refusesShortPayload() throws IOException {
        invalidWhenShorter(Command.DEVICE_GET_INFO, Bytes.of().u32(16, 0, 0, 0).get());
    }

    @Test
    void refusesSmallArgsz() throws IOException {
        invalid(Command.DEVICE_GET_INFO, Bytes.of().u32(8, 0, 0, 0).get());
        invalid(Command.DEVICE_GET_INFO, Bytes.of().u32(15, 0, 0, 0).get());
    }

    @Test
    void closesDescriptorsThatItDoesNotWant() throws IOException {
        try (EventFd eventFd = EventFd.create()) {
            ok(Command.DEVICE_GET_INFO, Bytes.of().u32(16, 0, 0, 0).get(), eventFd.fd(), eventFd.fd());
            invalid(Command.DEVICE_GET_INFO, Bytes.of().u32(3, 0, 0, 0).get(), eventFd.fd());
            assertNewFds(1);
        }
    }
}
