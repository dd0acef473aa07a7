package org.virtiobackend.dma;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;

/**
 * The memory behind a run of descriptors, as a reusable list of segments. A segment is part of a byte buffer (little-endian, use
 * absolute accessors) and has a native address for system calls.
 *
 * <p>Segments of remote memory are private copies: filled when mapped for reading, sent by {@link #commit} when written. One
 * thread at a time; a segment is valid until the list is cleared or its {@link DmaSpace} refreshed.
 */
public final class SegmentList {
    /** Private copies of remote memory that one list may hold, bytes. */
    public static final long MAX_REMOTE_BYTES = 16L << 20;

    private static final int INITIAL = 8;
    /** A list that is not in use keeps room for so many segments at most. */
    private static final int MOST_KEPT = 1024;

    private ByteBuffer[] buffers = new ByteBuffer[INITIAL];
    private int[] offsets = new int[INITIAL];
    private int[] lengths = new int[INITIAL];
    private long[] nativeAddresses = new long[INITIAL];
    private int count;
    private long totalBytes;

    private RemoteMemory remote;
    private long[] remoteAddresses;
    private NativeBuffer[] copies;
    private long remoteBytes;

    /** Empties the list and frees private copies: nobody may touch a segment any more. */
    public void clear() {
        if (remote != null) {
            truncate(0);
            remote = null;
        }
        count = 0;
        totalBytes = 0;
    }

    /** Drops what was added after the list had {@code newCount} segments. */
    public void truncate(int newCount) {
        while (count > newCount) {
            totalBytes -= lengths[--count];
            if (remote != null && count < copies.length && copies[count] != null) {
                copies[count].close();
                copies[count] = null;
                remoteBytes -= lengths[count];
            }
        }
    }

    /** Bytes of private copies that the list holds. */
    public long remoteBytes() {
        return remoteBytes;
    }

    /** Appends mapped memory. */
    public void add(ByteBuffer buffer, int offset, int length, long nativeAddress) {
        if (count == buffers.length) {
            grow();
        }
        buffers[count] = buffer;
        offsets[count] = offset;
        lengths[count] = length;
        nativeAddresses[count] = nativeAddress;
        count++;
        totalBytes += length;
    }

    /** Appends a private copy of remote memory, read from the peer when the device wants to read it. */
    public void addRemote(RemoteMemory memory, long address, int length, DmaAccess access) throws DmaFaultException {
        if (!memory.isReachable()) {
            throw DmaFaultException.wrongThread(address, length);
        }
        if (remoteBytes + length > MAX_REMOTE_BYTES) {
            throw new DmaFaultException("request larger than this device copies by messages", address, length);
        }
        NativeBuffer copy = NativeBuffer.allocate(length);
        ByteBuffer bytes = copy.buffer().duplicate().order(ByteOrder.LITTLE_ENDIAN);
        if (access == DmaAccess.READ) {
            try {
                memory.read(address, bytes, 0, length);
            } catch (Throwable t) {
                copy.close();
                throw t;
            }
        }
        add(bytes, 0, length, copy.address());
        if (remote == null) {
            remote = memory;
            copies = new NativeBuffer[buffers.length];
            remoteAddresses = new long[buffers.length];
        }
        if (copies.length < buffers.length) {
            copies = Arrays.copyOf(copies, buffers.length);
            remoteAddresses = Arrays.copyOf(remoteAddresses, buffers.length);
        }
        copies[count - 1] = copy;
        remoteAddresses[count - 1] = address;
        remoteBytes += length;
    }

    /** Sends the first {@code bytes} bytes of the list to where they belong; nothing to do for mapped memory. */
    public void commit(long bytes) throws DmaFaultException {
        if (remote == null) {
            return;
        }
        long left = bytes;
        for (int i = 0; i < count && left > 0; i++) {
            int length = (int) Math.min(left, lengths[i]);
            if (i < copies.length && copies[i] != null) {
                remote.write(remoteAddresses[i], buffers[i], offsets[i], length);
            }
            left -= length;
        }
    }

    public int count() {
        return count;
    }

    /** Bytes of all segments, at most 2^32 for a descriptor chain. */
    public long totalBytes() {
        return totalBytes;
    }

    public ByteBuffer buffer(int i) {
        return buffers[i];
    }

    /** Where the segment starts in {@link #buffer}. */
    public int offset(int i) {
        return offsets[i];
    }

    public int length(int i) {
        return lengths[i];
    }

    public long nativeAddress(int i) {
        return nativeAddresses[i];
    }

    /**
     * Appends bytes {@code [from, from + length)} of the list to an iovec array.
     *
     * @return how many bytes fitted; fewer than {@code length} only when the array is full
     */
    public long addTo(IoVec iov, long from, long length) {
        long skip = from;
        long left = length;
        for (int i = 0; i < count && left > 0; i++) {
            int size = lengths[i];
            if (skip >= size) {
                skip -= size;
                continue;
            }
            long part = Math.min(size - skip, left);
            if (!iov.add(nativeAddresses[i] + skip, part)) {
                break;
            }
            left -= part;
            skip = 0;
        }
        return length - left;
    }

    /** Nobody needs the list for now: frees private copies, and the room of an unusually long one. */
    public void release() {
        if (remote != null) {
            clear();
        }
        if (buffers.length > MOST_KEPT) {
            clear();
            resize(INITIAL);
            copies = null;
            remoteAddresses = null;
        }
    }

    /** How many segments it has room for. */
    int room() {
        return buffers.length;
    }

    private void grow() {
        resize(buffers.length * 2);
    }

    private void resize(int size) {
        buffers = Arrays.copyOf(buffers, size);
        offsets = Arrays.copyOf(offsets, size);
        lengths = Arrays.copyOf(lengths, size);
        nativeAddresses = Arrays.copyOf(nativeAddresses, size);
    }
}
