package org.virtiobackend.dma;

import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Mapping;

/** One range of a client's DMA space. Immutable; {@link DmaMap} owns and closes the mapping. */
final class DmaRegion {
    final long address;
    final long size;
    final boolean readable;
    final boolean writable;
    /** Whether the client passed a descriptor. */
    final boolean hasFile;
    /** The client's descriptor when the memory may have to be mapped later, otherwise null. */
    final Fd file;
    /** Bytes into the file. */
    final long fileOffset;
    /** Null while the range is not mapped. */
    final Mapping mapping;
    /** Null unless the range is reached by messages now. */
    final RemoteMemory remote;

    DmaRegion(long address, long size, boolean readable, boolean writable, Fd file, long fileOffset, boolean hasFile) {
        this(address, size, readable, writable, file, fileOffset, hasFile, null, null);
    }

    private DmaRegion(
            long address,
            long size,
            boolean readable,
            boolean writable,
            Fd file,
            long fileOffset,
            boolean hasFile,
            Mapping mapping,
            RemoteMemory remote) {
        this.address = address;
        this.size = size;
        this.readable = readable;
        this.writable = writable;
        this.file = file;
        this.fileOffset = fileOffset;
        this.hasFile = hasFile;
        this.mapping = mapping;
        this.remote = remote;
    }

    /** The same range, reached in another way, or with two nulls in none. */
    DmaRegion reachedBy(Mapping newMapping, RemoteMemory newRemote) {
        return new DmaRegion(address, size, readable, writable, file, fileOffset, hasFile, newMapping, newRemote);
    }

    /** Whether the device gets at the memory in some way now. */
    boolean isReachable() {
        return mapping != null || remote != null;
    }

    boolean allows(DmaAccess access) {
        return access == DmaAccess.WRITE ? writable : readable;
    }

    int protection() {
        return (readable ? Mapping.PROT_READ : 0) | (writable ? Mapping.PROT_WRITE : 0);
    }

    boolean contains(long wanted) {
        return Long.compareUnsigned(wanted - address, size) < 0;
    }

    boolean overlaps(long otherAddress, long otherSize) {
        return contains(otherAddress) || Long.compareUnsigned(address - otherAddress, otherSize) < 0;
    }

    /** Appends {@code [offset, offset + length)} of this range, which the caller has checked to lie inside it. */
    void append(long offset, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        checkAllowed(offset, length, access);
        if (mapping == null) {
            if (length > SegmentList.MAX_REMOTE_BYTES) {
                throw new DmaFaultException("request larger than messages carry", address + offset, length);
            }
            out.addRemote(remote, address + offset, (int) length, access);
            return;
        }
        long at = offset;
        long left = length;
        while (left > 0) {
            int start = Mapping.windowOffset(at);
            int part = (int) Math.min(left, Mapping.WINDOW_BYTES - start);
            out.add(mapping.window(at), start, part, mapping.address() + at);
            at += part;
            left -= part;
        }
    }

    /** Points a ring area at this range; the caller has checked that it lies inside. */
    void attach(long offset, int length, int alignment, DmaAccess access, RingAccess area) throws DmaFaultException {
        checkAllowed(offset, length, access);
        if ((offset & (alignment - 1)) != 0) {
            throw new DmaFaultException("ring area is not aligned", address + offset, length);
        }
        if (mapping == null) {
            area.attachRemote(remote, address + offset, length);
            return;
        }
        int start = Mapping.windowOffset(offset);
        if (length > Mapping.WINDOW_BYTES - start) {
            throw new DmaFaultException("ring area crosses a window of 1 GiB", address + offset, length);
        }
        area.attachMapped(mapping.window(offset), start, length);
    }

    private void checkAllowed(long offset, long length, DmaAccess access) throws DmaFaultException {
        if (!allows(access)) {
            throw new DmaFaultException("range is not mapped for " + access, address + offset, length);
        }
        if (!isReachable()) {
            throw new DmaFaultException("guest memory that this device may not touch", address + offset, length);
        }
    }
}
