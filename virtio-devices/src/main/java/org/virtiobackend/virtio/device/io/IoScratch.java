package org.virtiobackend.virtio.device.io;

import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;

/** What one thread needs for file I/O: an iovec array and, once asked for, page-aligned memory to copy through. */
public final class IoScratch {
    /** Bytes of {@link #bounce}. */
    public static final int BOUNCE_BYTES = 1 << 20;

    private final IoVec iov = new IoVec();
    private NativeBuffer bounce;

    public IoVec iov() {
        return iov;
    }

    /** Page-aligned memory; its content is whatever the last use left. */
    public NativeBuffer bounce() {
        if (bounce == null) {
            bounce = NativeBuffer.allocatePageAligned(BOUNCE_BYTES);
        }
        return bounce;
    }
}
