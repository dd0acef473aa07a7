package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.FeatureTable;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.DeviceStatus;

/** Status, features, reset, configuration (virtio 1.4 2.1, 2.2, 2.4, 2.5, 3.1 and 6). */
public final class InitializationChecks implements Chapter {
    private static final int REFUSED_BITS = 4;
    private static final int EXTENDED_CAPABILITIES = 0x100;
    private static final int EXTENDED_LIMIT = 64;
    private static final int SR_IOV = 0x10;

    @Check(id = "init.before-driver-ok", clauses = "STATUS-DEV-01", scope = Scope.RING)
    public void beforeDriverOk(Bench bench) throws IOException {
        bench.about("STATUS-DEV-01");
        bench.negotiate();
        bench.mapConfigVector(bench.configVector());
        LiveQueue queue = bench.queue(bench.probe().queue(bench), 16, bench.queueVector());
        queue.ring().wantInterrupts();
        Sent sent = queue.put(Shape.PLAIN);
        byte[] before = sent.in().get();
        queue.go();
        bench.that(
                bench.stays(() -> queue.ring().hasUsed() || CommonConfigChecks.drain(bench) > 0),
                "the device worked before DRIVER_OK");
        bench.that(Arrays.equals(before, sent.in().get()), "the device wrote to a buffer before DRIVER_OK");
        bench.driverOk();
        queue.kick();
        queue.judge(sent);
    }

    @Check(
            id = "init.needs-reset",
            clauses = {"STATUS-DEV-02", "STATUS-DEV-03"},
            scope = Scope.RING)
    public void needsReset(Bench bench) throws IOException {
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        CommonConfigChecks.drain(bench);
        bench.about("STATUS-DEV-02");
        BrokenRingChecks.nameMissingMemory(bench, queue);
        bench.need(bench.reachesNeedsReset(), "DEVICE_NEEDS_RESET is not set");
        bench.about("STATUS-DEV-03");
        if (bench.vectors() > 0) {
            bench.need(
                    bench.reaches(() -> bench.interrupts(bench.configVector()) > 0),
                    "DEVICE_NEEDS_RESET came without a configuration change notification");
        } else {
            bench.skip("STATUS-DEV-03", "the device has no MSI-X");
        }
    }

    @Check(
            id = "init.offer",
            clauses = {
                "FEATURES-DEV-01",
                "FEATURES-DEV-04",
                "RESERVED-DEV-01",
                "RESERVED-DEV-09",
                "RESERVED-DEV-10",
                "DMB-DEV-01",
                "DMB-DEV-02"
            },
            scope = Scope.OFFER)
    public void offer(Bench bench) throws IOException {
        long offered = bench.driver().offeredFeatures();
        int type = bench.driver().deviceId();
        bench.about("FEATURES-DEV-01");
        String orphan = FeatureTable.orphan(offered, type);
        bench.that(orphan == null, orphan + " is offered without what it requires");
        bench.about("FEATURES-DEV-04");
        long unknown = offered & ~FeatureTable.known(type);
        bench.that(unknown == 0, "offered, yet nothing for this device: " + FeatureTable.names(unknown, type));
        for (int word = 2; word < 4; word++) {
            bench.equal(0, bench.registers().deviceFeatures(word), "device_feature, word " + word);
        }
        bench.about("RESERVED-DEV-01");
        bench.that((offered & VIRTIO_F_VERSION_1) != 0, "VIRTIO_F_VERSION_1 is not offered");
        boolean sriov = hasSrIov(bench);
        boolean offersSriov = (offered & VIRTIO_F_SR_IOV) != 0;
        bench.about("RESERVED-DEV-09");
        bench.that(!sriov || offersSriov, "an SR-IOV capability, yet VIRTIO_F_SR_IOV is not offered");
        bench.about("RESERVED-DEV-10");
        bench.that(sriov || !offersSriov, "VIRTIO_F_SR_IOV without an SR-IOV capability");
        bench.about("DMB-DEV-01");
        bench.that((offered & VIRTIO_F_VERSION_1) != 0, "DMB without VIRTIO_F_VERSION_1");
        bench.about("DMB-DEV-02");
        bench.that((offered & VIRTIO_F_ACCESS_PLATFORM) != 0, "DMB without VIRTIO_F_ACCESS_PLATFORM");
    }

