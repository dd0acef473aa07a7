package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;

/** The notification capability (virtio 1.4 4.1.4.4). */
public final class NotifyCapabilityChecks implements Chapter {
    @Check(
            id = "notify.layout",
            clauses = {
                "PCI-NOTIFYCAP-DEV-02",
                "PCI-NOTIFYCAP-DEV-03",
                "PCI-NOTIFYCAP-DEV-04",
                "PCI-NOTIFYCAP-DEV-07",
                "PCI-NOTIFYCAP-DEV-08",
                "PCI-NOTIFYCAP-DEV-09"
            },
            scope = Scope.OFFER)
    public void layout(Bench bench) throws IOException {
        for (VirtioCapability capability : VirtioCapability.list(bench, VIRTIO_PCI_CAP_NOTIFY_CFG)) {
            long multiplier = capability.multiplier();
            String named = "notify_off_multiplier " + multiplier;
            bench.about("PCI-NOTIFYCAP-DEV-02");
            bench.equal(0, capability.start() & 1, "offset modulo 2");
            bench.about("PCI-NOTIFYCAP-DEV-03");
            bench.that(Long.bitCount(multiplier) <= 1 && multiplier != 1, named);
            bench.about("PCI-NOTIFYCAP-DEV-04");
            bench.that(capability.length() >= 2, "length " + capability.length());
            bench.about("PCI-NOTIFYCAP-DEV-07");
            bench.that(Long.bitCount(multiplier) <= 1 && multiplier != 1 && multiplier != 2, named);
            bench.about("PCI-NOTIFYCAP-DEV-08");
            bench.equal(0, capability.start() & 3, "offset modulo 4");
            bench.about("PCI-NOTIFYCAP-DEV-09");
            bench.that(capability.length() >= 4, "length " + capability.length());
        }
    }

    @Check(
            id = "notify.reach",
            clauses = {"PCI-NOTIFYCAP-DEV-05", "PCI-NOTIFYCAP-DEV-06", "PCI-NOTIFYCAP-DEV-10", "PCI-NOTIFYCAP-DEV-11"})
    public void reach(Bench bench) throws IOException {
        bench.negotiate();
        long length = bench.structures().notification().length();
        long multiplier = bench.structures().notifyMultiplier();
        int queues = bench.driver().queueCount();
        for (int queue = 0; queue < queues; queue++) {
            bench.registers().selectQueue(queue);
            long at = bench.common(QUEUE_NOTIFY_OFF, 2) * multiplier;
            String where = "queue " + queue + " is notified at " + at + " of a structure of " + length;
            bench.about("PCI-NOTIFYCAP-DEV-05");
            bench.that(at < length, where);
            bench.about("PCI-NOTIFYCAP-DEV-06");
            bench.that(at + 2 <= length, where);
            bench.about("PCI-NOTIFYCAP-DEV-10");
            bench.that(at < length, where);
            bench.about("PCI-NOTIFYCAP-DEV-11");
            bench.that(at + 4 <= length, where);
        }
    }
}
