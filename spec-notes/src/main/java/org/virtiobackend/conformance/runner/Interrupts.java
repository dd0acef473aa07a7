package org.virtiobackend.conformance.runner;

import java.io.IOException;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/** The eventfds of a connection: of the first MSI-X vectors, and of INTx. */
final class Interrupts implements AutoCloseable {
    /** Vectors that are listened to: configuration, queue, and more for mappings. */
    static final int VECTORS = 4;

    private final EventFd[] vectors;
    private final EventFd intx;

    private Interrupts(int count) throws IOException {
        vectors = new EventFd[count];
        for (int i = 0; i < count; i++) {
            vectors[i] = EventFd.create();
        }
        intx = EventFd.create();
    }

    static Interrupts connect(VirtioPciDriver driver) throws IOException {
        Interrupts interrupts = new Interrupts(Math.min(driver.pci().msixVectors(), VECTORS));
        try {
            for (int i = 0; i < interrupts.vectors.length; i++) {
                driver.connectVector(i, interrupts.vectors[i]);
            }
            return interrupts;
        } catch (IOException | RuntimeException e) {
            interrupts.close();
            throw e;
        }
    }

    int count() {
        return vectors.length;
    }

    /** Interrupts on a vector since the last call. */
    long take(int vector) {
        return vectors[vector].drain();
    }

    EventFd intx() {
        return intx;
    }

    /** From MSI-X to INTx: as with VFIO in a kernel, a server need not know more than one kind at a time. */
    void useIntx(PciDevice pci) throws IOException {
        for (int i = 0; i < vectors.length; i++) {
            pci.connectMsix(i, null);
        }
        pci.connectIntx(intx);
    }

    /** And back. */
    void useMsix(PciDevice pci) throws IOException {
        pci.connectIntx(null);
        for (int i = 0; i < vectors.length; i++) {
            pci.connectMsix(i, vectors[i]);
        }
    }

    void clear() {
        for (EventFd vector : vectors) {
            vector.drain();
        }
        intx.drain();
    }

    @Override
    public void close() {
        for (EventFd vector : vectors) {
            if (vector != null) {
                vector.close();
            }
        }
        if (intx != null) {
            intx.close();
        }
    }
}
