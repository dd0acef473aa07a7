package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.DeviceStatus.*;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;

/** Suspend and resume (virtio 1.4 3.4). */
public final class SuspendChecks implements Chapter {
    @Check(id = "suspend.too-early", clauses = "SUSPEND-DEV-01")
    public void tooEarly(Bench bench) throws IOException {
        bench.about("SUSPEND-DEV-01");
        bench.negotiate();
        bench.driver().setStatus(SUSPEND);
        bench.equal(0, bench.status() & SUSPEND, "SUSPEND before DRIVER_OK");
        LiveQueue queue = bench.queue(bench.probe().queue(bench), 16, bench.queueVector());
        bench.driverOk();
        queue.exchange(Shape.PLAIN);
    }

    @Check(
            id = "suspend.rest",
            clauses = {
                "SUSPEND-DEV-02",
                "SUSPEND-DEV-03",
                "SUSPEND-DEV-04",
                "SUSPEND-DEV-08",
                "SUSPEND-DEV-09",
                "SUSPEND-DEV-10"
            },
            scope = Scope.RING)
    public void rest(Bench bench) throws IOException {
        bench.about("SUSPEND-DEV-10");
        LiveQueue queue = bench.start();
        Sent before = queue.put(Shape.PLAIN);
        queue.go();
        queue.ring().wantInterrupts();
        bench.about("SUSPEND-DEV-08");
        suspend(bench);
        bench.about("SUSPEND-DEV-10");
        boolean taken = queue.ring().hasUsed();
        bench.about("SUSPEND-DEV-04");
        CommonConfigChecks.drain(bench);
        Sent during = queue.put(Shape.PLAIN);
        queue.go();
        bench.that(
                bench.stays(() -> queue.ring().hasUsed() != taken)
                        && during.in().firstOther(0, 0xa5) < 0,
                "a buffer was used in suspension");
        bench.about("SUSPEND-DEV-03");
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt in suspension");
        ignoresWrites(bench);
        bench.about("SUSPEND-DEV-09");
        resume(bench);
        bench.about("SUSPEND-DEV-10");
        queue.kick();
        queue.judge(before);
        bench.about("SUSPEND-DEV-09");
        queue.judge(during);
        queue.exchange(Shape.PLAIN);
    }

    private static void ignoresWrites(Bench bench) throws IOException {
        bench.about("SUSPEND-DEV-02");
        byte[] config = DeviceConfig.read(bench);
        for (int at = 0; at < config.length; at++) {
            bench.registers().device(at, 1, ~config[at] & 0xff);
        }
        bench.that(Arrays.equals(config, DeviceConfig.read(bench)), "the configuration was written in suspension");
    }

    private static void suspend(Bench bench) throws IOException {
        bench.driver().setStatus(SUSPEND);
        bench.await("SUSPEND set and DRIVER_OK clear, or DEVICE_NEEDS_RESET", () -> {
            int status = bench.status();
            return (status & (SUSPEND | DRIVER_OK)) == SUSPEND || (status & DEVICE_NEEDS_RESET) != 0;
        });
        bench.equal(0, bench.status() & DEVICE_NEEDS_RESET, "DEVICE_NEEDS_RESET");
    }

    private static void resume(Bench bench) throws IOException {
        bench.driver().setStatus(DRIVER_OK);
        bench.await("SUSPEND clear and DRIVER_OK set, or DEVICE_NEEDS_RESET", () -> {
            int status = bench.status();
            return (status & (SUSPEND | DRIVER_OK)) == DRIVER_OK || (status & DEVICE_NEEDS_RESET) != 0;
        });
        bench.equal(0, bench.status() & DEVICE_NEEDS_RESET, "DEVICE_NEEDS_RESET");
    }

    @Check(
            id = "suspend.configuration",
            clauses = {"SUSPEND-DEV-05", "SUSPEND-DEV-06", "SUSPEND-DEV-07"},
            when = "msix")
    public void configuration(Bench bench) throws IOException {
        bench.about("SUSPEND-DEV-05");
        bench.start();
        suspend(bench);
        CommonConfigChecks.drain(bench);
        bench.about("SUSPEND-DEV-05");
        byte[] before = DeviceConfig.read(bench);
        bench.changeConfiguration();
        bench.that(
                bench.stays(() -> !Arrays.equals(before, DeviceConfig.read(bench))),
                "the configuration has changed in suspension");
        bench.about("SUSPEND-DEV-06");
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt in suspension");
        bench.about("SUSPEND-DEV-07");
        resume(bench);
        bench.await("the held notification", () -> bench.interrupts(bench.configVector()) > 0);
        bench.that(true, "");
    }
}
