package org.virtiobackend.dma;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.MemFd;

class DmaMapTest {
    private static final long PAGE = 4096;

    private static int errno(org.junit.jupiter.api.function.Executable call) {
        return assertThrows(ErrnoException.class, call).errno();
    }

    @Test
    void refusesWhatNoMappingCanBe() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", 4 * PAGE)) {
            assertEquals(Errno.EINVAL, errno(() -> map.map(0, 0, true, true, null, 0)));
            assertEquals(Errno.EINVAL, errno(() -> map.map(-PAGE, 2 * PAGE, true, true, null, 0)));
            assertEquals(Errno.ENOSPC, errno(() -> map.map(0, (8L << 40) + PAGE, true, true, null, 0)));
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(1, PAGE, true, true, file.fd().duplicate(), 0)));
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(0, PAGE + 1, true, true, file.fd().duplicate(), 0)));
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(0, PAGE, true, true, file.fd().duplicate(), 7)));
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(0, PAGE, true, true, file.fd().duplicate(), -PAGE)));
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(0, 8 * PAGE, true, true, file.fd().duplicate(), 0)));
            assertEquals(0, map.regionCount());
            map.map(-PAGE, PAGE, true, true, null, 0);
            map.map(PAGE, 2 * PAGE, true, true, file.fd().duplicate(), 0);
            assertEquals(Errno.EEXIST, errno(() -> map.map(0, 2 * PAGE, true, true, null, 0)));
            assertEquals(Errno.EEXIST, errno(() -> map.map(2 * PAGE, 9 * PAGE, true, true, null, 0)));
            assertEquals(Errno.EEXIST, errno(() -> map.map(0, 9 * PAGE, true, true, null, 0)));
            map.map(-PAGE, PAGE, true, true, null, 0);
            assertEquals(Errno.ENOENT, errno(() -> map.unmap(PAGE, PAGE)));
            assertEquals(Errno.ENOENT, errno(() -> map.unmap(0, PAGE)));
            assertEquals(2 * PAGE, map.mappedBytes());
            map.unmap(PAGE, 2 * PAGE);
            assertEquals(0, map.mappedBytes());
            assertEquals(1, map.unmapAll());
        }
    }

    @Test
    void takesOverTheDescriptorInEveryCase() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", PAGE)) {
            var bad = file.fd().duplicate();
            assertThrows(ErrnoException.class, () -> map.map(1, PAGE, true, true, bad, 0));
            assertFalse(bad.isOpen());
            var good = file.fd().duplicate();
            map.map(0, PAGE, true, true, good, 0);
            assertFalse(good.isOpen());
        }
    }

    @Test
    void neverMapsGuestMemoryWhenPolicyForbidsIt() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", PAGE)) {
            map.setGuestMemory(GuestMemory.REFUSED);
            map.setRemoteMemory(new CountingMemory());
            map.map(0, PAGE, true, true, file.fd().duplicate(), 0);
            map.map(PAGE, PAGE, true, true, null, 0);
            assertEquals(0, map.mappedBytes());
            DmaSpace space = map.newSpace();
            assertThrows(DmaFaultException.class, () -> space.map(0, 1, DmaAccess.READ, new SegmentList()));
            assertThrows(DmaFaultException.class, () -> space.map(PAGE, 1, DmaAccess.READ, new SegmentList()));
        }
    }

    @Test
    void holdsGuestMemoryUntilTheDeviceMayHaveIt() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", 2 * PAGE)) {
            CountingUser user = new CountingUser();
            map.setUser(user);
            map.setGuestMemory(GuestMemory.HELD);
            var held = file.fd().duplicate();
            map.map(0, PAGE, true, true, held, 0);
            assertTrue(held.isOpen());
            assertEquals(0, map.mappedBytes());
            DmaSpace space = map.newSpace();
            assertThrows(DmaFaultException.class, () -> space.map(0, 1, DmaAccess.READ, new SegmentList()));
            map.setGuestMemory(GuestMemory.OPEN);
            map.map(PAGE, PAGE, true, true, file.fd().duplicate(), PAGE);
            assertTrue(space.refresh());
            space.map(0, 2 * PAGE, DmaAccess.READ, new SegmentList());
            assertEquals(2 * PAGE, map.mappedBytes());
            map.setGuestMemory(GuestMemory.HELD);
            assertEquals(1, user.refreshed);
            assertEquals(2, user.added);
            assertEquals(0, map.mappedBytes());
            map.unmap(0, PAGE);
            assertFalse(held.isOpen());
            assertThrows(IllegalStateException.class, () -> map.setGuestMemory(GuestMemory.REFUSED));
        }
    }

    @Test
    void oneClientCannotTakeWhatTheProcessHasOfMappings() throws Exception {
        MappingBudget mappings = new MappingBudget("mappings", 8);
        MappingBudget files = new MappingBudget("descriptors", 100);
        try (MemFd file = MemFd.create("dma", PAGE);
                DmaMap a = new DmaMap(mappings, files);
                DmaMap b = new DmaMap(mappings, files);
                DmaMap c = new DmaMap(mappings, files);
                DmaMap d = new DmaMap(mappings, files);
                DmaMap late = new DmaMap(mappings, files)) {
            for (DmaMap map : List.of(a, b, c, d)) {
                map.map(0, PAGE, true, true, file.fd().duplicate(), 0);
                map.map(PAGE, PAGE, true, true, file.fd().duplicate(), 0);
                assertEquals(
                        Errno.ENOSPC,
                        errno(() ->
                                map.map(2 * PAGE, PAGE, true, true, file.fd().duplicate(), 0)));
                map.map(3 * PAGE, PAGE, true, true, null, 0); // takes none
            }
            assertEquals(
                    Errno.ENOSPC,
                    errno(() -> late.map(0, PAGE, true, true, file.fd().duplicate(), 0)));
            a.unmap(0, PAGE);
            late.map(0, PAGE, true, true, file.fd().duplicate(), 0);
            b.unmapAll();
            late.map(PAGE, PAGE, true, true, file.fd().duplicate(), 0);
            // A mapping that fails takes none either.
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> b.map(0, 2 * PAGE, true, true, file.fd().duplicate(), 0)));
            b.map(0, PAGE, true, true, file.fd().duplicate(), 0);
        }
        assertEquals(8, free(mappings));
        assertEquals(100, free(files));
    }

    @Test
    void descriptorsThatAreKeptAreCounted() throws Exception {
        MappingBudget mappings = new MappingBudget("mappings", 100);
        MappingBudget files = new MappingBudget("descriptors", 4);
        try (MemFd file = MemFd.create("dma", PAGE);
                DmaMap map = new DmaMap(mappings, files)) {
            map.setGuestMemory(GuestMemory.HELD);
            map.map(0, PAGE, true, true, file.fd().duplicate(), 0);
            var surplus = file.fd().duplicate();
            assertEquals(Errno.ENOSPC, errno(() -> map.map(PAGE, PAGE, true, true, surplus, 0)));
            assertFalse(surplus.isOpen());
            map.setGuestMemory(GuestMemory.OPEN);
            map.unmap(0, PAGE);
            assertEquals(
                    Errno.EINVAL,
                    errno(() -> map.map(0, 2 * PAGE, true, true, file.fd().duplicate(), 0)));
            map.map(0, PAGE, true, true, file.fd().duplicate(), 0);
            map.setGuestMemory(GuestMemory.HELD);
        }
        assertEquals(100, free(mappings));
        assertEquals(4, free(files));
    }

    /** How many are left, by taking all. */
    private static int free(MappingBudget budget) {
        for (int n = 0; ; n++) {
            try {
                budget.newShare().take();
            } catch (ErrnoException e) {
                return n;
            }
        }
    }

    @Test
    void honoursDirection() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", PAGE)) {
            map.map(0, PAGE, true, false, file.fd().duplicate(), 0);
            DmaSpace space = map.newSpace();
            SegmentList out = new SegmentList();
            space.map(0, 16, DmaAccess.READ, out);
            assertEquals(16, out.totalBytes());
            assertThrows(DmaFaultException.class, () -> space.map(0, 16, DmaAccess.WRITE, out));
            assertEquals(16, out.totalBytes(), "a fault leaves the list as it was");
        }
    }

    /** Random maps and look-ups against a plain byte-by-byte model of which page belongs to which file offset. */
    @Test
    void agreesWithAModelPageByPage() throws Exception {
        int pages = 64;
        Random random = new Random(11);
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", pages * PAGE)) {
            long base = 0x7fff_ffff_0000_0000L;
            stamp(file, pages);
            int[] model = new int[pages];
            List<long[]> regions = new ArrayList<>();
            DmaSpace space = map.newSpace();
            for (int step = 0; step < 20_000; step++) {
                if (random.nextInt(10) == 0 && !regions.isEmpty()) {
                    long[] gone = regions.remove(random.nextInt(regions.size()));
                    map.unmap(gone[0], gone[1]);
                    for (long p = 0; p < gone[1] / PAGE; p++) {
                        model[(int) ((gone[0] - base) / PAGE + p)] = 0;
                    }
                } else if (random.nextInt(5) == 0) {
                    tryMap(map, file, base, model, regions, random);
                }
                space.refresh();
                checkLookup(space, base, model, random);
            }
        }
    }

    /** Fills each page with its number, from 1. */
    private static void stamp(MemFd file, int pages) throws IOException {
        try (FileChannel channel = channel(file)) {
            for (int page = 0; page < pages; page++) {
                byte[] bytes = new byte[(int) PAGE];
                Arrays.fill(bytes, (byte) (page + 1));
                channel.write(ByteBuffer.wrap(bytes), page * PAGE);
            }
        }
    }

    /** The file by reading and writing, not by a mapping. */
    private static FileChannel channel(MemFd file) throws IOException {
        Path path = Path.of("/proc/self/fd/" + file.fd().value());
        return FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    private static void tryMap(DmaMap map, MemFd file, long base, int[] model, List<long[]> regions, Random random)
            throws ErrnoException {
        int first = random.nextInt(model.length);
        int count = 1 + random.nextInt(Math.min(8, model.length - first));
        int filePage = random.nextInt(model.length - count + 1);
        boolean free = true;
        for (int p = first; p < first + count; p++) {
            free &= model[p] == 0;
        }
        long address = base + first * PAGE;
        try {
            map.map(address, count * PAGE, true, true, file.fd().duplicate(), filePage * PAGE);
            assertTrue(free);
            regions.add(new long[] {address, count * PAGE});
            for (int p = 0; p < count; p++) {
                model[first + p] = filePage + p + 1;
            }
        } catch (ErrnoException e) {
            assertEquals(Errno.EEXIST, e.errno());
            assertFalse(free);
        }
    }

    private static void checkLookup(DmaSpace space, long base, int[] model, Random random) {
        long from = random.nextInt((int) (model.length * PAGE));
        long length = 1 + random.nextInt((int) (3 * PAGE));
        boolean expected = true;
        for (long p = from / PAGE; p <= (from + length - 1) / PAGE; p++) {
            expected &= p < model.length && model[(int) p] != 0;
        }
        SegmentList out = new SegmentList();
        try {
            space.map(base + from, length, DmaAccess.WRITE, out);
            assertTrue(expected);
            assertEquals(length, out.totalBytes());
        } catch (DmaFaultException e) {
            assertFalse(expected, e.getMessage());
            return;
        }
        long at = from;
        for (int i = 0; i < out.count(); at += out.length(i), i++) {
            for (int j = 0; j < out.length(i); j = next(at, j, out.length(i))) {
                byte stamp = out.buffer(i).get(out.offset(i) + j);
                assertEquals(model[(int) ((at + j) / PAGE)], stamp, "page of the file");
                out.buffer(i).put(out.offset(i) + j, stamp); // it can be written
            }
        }
    }

    /** The next byte to look at: the first and the last of each page, of those that a segment has. */
    private static int next(long at, int now, int length) {
        long left = PAGE - 1 - (at + now) % PAGE;
        return now == length - 1 ? length : (int) Math.min(now + Math.max(left, 1), length - 1);
    }

    @Test
    void windowsCarryRegionsBeyond2GiB() throws Exception {
        long size = 5L << 30;
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("large", size)) {
            map.map(1L << 32, size, true, true, file.fd().duplicate(), 0);
            DmaSpace space = map.newSpace();
            SegmentList out = new SegmentList();
            long edge = (1L << 32) + (1L << 30) - 8;
            space.map(edge, 16, DmaAccess.WRITE, out);
            assertEquals(2, out.count());
            out.buffer(0).putLong(out.offset(0), 1);
            out.buffer(1).putLong(out.offset(1), 2);
            out.clear();
            space.map((1L << 32) + size - 8, 8, DmaAccess.WRITE, out);
            out.buffer(0).putLong(out.offset(0), 3);
            out.clear();
            space.map(1L << 32, 1L << 32, DmaAccess.READ, out);
            assertEquals(1L << 32, out.totalBytes());
            try (FileChannel channel = channel(file)) {
                assertEquals(1, longAt(channel, (1L << 30) - 8));
                assertEquals(2, longAt(channel, 1L << 30));
                assertEquals(3, longAt(channel, size - 8));
            }
        }
    }

    private static long longAt(FileChannel channel, long position) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(8, channel.read(bytes, position));
        return bytes.getLong(0);
    }

    @Test
    void reachesMemoryWithoutDescriptorByMessages() throws Exception {
        CountingMemory peer = new CountingMemory();
        try (DmaMap map = new DmaMap()) {
            map.setRemoteMemory(peer);
            map.map(0x1000, 0x1000, true, true, null, 0);
            DmaSpace space = map.newSpace();
            peer.bytes.put(0x1010, (byte) 77);
            SegmentList out = new SegmentList();
            space.map(0x1010, 4, DmaAccess.READ, out);
            assertEquals(77, out.buffer(0).get(out.offset(0)));
            out.clear();
            space.map(0x1100, 4, DmaAccess.WRITE, out);
            space.map(0x1200, 4, DmaAccess.WRITE, out);
            out.buffer(0).putInt(out.offset(0), 0x01020304);
            out.buffer(1).putInt(out.offset(1), 0x05060708);
            assertEquals(0, peer.bytes.get(0x1100));
            out.commit(6);
            assertEquals(0x04, peer.bytes.get(0x1100));
            assertEquals(0x07, peer.bytes.get(0x1201));
            assertEquals(0, peer.bytes.get(0x1202), "only what was written is sent");
            RingAccess ring = new RingAccess();
            space.attach(0x1300, 64, 2, DmaAccess.WRITE, ring);
            assertTrue(ring.isRemote());
            peer.bytes.put(0x1302, (byte) 9);
            ring.fetch(2, 2);
            assertEquals(9, ring.getU16Acquire(2));
            ring.putU16Release(4, 0x1234);
            ring.flush(4, 2);
            assertEquals(0x34, peer.bytes.get(0x1304));
            assertThrows(DmaFaultException.class, () -> space.map(0x1ff0, 0x20, DmaAccess.READ, new SegmentList()));
        }
    }

    private static final class CountingMemory implements RemoteMemory {
        final ByteBuffer bytes = ByteBuffer.allocate(0x3000);

        @Override
        public void read(long address, ByteBuffer target, int offset, int length) {
            target.put(offset, bytes, (int) address, length);
        }

        @Override
        public void write(long address, ByteBuffer source, int offset, int length) {
            bytes.put((int) address, source, offset, length);
        }
    }

    @Test
    void tellsItsUserOfMemoryThatComesAndGoes() throws Exception {
        try (DmaMap map = new DmaMap();
                MemFd file = MemFd.create("dma", PAGE)) {
            CountingUser user = new CountingUser();
            map.setUser(user);
            map.map(0, PAGE, true, true, file.fd().duplicate(), 0);
            assertEquals(1, user.added);
            assertThrows(ErrnoException.class, () -> map.map(0, PAGE, true, true, null, 0));
            assertEquals(1, user.added, "nothing came");
            assertEquals(0, user.refreshed);
            map.unmap(0, PAGE);
            assertEquals(1, user.refreshed);
            assertEquals(1, user.added);
        }
    }

    private static final class CountingUser implements DmaUser {
        private int refreshed;
        private int added;

        @Override
        public void refreshMemory() {
            refreshed++;
        }

        @Override
        public void memoryAdded() {
            added++;
        }
    }
}
