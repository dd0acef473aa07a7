package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;

/** The common configuration structure (virtio 1.4 4.1.3 and 4.1.4.3). */
public final class CommonConfigChecks implements Chapter {
    private static final int MAX_SIZE = 32768;

    @Check(
            id = "common.features",
            clauses = {"PCI-COMMON-DEV-03", "PCI-COMMON-DEV-04"})
    public void features(Bench bench) throws IOException {
        bench.about("PCI-COMMON-DEV-03");
        long low = bench.registers().deviceFeatures(0);
        long high = bench.registers().deviceFeatures(1);
        bench.equal(low, bench.registers().deviceFeatures(0), "device_feature, word 0 again");
        bench.equal(high, bench.registers().deviceFeatures(1), "device_feature, word 1 again");
        for (long select : new long[] {4, 5, 0x8000_0000L, 0xffff_ffffL}) {
            bench.equal(0, bench.registers().deviceFeatures(select), "device_feature of word " + select);
        }
        bench.about("PCI-COMMON-DEV-04");
        long set = bench.configuration().features();
        bench.driver().setStatus(1);
        bench.driver().setStatus(2);
        bench.registers().driverFeatures(0, set & 0xffff_ffffL);
        bench.registers().driverFeatures(1, set >>> 32);
        for (int word = 1; word >= 0; word--) {
            bench.registers().common(DRIVER_FEATURE_SELECT, 4, word);
            bench.equal(
                    set >>> 32 * word & 0xffff_ffffL, bench.common(DRIVER_FEATURE, 4), "driver_feature, word " + word);
        }
    }

    @Check(
            id = "common.reset",
            clauses = {"PCI-COMMON-DEV-07", "PCI-COMMON-DEV-08", "RESET-DEV-01", "PCI-MSIX-DEV-07"})
    public void reset(Bench bench) throws IOException {
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        bench.about("RESET-DEV-01");
        bench.registers().status(0);
        bench.await("device_status reads 0", () -> bench.status() == 0);
        bench.that(true, "");
        bench.about("PCI-COMMON-DEV-07");
        bench.that(bench.stays(() -> bench.status() != 0), "device_status does not stay 0");
        bench.registers().selectQueue(queue.index());
        bench.about("PCI-COMMON-DEV-08");
        bench.equal(0, bench.common(QUEUE_ENABLE, 2), "queue_enable after reset");
        bench.about("PCI-MSIX-DEV-07");
        bench.equal(NO_VECTOR, bench.common(CONFIG_MSIX_VECTOR, 2), "config_msix_vector after reset");
        bench.equal(NO_VECTOR, bench.common(QUEUE_MSIX_VECTOR, 2), "queue_msix_vector after reset");
    }

    @Check(
            id = "common.queue-size",
            clauses = {"PCI-COMMON-DEV-14", "PCI-COMMON-DEV-15"})
    public void queueSize(Bench bench) throws IOException {
        bench.negotiate();
        int queues = bench.driver().queueCount();
        bench.about("PCI-COMMON-DEV-14");
        for (int queue : new int[] {queues, queues + 1, 0x7fff, 0xffff}) {
            bench.registers().selectQueue(queue);
            bench.equal(0, bench.common(QUEUE_SIZE, 2), "queue_size of queue " + queue + ", of " + queues);
        }
        if (!bench.about("PCI-COMMON-DEV-15")) {
            return;
        }
        for (int queue = 0; queue < queues; queue++) {
            bench.registers().selectQueue(queue);
            long size = bench.common(QUEUE_SIZE, 2);
            bench.that(Long.bitCount(size) <= 1 && size <= MAX_SIZE, "queue_size of queue " + queue + " is " + size);
        }
        bench.registers().selectQueue(0);
        long size = bench.common(QUEUE_SIZE, 2);
        for (long bad : new long[] {3, 0xffff}) {
            bench.registers().common(QUEUE_SIZE, 2, bad);
            long now = bench.common(QUEUE_SIZE, 2);
            bench.that(Long.bitCount(now) <= 1, "queue_size is " + now + " after " + bad + " was written");
        }
        bench.registers().common(QUEUE_SIZE, 2, size);
    }

    @Check(id = "common.halves", clauses = "PCI-LAYOUT-DEV-01")
    public void halves(Bench bench) throws IOException {
        bench.negotiate();
        bench.about("PCI-LAYOUT-DEV-01");
        bench.registers().selectQueue(0);
        for (int field : new int[] {QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE}) {
            bench.registers().common(field, 4, 0x1234_5000L);
            bench.registers().common(field + 4, 4, 0x0000_6789L);
            bench.equal(0x1234_5000L, bench.common(field, 4), "low half at 0x" + Integer.toHexString(field));
            bench.equal(0x6789, bench.common(field + 4, 4), "high half at 0x" + Integer.toHexString(field));
            bench.registers().common(field, 4, 0x2000);
            bench.equal(0x6789, bench.common(field + 4, 4), "high half after the low one was written");
        }
    }

    @Check(
            id = "common.admin-queues",
            clauses = {"PCI-COMMON-DEV-16", "PCI-COMMON-DEV-17"})
    public void adminQueues(Bench bench) throws IOException {
        bench.negotiate();
        long index = bench.common(ADMIN_QUEUE_INDEX, 2);
        bench.about("PCI-COMMON-DEV-16");
        bench.that(index >= bench.driver().queueCount(), "admin_queue_index " + index + " is that of a device queue");
        bench.about("PCI-COMMON-DEV-17");
        long count = bench.common(ADMIN_QUEUE_NUM, 2);
        bench.that(index + count <= 0x10000, count + " administration queues from " + index);
    }

    @Check(
            id = "common.generation",
            clauses = {"PCI-COMMON-DEV-06", "PCI-CFGNOTIFY-DEV-01"})
    public void generation(Bench bench) throws IOException {
        bench.start();
        bench.about("PCI-COMMON-DEV-06");
        long before = bench.common(CONFIG_GENERATION, 1);
        byte[] old = DeviceConfig.read(bench);
        bench.changeConfiguration();
        awaitChange(bench, before, old);
        bench.that(bench.common(CONFIG_GENERATION, 1) != before, "config_generation is what it was before the change");
        if (bench.about("PCI-CFGNOTIFY-DEV-01")) {
            bench.mapConfigVector(NO_VECTOR);
            drain(bench);
            long generation = bench.common(CONFIG_GENERATION, 1);
            byte[] now = DeviceConfig.read(bench);
            bench.changeConfiguration();
            awaitChange(bench, generation, now);
            bench.that(bench.stays(() -> drain(bench) > 0), "interrupt for an event that has no vector");
        }
    }

    /** The configuration may change and change back before anybody reads it. */
    private static void awaitChange(Bench bench, long generation, byte[] before) throws IOException {
        bench.await(
                "the configuration changes",
                () -> bench.common(CONFIG_GENERATION, 1) != generation
                        || !Arrays.equals(before, DeviceConfig.read(bench)));
    }

    static long drain(Bench bench) {
        long count = 0;
        for (int vector = 0; vector < bench.vectors(); vector++) {
            count += bench.interrupts(vector);
        }
        return count;
    }
}
