package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.NO_VECTOR;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.MsixTable;
import org.virtiobackend.pci.PciEndpoint;

/**
 * From an event of the device to an interrupt: ISR status and INTx, or a MSI-X vector. {@link #queueUsed} and
 * {@link #configChanged} come from any thread without locks; everything else from the control thread.
 */
final class VirtioInterrupts {
    private static final int ISR_QUEUE = 1;
    private static final int ISR_CONFIG = 2;

    private final PciEndpoint endpoint;
    private final MsixTable msix;
    private final AtomicIntegerArray queueVectors;
    private final AtomicInteger isr = new AtomicInteger();
    private volatile int configVector = NO_VECTOR;
    private volatile InterruptSink sink = InterruptSink.NONE;

    VirtioInterrupts(PciEndpoint endpoint, int queues) {
        this.endpoint = endpoint;
        this.msix = endpoint.msix();
        this.queueVectors = new AtomicIntegerArray(queues);
        reset();
    }

    void connect(InterruptSink newSink) {
        sink = newSink;
        modeChanged();
    }

    /** Used buffer notification. */
    void queueUsed(int queue) {
        if (endpoint.isMsixEnabled()) {
            raise(queueVectors.get(queue));
        } else {
            setIsr(ISR_QUEUE); // virtio 1.4 4.1.4.5.1
        }
    }

    /** Configuration change notification. */
    void configChanged() {
        // The bit is set in either mode, but only INTx asks for it. virtio 1.4 4.1.4.5.1
        setIsr(ISR_CONFIG);
        if (endpoint.isMsixEnabled()) {
            raise(configVector);
        }
    }

    private void raise(int vector) {
        if (vector != NO_VECTOR) { // virtio 1.4 4.1.5.3.1, 4.1.5.4.1
            msix.raise(vector);
        }
    }

    private void setIsr(int bit) {
        int old;
        do {
            old = isr.get();
        } while (!isr.compareAndSet(old, old | bit));
        if (old == 0 && endpoint.isIntxEnabled()) {
            sink.intx();
        }
    }

    /** Reads ISR status, which clears it and takes the interrupt back (virtio 1.4 4.1.4.5). */
    int takeIsr() {
        return isr.getAndSet(0);
    }

    boolean isPending() {
        return isr.get() != 0;
    }

    boolean isIntxAsserted() {
        return isPending() && endpoint.isIntxEnabled();
    }

    /** INTx was enabled or disabled: an interrupt that is pending shows now. */
    void modeChanged() {
        if (isIntxAsserted()) {
            sink.intx();
        }
    }

    int configVector() {
        return configVector;
    }

    void setConfigVector(int vector) {
        configVector = valid(vector);
    }

    int queueVector(int queue) {
        return queueVectors.get(queue);
    }

    void setQueueVector(int queue, int vector) {
        queueVectors.set(queue, valid(vector));
    }

    /** A vector that does not exist cannot be mapped (virtio 1.4 4.1.5.1.2.1). */
    private int valid(int vector) {
        return msix != null && vector < msix.vectors() ? vector : NO_VECTOR;
    }

    /** All events unmapped, nothing pending (virtio 1.4 4.1.5.1.2.1). */
    void reset() {
        for (int queue = 0; queue < queueVectors.length(); queue++) {
            queueVectors.set(queue, NO_VECTOR);
        }
        configVector = NO_VECTOR;
        isr.set(0);
        if (msix != null) {
            msix.clearPending();
        }
    }
}