    /** An access that is answered with an error is a refusal as well. */
    private static boolean isAccepted(Bench bench, long features) throws IOException {
        try {
            return bench.offer(features);
        } catch (ErrnoException e) {
            return (bench.status() & DeviceStatus.FEATURES_OK) != 0;
        }
    }

    /** Walks the extended capabilities of PCI Express. */
    private static boolean hasSrIov(Bench bench) throws IOException {
        int at = EXTENDED_CAPABILITIES;
        for (int i = 0; i < EXTENDED_LIMIT && at >= EXTENDED_CAPABILITIES; i++) {
            long header = bench.pci().configRead(at, 4);
            if ((header & 0xffff) == SR_IOV && header != 0xffff_ffffL) {
                return true;
            }
            at = (int) (header >>> 20) & ~3;
        }
        return false;
    }

    @Check(
            id = "init.accepts",
            clauses = {"FEATURES-DEV-02", "FEATURES-DEV-05"},
            scope = Scope.EVERY_SET)
    public void accepts(Bench bench) throws IOException {
        long set = bench.configuration().features();
        bench.about("FEATURES-DEV-02");
        bench.need(bench.offer(set), "FEATURES_OK stays clear for a valid subset of the offer");
        bench.about("FEATURES-DEV-05");
        bench.reset();
        bench.need(bench.offer(set), "FEATURES_OK stays clear for a set that was accepted before");
    }

    @Check(id = "init.refuses", clauses = "FEATURES-DEV-03")
    public void refuses(Bench bench) throws IOException {
        bench.about("FEATURES-DEV-03");
        long offered = bench.driver().offeredFeatures();
        Random random = new Random(bench.seed());
        long[] absent = random.ints(0, Long.SIZE)
                .filter(bit -> (offered >>> bit & 1) == 0)
                .distinct()
                .limit(Math.min(REFUSED_BITS, Long.SIZE - Long.bitCount(offered)))
                .mapToLong(bit -> 1L << bit)
                .toArray();
        for (long bit : absent) {
            long set = bench.configuration().features() | bit;
            bench.that(
                    !isAccepted(bench, set),
                    "FEATURES_OK is set, and so is a feature that is not offered: bit "
                            + Long.numberOfTrailingZeros(bit));
            bench.reset();
        }
    }

    @Check(id = "init.reset-silences", clauses = "RESET-DEV-02", scope = Scope.RING)
    public void resetSilences(Bench bench) throws IOException {
        bench.about("RESET-DEV-02");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        queue.ring().wantInterrupts();
        bench.driver().reset();
        CommonConfigChecks.drain(bench);
        Sent sent = queue.put(Shape.PLAIN);
        byte[] before = sent.in().get();
        queue.go();
        bench.that(
                bench.stays(() -> queue.ring().hasUsed() || CommonConfigChecks.drain(bench) > 0),
                "the device went on after its reset");
        bench.that(Arrays.equals(before, sent.in().get()), "the device wrote to a buffer after its reset");
    }

    @Check(id = "init.configuration", clauses = "CONFIG-DEV-01")
    public void configuration(Bench bench) throws IOException {
        bench.about("CONFIG-DEV-01");
        bench.driver().setStatus(1);
        bench.driver().setStatus(2);
        byte[] early = DeviceConfig.read(bench);
        bench.reset();
        bench.start();
        byte[] late = DeviceConfig.read(bench);
        for (int at = 0; at < early.length; at++) {
            bench.that(
                    early[at] == late[at] || !bench.probe().isStable(at),
                    "configuration byte " + at + " reads 0x" + Integer.toHexString(early[at] & 0xff)
                            + " before FEATURES_OK and 0x" + Integer.toHexString(late[at] & 0xff) + " later");
        }
        bench.that(true, "");
    }
}
