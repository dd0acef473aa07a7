package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** The capability of a region that only parts of it may be mapped: a list of areas. */
public final class SparseMmapCapability {
    public static final int ID = 1;
    public static final int VERSION = 1;
    /** Bytes before the areas. */
    public static final int HEADER_SIZE = 16;

    public static final int AREA_SIZE = 16;

    private static final int NEXT = 4;
    private static final int AREAS = 8;

    private ByteBuf bytes;
    private int at;

    public SparseMmapCapability wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    /** Starts the capability; the last of a region. */
    public SparseMmapCapability set(int areas) {
        bytes.setShortLE(at, ID);
        bytes.setShortLE(at + 2, VERSION);
        bytes.setIntLE(at + NEXT, 0);
        bytes.setIntLE(at + AREAS, areas);
        bytes.setIntLE(at + 12, 0);
        return this;
    }

    public SparseMmapCapability setArea(int n, long offset, long size) {
        bytes.setLongLE(area(n), offset);
        bytes.setLongLE(area(n) + 8, size);
        return this;
    }

    public int id() {
        return bytes.getUnsignedShortLE(at);
    }

    /** Where the next capability starts, bytes from the start of the region information; 0 for none. */
    public long next() {
        return bytes.getUnsignedIntLE(at + NEXT);
    }

    public long areas() {
        return bytes.getUnsignedIntLE(at + AREAS);
    }

    public long areaOffset(int n) {
        return bytes.getLongLE(area(n));
    }

    public long areaSize(int n) {
        return bytes.getLongLE(area(n) + 8);
    }

    /** Bytes of the capability. */
    public static int size(int areas) {
        return HEADER_SIZE + areas * AREA_SIZE;
    }

    private int area(int n) {
        return at + HEADER_SIZE + n * AREA_SIZE;
    }
}
