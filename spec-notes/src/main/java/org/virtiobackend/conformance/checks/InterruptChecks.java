package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.pci.PciRegisters;

/** MSI-X vectors, ISR and INTx (virtio 1.4 4.1.4.5 and 4.1.5). */
public final class InterruptChecks implements Chapter {
    @Check(
            id = "msix.mapping",
            clauses = {"PCI-MSIX-DEV-04", "PCI-MSIX-DEV-05", "PCI-MSIX-DEV-06", "PCI-MSIX-DEV-08", "PCI-MSIX-DEV-09"})
    public void mapping(Bench bench) throws IOException {
        bench.negotiate();
        int vectors = bench.pci().msixVectors();
        for (int queue : new int[] {-1, 0, bench.driver().queueCount() - 1}) {
            int field = queue < 0 ? CONFIG_MSIX_VECTOR : QUEUE_MSIX_VECTOR;
            String event = queue < 0 ? "configuration changes" : "queue " + queue;
            bench.registers().selectQueue(Math.max(queue, 0));
            for (int vector : new int[] {0, vectors / 2, vectors - 1}) {
                bench.registers().common(field, 2, vector);
                long now = bench.common(field, 2);
                bench.about("PCI-MSIX-DEV-04");
                bench.equal(vector, now, "vector of " + event);
                bench.about("PCI-MSIX-DEV-06");
                bench.equal(vector, now, "vector of " + event);
                bench.about("PCI-MSIX-DEV-08");
                bench.that(now != NO_VECTOR, "the device does not map " + event + " to vector " + vector);
            }
            bench.about("PCI-MSIX-DEV-09");
            bench.registers().common(field, 2, vectors);
            bench.equal(NO_VECTOR, bench.common(field, 2), event + ", mapped to vector " + vectors + " of " + vectors);
            bench.registers().common(field, 2, 0);
            bench.registers().common(field, 2, NO_VECTOR);
            bench.about("PCI-MSIX-DEV-05");
            bench.equal(NO_VECTOR, bench.common(field, 2), event + ", unmapped");
        }
    }

    @Check(id = "msix.delivery", clauses = "PCI-MSIX-DEV-04", when = "msix", scope = Scope.RING)
    public void delivery(Bench bench) throws IOException {
        bench.about("PCI-MSIX-DEV-04");
        LiveQueue queue = bench.start();
        for (int vector = 0; vector < bench.vectors(); vector++) {
            bench.registers().selectQueue(queue.index());
            bench.registers().common(QUEUE_MSIX_VECTOR, 2, vector);
            queue.ring().wantInterrupts();
            CommonConfigChecks.drain(bench);
            queue.exchange(Shape.PLAIN);
            int expected = vector;
            bench.await("interrupt on vector " + vector, () -> bench.interrupts(expected) > 0);
            bench.equal(0, CommonConfigChecks.drain(bench), "interrupts on other vectors than " + vector);
        }
    }

    @Check(id = "msix.no-vector", clauses = "PCI-USEDNOTIFY-DEV-01", scope = Scope.RING)
    public void noVector(Bench bench) throws IOException {
        bench.about("PCI-USEDNOTIFY-DEV-01");
        LiveQueue queue = bench.start();
        bench.registers().selectQueue(queue.index());
        bench.registers().common(QUEUE_MSIX_VECTOR, 2, NO_VECTOR);
        queue.ring().wantInterrupts();
        CommonConfigChecks.drain(bench);
        queue.exchange(Shape.PLAIN);
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt of a queue that has no vector");
    }

    @Check(
            id = "isr.queue",
            clauses = {"PCI-ISR-DEV-03", "PCI-ISR-DEV-04", "PCI-ISR-DEV-05"},
            scope = Scope.RING)
    public void queueBit(Bench bench) throws IOException {
        if (bench.vectors() > 0) {
            bench.driver().setMsix(false);
        }
        bench.useIntx();
        try {
            LiveQueue queue = bench.start();
            queue.ring().wantInterrupts();
            bench.about("PCI-ISR-DEV-04");
            bench.equal(0, interruptStatus(bench), "Interrupt Status before anything happened");
            bench.about("PCI-ISR-DEV-03");
            queue.exchange(Shape.PLAIN);
            bench.await("INTx", () -> bench.intx().drain() > 0);
            bench.about("PCI-ISR-DEV-04");
            bench.equal(1, interruptStatus(bench), "Interrupt Status while an ISR bit is set");
            bench.about("PCI-ISR-DEV-03");
            bench.equal(1, bench.registers().isr() & 1, "queue bit of the ISR");
            bench.about("PCI-ISR-DEV-05");
            bench.equal(0, bench.registers().isr(), "ISR read for the second time");
            bench.about("PCI-ISR-DEV-04");
            bench.equal(0, interruptStatus(bench), "Interrupt Status after the ISR was read");
            bench.about("PCI-ISR-DEV-03");
            bench.pci().unmaskIntx();
            queue.ring().wantInterrupts();
            queue.exchange(Shape.PLAIN);
            bench.await("INTx again", () -> bench.intx().drain() > 0);
            bench.equal(1, bench.registers().isr() & 1, "queue bit of the ISR");
        } finally {
            bench.useMsix();
        }
    }

    private static long interruptStatus(Bench bench) throws IOException {
        return bench.pci().configRead(PciRegisters.STATUS, 2) >>> 3 & 1;
    }

    @Check(id = "isr.configuration", clauses = "PCI-ISR-DEV-02", scope = Scope.RING)
    public void configurationBit(Bench bench) throws IOException {
        bench.about("PCI-ISR-DEV-02");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        bench.registers().isr();
        CommonConfigChecks.drain(bench);
        if (bench.vectors() > 0 && bench.canChangeConfiguration()) {
            bench.changeConfiguration();
            judgeConfigurationBit(bench);
        }
        BrokenRingChecks.nameMissingMemory(bench, queue);
        if (bench.vectors() > 0 && bench.reachesNeedsReset()) {
            judgeConfigurationBit(bench);
        } else {
            bench.skip("PCI-ISR-DEV-02", "nothing made the device notify of a configuration change");
        }
    }

    private static void judgeConfigurationBit(Bench bench) throws IOException {
        bench.await("configuration change notification", () -> bench.interrupts(bench.configVector()) > 0);
        bench.equal(2, bench.registers().isr() & 2, "configuration bit of the ISR");
    }
}
