package org.virtiobackend.conformance.mutation;

import java.nio.ByteBuffer;
import java.util.function.Supplier;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.virtio.pci.DmaPolicy;

/** A device's view of memory, bent: everything that it reads from and writes to its rings passes here. */
class BentMemory {
    /** The areas of a ring: descriptors, driver area, device area. */
    enum Area {
        TABLE,
        DRIVER,
        DEVICE
    }

    /** Size of the ring, from the length of its descriptor area. */
    int size;

    // ---- to be overridden

    /** The device reads from a ring; {@code bytes} may be changed. */
    void fetched(Area area, RingAccess real, int offset, byte[] bytes) {}

    /** The device writes to a ring; returns what is written, null for nothing. */
    byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
        return bytes;
    }

    /** The device looks a buffer up. */
    void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        space.map(address, length, access, out);
    }

    /** Whether the features that were negotiated are those that the fault is about. */
    boolean concerns(long features) {
        return true;
    }

    // ---- for those who override

    static int u16(byte[] bytes, int at) {
        return bytes[at] & 0xff | (bytes[at + 1] & 0xff) << 8;
    }

    static void put16(byte[] bytes, int at, int value) {
        bytes[at] = (byte) value;
        bytes[at + 1] = (byte) (value >>> 8);
    }

    /** Whether a field of two bytes lies in what is read or written. */
    static boolean holds(int offset, byte[] bytes, int field) {
        return field >= offset && field + 2 <= offset + bytes.length;
    }

    /** In pieces of two bytes, as an index that the driver is changing must not come in halves. */
    static byte[] read(RingAccess real, int offset, int length) {
        byte[] bytes = new byte[length];
        int at = 0;
        if (offset % 2 != 0 && length > 0) {
            bytes[at++] = (byte) real.getU8(offset);
        }
        for (; at + 2 <= length; at += 2) {
            put16(bytes, at, real.getU16Acquire(offset + at));
        }
        if (at < length) {
            bytes[at] = (byte) real.getU8(offset + at);
        }
        return bytes;
    }

    static void write(RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
        int last = bytes.length >= 2 && (offset + bytes.length) % 2 == 0 ? bytes.length - 2 : bytes.length;
        for (int i = 0; i < last; i++) {
            real.putU8(offset + i, bytes[i]);
        }
        if (last < bytes.length) {
            real.putU16Release(offset + last, u16(bytes, last));
        }
        real.flush(offset, bytes.length);
    }

    // ---- between device and memory

    DmaPolicy bend(DmaPolicy policy) {
        return new DmaPolicy() {
            @Override
            public long offeredFeatures() {
                return policy.offeredFeatures();
            }

            @Override
            public boolean acceptFeatures(long features) {
                return policy.acceptFeatures(features);
            }

            @Override
            public Supplier<DmaSpace> spaces(long features, BarWindow window) {
                Supplier<DmaSpace> spaces = policy.spaces(features, window);
                return concerns(features) ? () -> new Space(spaces.get()) : spaces;
            }

            @Override
            public Region region() {
                return policy.region();
            }
        };
    }

    private final class Space implements DmaSpace {
        private final DmaSpace space;
        private int attached;

        Space(DmaSpace space) {
            this.space = space;
        }

        @Override
        public void map(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
            BentMemory.this.map(space, address, length, access, out);
        }

        @Override
        public void attach(long address, int length, int alignment, DmaAccess access, RingAccess area)
                throws DmaFaultException {
            Area which = Area.values()[attached++ % 3];
            if (which == Area.TABLE) {
                size = length / 16;
            }
            RingAccess real = new RingAccess();
            space.attach(address, length, alignment, access, real);
            area.attachRemote(new Between(which, real, address), address, length);
        }

        @Override
        public boolean refresh() {
            return space.refresh();
        }

        @Override
        public boolean isIntact() {
            return space.isIntact();
        }
    }

    private final class Between implements RemoteMemory {
        private final Area area;
        private final RingAccess real;
        private final long base;

        Between(Area area, RingAccess real, long base) {
            this.area = area;
            this.real = real;
            this.base = base;
        }

        @Override
        public void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException {
            int from = (int) (address - base);
            real.fetch(from, length);
            byte[] bytes = BentMemory.read(real, from, length);
            fetched(area, real, from, bytes);
            target.put(offset, bytes);
        }

        @Override
        public void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException {
            byte[] bytes = new byte[length];
            source.get(offset, bytes);
            int from = (int) (address - base);
            byte[] changed = stored(area, real, from, bytes);
            if (changed != null) {
                BentMemory.write(real, from, changed);
            }
        }
    }
}
