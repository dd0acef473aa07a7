package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.NativeBuffer;

/** Buffers for directory entries, kept for the next directory. Any thread. */
final class BufferPool {
    static final int BYTES = 32 << 10;
    /** When more are in use, a directory gives its buffer back after every request. */
    static final int CROWD = 256;

    private final NativeBuffer[] kept = new NativeBuffer[64];
    private int count;
    private int lent;

    synchronized NativeBuffer take() {
        lent++;
        return count > 0 ? kept[--count] : NativeBuffer.allocate(BYTES);
    }

    synchronized void giveBack(NativeBuffer buffer) {
        lent--;
        if (count < kept.length) {
            kept[count++] = buffer;
        }
    }

    /** Buffers that directories have at the moment. */
    synchronized int lent() {
        return lent;
    }
}
