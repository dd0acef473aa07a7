package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.BAR;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.OFFSET;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.PCI_CFG_DATA;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.virtio.pci.VirtioPciCapability;

/** The window of the PCI configuration access capability (virtio 1.4 4.1.4.9). */
public final class ConfigWindowChecks implements Chapter {
    @Check(
            id = "window.access",
            clauses = {"PCI-CFGACCESS-DEV-02", "PCI-CFGACCESS-DEV-03"})
    public void access(Bench bench) throws IOException {
        int at = bench.structures().pciCfg();
        if (at < 0) {
            bench.skip("PCI-CFGACCESS-DEV-02", "there is no PCI configuration access capability");
            bench.skip("PCI-CFGACCESS-DEV-03", "there is no PCI configuration access capability");
            return;
        }
        bench.about("PCI-CFGACCESS-DEV-03");
        bench.registers().selectQueue(0);
        for (int[] field : new int[][] {{QUEUE_SIZE, 2}, {NUM_QUEUES, 2}, {DEVICE_STATUS, 1}, {DEVICE_FEATURE, 4}}) {
            long direct = bench.common(field[0], field[1]);
            aim(bench, at, field[0], field[1]);
            bench.equal(
                    direct,
                    bench.pci().configRead(at + PCI_CFG_DATA, field[1]),
                    "register 0x" + Integer.toHexString(field[0]) + " through the window");
        }
        bench.about("PCI-CFGACCESS-DEV-02");
        aim(bench, at, DEVICE_STATUS, 1);
        bench.pci().configWrite(at + PCI_CFG_DATA, 1, 1);
        bench.equal(1, bench.status(), "device_status after 1 was written through the window");
        bench.registers().driverFeatures(0, 0);
        aim(bench, at, DRIVER_FEATURE_SELECT, 4);
        bench.pci().configWrite(at + PCI_CFG_DATA, 4, 1);
        bench.equal(1, bench.common(DRIVER_FEATURE_SELECT, 4), "driver_feature_select after a write of 4 bytes");
        aim(bench, at, QUEUE_SELECT, 2);
        bench.pci().configWrite(at + PCI_CFG_DATA, 2, 0x7fff);
        bench.equal(0x7fff, bench.common(QUEUE_SELECT, 2), "queue_select after a write of 2 bytes");
        bench.equal(1, bench.status(), "device_status after its neighbour was written");
    }

    private static void aim(Bench bench, int at, int register, int width) throws IOException {
        var common = bench.structures().common();
        bench.pci().configWrite(at + BAR, 1, common.bar());
        bench.pci().configWrite(at + OFFSET, 4, common.offset() + register);
        bench.pci().configWrite(at + VirtioPciCapability.LENGTH, 4, width);
    }
}
