package org.virtiobackend.devices.blk.backend;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.NativeBuffer;

/** Guest memory of a test, in one piece or cut into segments anyhow. */
final class Memory {
    final SegmentList segments = new SegmentList();
    private final NativeBuffer buffer;

    /** @param cuts lengths of the segments; what they leave over is the last one */
    Memory(int length, int... cuts) {
        this(0L, length, cuts);
    }

    private Memory(long shift, int length, int[] cuts) {
        int misalignment = (int) shift;
        buffer = NativeBuffer.allocatePageAligned(length + misalignment);
        int at = 0;
        for (int cut : cuts) {
            add(at, cut, misalignment);
            at += cut;
        }
        if (at < length) {
            add(at, length - at, misalignment);
        }
    }

    /** Memory that begins some bytes behind a page boundary. */
    static Memory misaligned(int length, int misalignment) {
        return new Memory((long) misalignment, length, new int[0]);
    }

    private void add(int at, int length, int misalignment) {
        int start = at + misalignment;
        segments.add(buffer.buffer(), start, length, buffer.address() + start);
    }

    Memory put(byte[] bytes) {
        int at = 0;
        for (int i = 0; i < segments.count() && at < bytes.length; i++) {
            int part = Math.min(segments.length(i), bytes.length - at);
            segments.buffer(i).put(segments.offset(i), bytes, at, part);
            at += part;
        }
        return this;
    }

    byte[] get(int length) {
        byte[] bytes = new byte[length];
        int at = 0;
        for (int i = 0; i < segments.count() && at < length; i++) {
            int part = Math.min(segments.length(i), length - at);
            ByteBuffer from = segments.buffer(i);
            from.get(segments.offset(i), bytes, at, part);
            at += part;
        }
        return bytes;
    }

    Transfer transfer(long memoryStart, long diskStart, long length) {
        Transfer transfer = new Transfer();
        transfer.set(segments, memoryStart, diskStart, length);
        return transfer;
    }
}
