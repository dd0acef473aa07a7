package org.virtiobackend.conformance.runner;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.vfiouser.client.DmaTarget;

/** Serves the device's DMA messages and writes them down, in their order. Any thread. */
public final class DmaLog implements DmaTarget {
    /** One access of the device. */
    public record Access(boolean write, long address, int length) {
        /** Whether it touches any byte of the range. */
        public boolean touches(long start, long count) {
            return address < start + count && start < address + length;
        }
    }

    private static final int LIMIT = 100_000;

    private final DmaTarget memory;
    private final Trace trace;
    private final List<Access> accesses = new ArrayList<>();

    DmaLog(DmaTarget memory, Trace trace) {
        this.memory = memory;
        this.trace = trace;
    }

    @Override
    public int read(long address, int length, ByteBuf out) {
        note(new Access(false, address, length));
        return memory.read(address, length, out);
    }

    @Override
    public int write(long address, int length, ByteBuf in) {
        note(new Access(true, address, length));
        return memory.write(address, length, in);
    }

    private synchronized void note(Access access) {
        if (accesses.size() < LIMIT) {
            accesses.add(access);
        }
        trace.add("device " + (access.write() ? "writes " : "reads ") + access.length() + " at 0x"
                + Long.toHexString(access.address()));
    }

    synchronized void clear() {
        accesses.clear();
    }

    /** Everything so far, oldest first. */
    public synchronized List<Access> accesses() {
        return new ArrayList<>(accesses);
    }
}
