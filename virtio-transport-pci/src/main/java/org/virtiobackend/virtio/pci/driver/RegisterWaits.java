package org.virtiobackend.virtio.pci.driver;

import static org.virtiobackend.virtio.DeviceStatus.DEVICE_NEEDS_RESET;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Waits for a device that takes its time; not for ever. */
final class RegisterWaits {
    private static final long DEFAULT_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    private final VirtioRegisters registers;
    private long timeoutNanos = DEFAULT_TIMEOUT_NANOS;

    RegisterWaits(VirtioRegisters registers) {
        this.registers = registers;
    }

    void setTimeout(long nanos) {
        timeoutNanos = nanos;
    }

    /** Until a register of the common configuration reads 0. */
    void untilZero(int field, int width, String failure) throws IOException {
        long start = System.nanoTime();
        while (registers.common(field, width) != 0) {
            pause(start, failure);
        }
    }

    /** Until the status has the bits {@code set} and not {@code clear}; a device that needs a reset does not get there. */
    void untilStatus(int set, int clear, String failure) throws IOException {
        long start = System.nanoTime();
        for (int status = registers.status(); (status & (set | clear)) != set; status = registers.status()) {
            if ((status & DEVICE_NEEDS_RESET) != 0) {
                throw new VirtioDriverException(failure + ": it needs a reset");
            }
            pause(start, failure);
        }
    }

    private void pause(long start, String failure) throws VirtioDriverException {
        if (System.nanoTime() - start > timeoutNanos) {
            throw new VirtioDriverException(failure);
        }
        LockSupport.parkNanos(POLL_NANOS);
    }
}
