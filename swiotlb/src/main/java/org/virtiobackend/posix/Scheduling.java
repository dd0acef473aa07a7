package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/** How the kernel schedules the calling thread. */
public final class Scheduling {
    private static final int PR_SET_TIMERSLACK = 29;
    private static final int ATTRIBUTES_BYTES = 48;
    private static final int FLAGS_AT = 8;
    private static final int RUNTIME_AT = 24;
    /** The shortest that the kernel grants. */
    private static final long SLICE_NANOS = 100_000;

    private Scheduling() {}

    /**
     * For threads that are woken often and run for a short time: they run soon, and waits end on time.
     *
     * <p>By default a wait may end 50 us late, to wake several threads at once; and since Linux 6.6 a thread that wakes up waits until
     * who is running there, a guest's processor perhaps, has had its slice, milliseconds. A thread with a shorter slice waits for so
     * long at most (6.12). It gets no larger share of the processor by that. Where the kernel does not know that, nothing changes.
     */
    public static void shortTurns() {
        LibC.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
        NativeBuffer attributes = NativeBuffer.allocate(ATTRIBUTES_BYTES);
        if (read(attributes) == 0) {
            ByteBuffer fields = attributes.buffer();
            fields.putLong(FLAGS_AT, 0).putLong(RUNTIME_AT, SLICE_NANOS);
            FileCalls.syscall(Architecture.SYS_SCHED_SETATTR, 0, attributes.address(), 0, 0, 0);
        }
        Reference.reachabilityFence(attributes);
    }

    /** The calling thread's slice, ns; 0 when the kernel does not say. */
    public static long sliceNanos() {
        NativeBuffer attributes = NativeBuffer.allocate(ATTRIBUTES_BYTES);
        return read(attributes) == 0 ? attributes.buffer().getLong(RUNTIME_AT) : 0;
    }

    private static long read(NativeBuffer attributes) {
        long result =
                FileCalls.syscall(Architecture.SYS_SCHED_GETATTR, 0, attributes.address(), ATTRIBUTES_BYTES, 0, 0);
        Reference.reachabilityFence(attributes);
        return result;
    }
}
