package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class RegionReadTest extends CommandTest {
    @Test
    void readsAnyWidthAtAnyOffset() throws IOException {
        client.regionWrite(0, 0, 8, 0x8877665544332211L, false);
        assertEquals(0x11, client.regionRead(0, 0, 1));
        assertEquals(0x3322, client.regionRead(0, 1, 2));
        assertEquals(0x665544, client.regionRead(0, 3, 3));
        assertEquals(0x8877665544332211L, client.regionRead(0, 0, 8));
    }

    @Test
    void echoesTheRequestBeforeTheData() throws IOException {
        client.regionWrite(PciFunction.CONFIG_REGION, 4092, 4, 0xcafe_babeL, false);
        byte[] request = request(4092, PciFunction.CONFIG_REGION, 4);
        byte[] expected = Bytes.of().raw(request).u32(0xcafe_babeL).get();
        assertArrayEquals(expected, ok(Command.REGION_READ, request).payload());
    }

    @Test
    void readsAWholeRegionAtOnce() throws IOException {
        ByteBuf pattern = Unpooled.buffer();
        for (int i = 0; i < FakeFunction.BAR_BYTES / 4; i++) {
            pattern.writeIntLE(i * 0x9E3779B1);
        }
        client.regionWrite(0, 0, pattern, false);
        ByteBuf read = Unpooled.buffer();
        client.regionRead(0, 0, FakeFunction.BAR_BYTES, read);
        assertEquals(pattern, read);
    }

    @Test
    void readsNothing() throws IOException {
        byte[] request = request(8, 0, 0);
        assertArrayEquals(request, ok(Command.REGION_READ, request).payload());
        ok(Command.REGION_READ, request(FakeFunction.BAR_BYTES, 0, 0));
    }

    @Test
    void refusesWhatIsOutOfRange() throws IOException {
        invalid(Command.REGION_READ, request(4096, PciFunction.CONFIG_REGION, 1));
        invalid(Command.REGION_READ, request(4093, PciFunction.CONFIG_REGION, 4));
        invalid(Command.REGION_READ, request(0, PciFunction.CONFIG_REGION, 4097));
        invalid(Command.REGION_READ, request(-1, PciFunction.CONFIG_REGION, 1));
        invalid(Command.REGION_READ, request(-4, PciFunction.CONFIG_REGION, 8));
        invalid(Command.REGION_READ, request(Long.MIN_VALUE, PciFunction.CONFIG_REGION, 4));
        invalid(Command.REGION_READ, request(Long.MAX_VALUE, PciFunction.CONFIG_REGION, 4));
        invalid(Command.REGION_READ, request(4097, PciFunction.CONFIG_REGION, 0));
        invalid(Command.REGION_READ, request(0, 0, (1 << 20) + 1));
        invalid(Command.REGION_READ, request(0, 0, 0xffff_ffffL));
        invalid(Command.REGION_READ, request(0, 4, 1)); // absent
        invalid(Command.REGION_READ, request(0, 4, 0));
        invalid(Command.REGION_READ, request(0, 9, 1));
        invalid(Command.REGION_READ, request(0, 0xffff_ffffL, 1));
    }

    @Test
    void refusesShortAndLongPayload() throws IOException {
        invalidWhenShorter(Command.REGION_READ, request(0, 0, 4));
        invalid(Command.REGION_READ, Bytes.of().raw(request(0, 0, 4)).u32(0).get());
    }

    @Test
    void answersAFaultOfTheDeviceAndGoesOn() throws IOException {
        function.hook = (region, offset, length) -> {
            throw new IllegalStateException("on purpose");
        };
        fails(
                Errno.EIO,
                Command.REGION_WRITE,
                Bytes.of().raw(request(0, 0, 4)).u32(1).get());
        function.hook = (region, offset, length) -> {
            throw new InternalError("on purpose: memory behind a mapping has gone");
        };
        fails(
                Errno.EIO,
                Command.REGION_WRITE,
                Bytes.of().raw(request(0, 0, 4)).u32(1).get());
        assertEquals(0, client.regionRead(0, 0, 4));
    }

    private static byte[] request(long offset, long region, long count) {
        return Bytes.of().u64(offset).u32(region, count).get();
    }
}
