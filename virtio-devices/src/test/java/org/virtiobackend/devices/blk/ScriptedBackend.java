package org.virtiobackend.devices.blk;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.Transfer;
import org.virtiobackend.virtio.device.io.IoScratch;

/** A disk that does what a test says and remembers what it was asked. */
final class ScriptedBackend implements BlockBackend {
    /** Calls in order: operation, length left, where, flags. */
    final List<String> calls = new CopyOnWriteArrayList<>();

    volatile int result;
    volatile long size = 1 << 20;
    /** Bytes that a call without waiting moves; negative: all. */
    volatile long inlineBytes = -1;
    /** Thrown where waiting is allowed. */
    volatile RuntimeException failure;

    /** Runs first in every call that moves data. */
    volatile Runnable beforeMove = () -> {};

    volatile Runnable beforeFlush = () -> {};

    @Override
    public String description() {
        return "scripted";
    }

    @Override
    public long sizeBytes() {
        return size;
    }

    @Override
    public boolean refreshSize() {
        return false;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public int physicalBlockBytes() {
        return 512;
    }

    @Override
    public boolean isVolatile() {
        return false;
    }

    @Override
    public int read(Transfer transfer, IoScratch scratch, boolean mayWait) {
        return move("read", transfer, mayWait);
    }

    @Override
    public int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable) {
        return move(durable ? "durable write" : "write", transfer, mayWait);
    }

    private int move(String what, Transfer transfer, boolean mayWait) {
        beforeMove.run();
        calls.add(what + " " + transfer.remaining() + " at " + transfer.diskPosition() + (mayWait ? " waiting" : ""));
        if (mayWait && failure != null) {
            throw failure;
        }
        if (result == 0) {
            transfer.advance(mayWait || inlineBytes < 0 ? transfer.remaining() : inlineBytes);
        }
        return result;
    }

    @Override
    public int flush() {
        beforeFlush.run();
        calls.add("flush");
        return result;
    }

    @Override
    public int discard(long offset, long length) {
        calls.add("discard " + length + " at " + offset);
        return result;
    }

    @Override
    public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
        calls.add((mayUnmap ? "unmap " : "zero ") + length + " at " + offset);
        return result;
    }

    @Override
    public void close() {}
}
