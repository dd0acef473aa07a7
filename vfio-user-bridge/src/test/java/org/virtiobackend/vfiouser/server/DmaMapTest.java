package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class DmaMapTest extends CommandTest {
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int MMAP = 4;
    private static final int FILE_IO = 8;
    private static final long BYTES = 64 << 10;

    private MemFd memory;

    @BeforeEach
    void createMemory() throws IOException {
        memory = MemFd.create("guest", BYTES);
    }

    @AfterEach
    void closeMemory() {
        memory.close();
    }

    @Test
    void mapsAFileSoThatBothSeeTheSameBytes() throws Exception {
        client.dmaMap(0x10000, BYTES / 2, READ | WRITE, memory.fd(), BYTES / 2);
        assertEquals(BYTES / 2, function.dmaMap.mappedBytes());
        Mapping mine = Mapping.map(memory.fd(), 0, BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
        mine.window(0).putInt((int) BYTES / 2 + 100, 0x12345678);
        SegmentList segments = new SegmentList();
        DmaSpace space = function.dmaMap.newSpace();
        space.map(0x10000 + 100, 4, DmaAccess.WRITE, segments);
        assertEquals(0x12345678, segments.buffer(0).getInt(segments.offset(0)));
        mine.close();
        assertNewFds(1);
    }

    @Test
    void keepsToTheProtectionAskedFor() throws Exception {
        client.dmaMap(0, BYTES, READ, memory.fd(), 0);
        DmaSpace space = function.dmaMap.newSpace();
        space.map(0, 16, DmaAccess.READ, new SegmentList());
        assertThrows(DmaFaultException.class, () -> space.map(0, 16, DmaAccess.WRITE, new SegmentList()));
    }

    @Test
    void takesRangesWithoutAFile() throws IOException {
        client.dmaMap(0xfea0_0000L, 0x10_0000, READ | WRITE, null, 0);
        client.dmaMap(0xc0000, 0x1000, READ, null, 0);
        assertEquals(2, function.dmaMap.regionCount());
        assertEquals(0, function.dmaMap.mappedBytes());
    }

    @Test
    void takesTheMmapFlagWithAFile() throws IOException {
        ok(Command.DMA_MAP, request(32, READ | WRITE | MMAP, 0, 0, BYTES), memory.fd());
    }

    @Test
    void refusesFlagsThatNeedAFileOrDoNotExist() throws IOException {
        invalid(Command.DMA_MAP, request(32, READ | WRITE | MMAP, 0, 0, BYTES));
        invalid(Command.DMA_MAP, request(32, READ | WRITE | FILE_IO, 0, 0, BYTES), memory.fd());
        invalid(Command.DMA_MAP, request(32, 0x100 | READ, 0, 0, BYTES));
        assertNothingIsLeft();
    }

    @Test
    void refusesShortAndLongPayloadAndSmallArgsz() throws IOException {
        byte[] good = request(32, READ, 0, 0, BYTES);
        invalidWhenShorter(Command.DMA_MAP, good);
        invalid(Command.DMA_MAP, Bytes.of().raw(good).u8(0).get());
        invalid(Command.DMA_MAP, request(31, READ, 0, 0, BYTES), memory.fd());
        assertNothingIsLeft();
    }

    @Test
    void refusesTwoDescriptors() throws IOException {
        invalid(Command.DMA_MAP, request(32, READ, 0, 0, BYTES), memory.fd(), memory.fd());
        assertNothingIsLeft();
    }

    @Test
    void refusesRangesThatCannotBe() throws IOException {
        invalid(Command.DMA_MAP, request(32, READ, 0, 0x1000, 0));
        invalid(Command.DMA_MAP, request(32, READ, 0, -4096, 8192), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, 0, 1, 4096), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, 0, 0, 4095), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, 1, 0, 4096), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, -4096, 0, 8192), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, 0, 0, BYTES + 4096), memory.fd());
        invalid(Command.DMA_MAP, request(32, READ, BYTES, 0, 4096), memory.fd());
        fails(Errno.ENOSPC, Command.DMA_MAP, request(32, READ, 0, 0, (8L << 40) + 4096), memory.fd());
        assertNothingIsLeft();
    }

    @Test
    void refusesAnOverlap() throws IOException {
        client.dmaMap(0x10000, BYTES, READ, memory.fd(), 0);
        fails(Errno.EEXIST, Command.DMA_MAP, request(32, READ, 0, 0x10000 + BYTES - 4096, BYTES), memory.fd());
        fails(Errno.EEXIST, Command.DMA_MAP, request(32, READ, 0, 0x10000 + 4096, 4096), memory.fd());
        client.dmaUnmap(0x10000, BYTES);
        assertNothingIsLeft();
    }

    @Test
    void refusesADescriptorThatCannotBeMapped() throws IOException {
        try (EventFd eventFd = EventFd.create()) {
            var reply = client.exchange(Command.DMA_MAP, request(32, READ | WRITE, 0, 0, 4096), eventFd.fd());
            assertEquals(true, reply.isError());
            assertNewFds(2);
        }
        assertNothingIsLeft();
    }

    private void assertNothingIsLeft() {
        assertEquals(0, function.dmaMap.regionCount());
        assertEquals(0, function.dmaMap.mappedBytes());
        assertNewFds(1);
    }

    private static byte[] request(long argsz, long flags, long offset, long address, long size) {
        return Bytes.of().u32(argsz, flags).u64(offset, address, size).get();
    }
}
