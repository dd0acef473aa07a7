package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;

/** Reset of one queue (virtio 1.4 2.6.1 and 4.1.4.3). */
public final class QueueResetChecks implements Chapter {
    @Check(
            id = "queue-reset.registers",
            clauses = {
                "PCI-COMMON-DEV-09",
                "PCI-COMMON-DEV-10",
                "PCI-COMMON-DEV-11",
                "PCI-COMMON-DEV-12",
                "PCI-COMMON-DEV-13"
            })
    public void registers(Bench bench) throws IOException {
        bench.registers().selectQueue(0);
        bench.about("PCI-COMMON-DEV-09");
        bench.equal(0, bench.common(QUEUE_RESET, 2), "queue_reset after a reset of the device");
        LiveQueue queue = bench.start();
        bench.registers().selectQueue(queue.index());
        bench.about("PCI-COMMON-DEV-10");
        bench.equal(0, bench.common(QUEUE_RESET, 2), "queue_reset after the queue was enabled");
        queue.exchange(Shape.PLAIN);
        bench.about("PCI-COMMON-DEV-12");
        bench.registers().selectQueue(queue.index());
        bench.registers().common(QUEUE_RESET, 2, 1);
        long first = bench.common(QUEUE_RESET, 2);
        boolean enabled = bench.common(QUEUE_ENABLE, 2) != 0;
        bench.that(first == 1 || first == 0 && !enabled, "queue_reset is " + first + " while the queue is enabled");
        bench.about("PCI-COMMON-DEV-13");
        bench.await("queue_reset reads 0", () -> bench.common(QUEUE_RESET, 2) == 0);
        bench.equal(0, bench.common(QUEUE_ENABLE, 2), "queue_enable after the reset of the queue");
        bench.about("PCI-COMMON-DEV-11");
        Sent sent = queue.put(Shape.PLAIN);
        queue.go();
        bench.that(bench.stays(() -> queue.ring().hasUsed()), "the queue works after its reset");
        bench.that(sent.in().firstOther(0, 0xa5) < 0, "the queue wrote to a buffer after its reset");
    }

    @Check(id = "queue-reset.silence", clauses = "RINGRESET-DEV-01", scope = Scope.RING)
    public void silence(Bench bench) throws IOException {
        bench.about("RINGRESET-DEV-01");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        queue.ring().wantInterrupts();
        reset(bench, queue);
        CommonConfigChecks.drain(bench);
        Sent sent = queue.put(Shape.PLAIN);
        queue.go();
        bench.that(
                bench.stays(() -> queue.ring().hasUsed() || CommonConfigChecks.drain(bench) > 0),
                "the queue went on after its reset");
        bench.that(sent.in().firstOther(0, 0xa5) < 0, "the queue wrote to a buffer after its reset");
    }

    @Check(
            id = "queue-reset.again",
            clauses = {"RINGRESET-DEV-02", "REENABLE-DEV-01"},
            scope = Scope.RING)
    public void again(Bench bench) throws IOException {
        bench.about("RINGRESET-DEV-02");
        bench.negotiate();
        bench.registers().selectQueue(bench.probe().queue(bench));
        long fullSize = bench.common(QUEUE_SIZE, 2);
        LiveQueue queue = bench.queue(bench.probe().queue(bench), 16, bench.queueVector());
        bench.driverOk();
        for (int i = 0; i < 3; i++) {
            queue.exchange(Shape.PLAIN);
        }
        for (int size : new int[] {8, 16, 4}) {
            bench.about("RINGRESET-DEV-02");
            reset(bench, queue);
            bench.registers().selectQueue(queue.index());
            bench.equal(fullSize, bench.common(QUEUE_SIZE, 2), "queue_size after the reset of the queue");
            bench.about("REENABLE-DEV-01");
            queue = bench.queue(bench.probe().queue(bench), size, bench.queueVector());
            for (int i = 0; i < 2 * size; i++) {
                queue.exchange(Shape.PLAIN);
            }
        }
    }

    private static void reset(Bench bench, LiveQueue queue) throws IOException {
        bench.registers().selectQueue(queue.index());
        bench.registers().common(QUEUE_RESET, 2, 1);
        bench.await("queue_reset reads 0", () -> bench.common(QUEUE_RESET, 2) == 0);
    }
}
