package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class DmaUnmapTest extends CommandTest {
    private static final int BITMAP = 1;
    private static final int ALL = 2;
    private static final long BYTES = 1 << 20;

    @BeforeEach
    void map() throws IOException {
        try (MemFd memory = MemFd.create("guest", BYTES)) {
            client.dmaMap(0x100000, BYTES, 3, memory.fd(), 0);
        }
    }

    @Test
    void removesARangeAndEchoesTheRequest() throws IOException {
        byte[] request = request(24, 0, 0x100000, BYTES);
        assertArrayEquals(request, ok(Command.DMA_UNMAP, request).payload());
        assertEquals(0, function.dmaMap.regionCount());
        assertEquals(0, function.dmaMap.mappedBytes());
        fails(Errno.ENOENT, Command.DMA_UNMAP, request);
    }

    @Test
    void removesNothingThatIsNotExactlyARange() throws IOException {
        fails(Errno.ENOENT, Command.DMA_UNMAP, request(24, 0, 0x100000, BYTES - 4096));
        fails(Errno.ENOENT, Command.DMA_UNMAP, request(24, 0, 0x100000, BYTES + 4096));
        fails(Errno.ENOENT, Command.DMA_UNMAP, request(24, 0, 0x101000, BYTES - 4096));
        fails(Errno.ENOENT, Command.DMA_UNMAP, request(24, 0, 0, BYTES));
        fails(Errno.ENOENT, Command.DMA_UNMAP, request(24, 0, -4096, 4096));
        assertEquals(BYTES, function.dmaMap.mappedBytes());
    }

    @Test
    void removesEverything() throws IOException {
        for (int i = 0; i < 64; i++) {
            client.dmaMap(0x1000_0000L + i * 8192L, 4096, 3, null, 0);
        }
        byte[] request = request(24, ALL, 0, 0);
        assertArrayEquals(request, ok(Command.DMA_UNMAP, request).payload());
        assertEquals(0, function.dmaMap.regionCount());
        client.dmaUnmapAll();
    }

    @Test
    void refusesWhatItCannotDo() throws IOException {
        byte[] good = request(24, 0, 0x100000, BYTES);
        invalidWhenShorter(Command.DMA_UNMAP, good);
        invalid(Command.DMA_UNMAP, request(8, 0, 0x100000, BYTES));
        invalid(Command.DMA_UNMAP, request((1 << 20) + 1, 0, 0x100000, BYTES));
        invalid(Command.DMA_UNMAP, request(24, 4, 0x100000, BYTES));
        invalid(Command.DMA_UNMAP, request(24, ALL, 0x100000, 0));
        invalid(Command.DMA_UNMAP, request(24, ALL, 0, BYTES));
        invalid(Command.DMA_UNMAP, request(24, ALL | BITMAP, 0, 0));
        invalid(Command.DMA_UNMAP, request(24, BITMAP, 0x100000, BYTES));
        byte[] bitmap = Bytes.of()
                .raw(request(48, BITMAP, 0x100000, BYTES))
                .u64(4096, 32)
                .get();
        invalid(Command.DMA_UNMAP, bitmap);
        assertEquals(BYTES, function.dmaMap.mappedBytes());
    }

    private static byte[] request(long argsz, long flags, long address, long size) {
        return Bytes.of().u32(argsz, flags).u64(address, size).get();
    }
}
