package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.NativeBuffer;

/** Buffers for directory entries, kept for the next directory. Any thread. */
final class BufferPool {
    private static final int BYTES = 32 << 10;

    private final NativeBuffer[] kept = new NativeBuffer[64];
    private int count;

    synchronized NativeBuffer take() {
        return count > 0 ? kept[--count] : NativeBuffer.allocate(BYTES);
    }

    synchronized void giveBack(NativeBuffer buffer) {
        if (count < kept.length) {
            kept[count++] = buffer;
        }
    }
}
