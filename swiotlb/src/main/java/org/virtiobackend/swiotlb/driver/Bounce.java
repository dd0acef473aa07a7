package org.virtiobackend.swiotlb.driver;

import java.nio.ByteBuffer;

/** One mapping of a {@link BouncePool}: reusable, one user at a time. */
public final class Bounce {
    ByteBuffer memory;
    int memoryOffset;
    long memoryOffsetInRegion;
    int length;
    long dmaAddress;
    ByteBuffer data;
    int dataOffset;
    BouncePool.Direction direction;

    /** Whether it is in use, between map and unmap. */
    public boolean isMapped() {
        return data != null;
    }

    /** What the driver puts into a descriptor. */
    public long dmaAddress() {
        return dmaAddress;
    }

    /** Bytes. */
    public int length() {
        return length;
    }
}
