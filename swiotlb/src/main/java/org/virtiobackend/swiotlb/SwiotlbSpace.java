package org.virtiobackend.swiotlb;

import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

/**
 * The memory of a device with SWIOTLB or DMB negotiated: the region and nothing else. It holds no reference to guest memory, so
 * no address can lead there.
 */
public final class SwiotlbSpace implements DmaSpace {
    private final BarMemory memory;
    private final AddressCodec codec;

    public SwiotlbSpace(BarMemory memory, AddressCodec codec) {
        this.memory = memory;
        this.codec = codec;
    }

    @Override
    public void map(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        if (length == 0) {
            return;
        }
        memory.append(check(address, length), length, out);
    }

    @Override
    public void attach(long address, int length, int alignment, DmaAccess access, RingAccess area)
            throws DmaFaultException {
        area.detach();
        long offset = check(address, length);
        if ((offset & (alignment - 1)) != 0) {
            throw new DmaFaultException("ring area is not aligned", address, length);
        }
        memory.attach(offset, length, area);
    }

    /** The region neither moves in our address space nor changes its size. */
    @Override
    public boolean refresh() {
        return false;
    }

    /** Sealed against shrinking. */
    @Override
    public boolean isIntact() {
        return true;
    }

    // DMB proposal: offset and length are checked for range and overflow before each access
    private long check(long address, long length) throws DmaFaultException {
        long offset = codec.offset(address);
        if (offset == AddressCodec.INVALID || !memory.contains(offset, length)) {
            throw new DmaFaultException("address is not inside the device's region", address, length);
        }
        return offset;
    }
}
