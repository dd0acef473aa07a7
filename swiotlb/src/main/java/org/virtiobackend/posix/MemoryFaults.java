package org.virtiobackend.posix;

/**
 * Faults in mapped memory whose file was cut short. HotSpot makes an InternalError of the SIGBUS; up to JDK 17 at least compiled code
 * goes on at first, and the error comes when the thread next returns from a native method outside the JVM.
 */
public final class MemoryFaults {
    private MemoryFaults() {}

    /**
     * Throws the InternalError that is due to the calling thread, if there is one, so that it does not hit what the thread does next.
     * Some tens of nanoseconds; no system call.
     */
    public static void surface() {
        LibC.abs(0);
    }
}
