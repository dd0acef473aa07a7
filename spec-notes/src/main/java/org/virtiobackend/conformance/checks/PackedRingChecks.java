package org.virtiobackend.conformance.checks;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.DmaLog;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.PackedRawRing;

/** Packed virtqueues (virtio 1.4 2.8). */
public final class PackedRingChecks implements Chapter {
    private static final int AVAIL = 1 << 7;
    private static final int USED = 1 << 15;
    private static final int DESCRIPTOR = 16;

    @Check(id = "packed.order", clauses = "PACKED-ORDER-DEV-01", scope = Scope.RING)
    public void order(Bench bench) throws IOException {
        bench.about("PACKED-ORDER-DEV-01");
        LiveQueue queue = bench.start();
        List<Sent> sent = List.of(queue.put(Shape.PLAIN), queue.put(Shape.PLAIN), queue.put(Shape.PLAIN));
        queue.go();
        for (Sent one : sent) {
            queue.judge(one);
        }
        int last = -1;
        for (Sent one : sent) {
            int first = firstTouch(bench.dmaLog().accesses(), one);
            bench.that(first > last, "a later chain was begun before an earlier one");
            last = first;
        }
    }

    private static int firstTouch(List<DmaLog.Access> accesses, Sent sent) {
        for (int i = 0; i < accesses.size(); i++) {
            if (accesses.get(i).touches(sent.out().address(), sent.out().length())) {
                return i;
            }
        }
        return -1;
    }

    /** Descriptors behind one that is not available are not looked at, whatever their own bits say. */
    @Check(
            id = "packed.avail-bit",
            clauses = "PACKED-DESC-DEV-03",
            when = "!VIRTIO_F_NOTIFICATION_DATA",
            scope = Scope.RING)
    public void availBit(Bench bench) throws IOException {
        bench.about("PACKED-DESC-DEV-03");
        LiveQueue queue = bench.start();
        Sent hidden = queue.put(Shape.PLAIN);
        byte[] before = hidden.in().get();
        Sent behind = queue.put(Shape.PLAIN);
        queue.kick();
        bench.that(bench.stays(() -> queue.ring().hasUsed()), "used before the first descriptor was available");
        bench.that(Arrays.equals(before, hidden.in().get()), "a buffer was written before it was available");
        bench.equal(0, bench.status() & 64, "DEVICE_NEEDS_RESET");
        queue.go();
        queue.judge(hidden);
        queue.judge(behind);
        for (int i = 0; i < queue.ring().size(); i++) {
            queue.exchange(Shape.PLAIN);
        }
        bench.that(bench.stays(() -> queue.ring().hasUsed()), "descriptors of the round before were used again");
    }

    @Check(id = "packed.left-alone", clauses = "PACKED-DESC-DEV-04", scope = Scope.RING)
    public void leftAlone(Bench bench) throws IOException {
        bench.about("PACKED-DESC-DEV-04");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        byte[] mark = new byte[DESCRIPTOR - 2];
        Arrays.fill(mark, (byte) 0x5c);
        queue.packed().ring().put(0, mark);
        int descriptors = queue.packed().next();
        while (queue.packed().next() >= descriptors
                && queue.packed().next() + 2 * descriptors <= queue.ring().size()) {
            queue.exchange(Shape.PLAIN); // up to the end of the ring, so that the first one is not made available again
        }
        byte[] now = queue.packed().ring().get(0, DESCRIPTOR - 2);
        bench.that(Arrays.equals(mark, now), "a used descriptor was written to again");
    }

    @Check(
            id = "packed.used-descriptor",
            clauses = {"TEXT-PACKED-DEV-01", "TEXT-PACKED-DEV-05"},
            scope = Scope.RING)
    public void usedDescriptor(Bench bench) throws IOException {
        bench.about("TEXT-PACKED-DEV-01");
        LiveQueue queue = bench.start(7);
        PackedRawRing ring = queue.packed();
        boolean wrap = true;
        int at = 0;
        for (int i = 0; i < 4 * ring.size(); i++) {
            Sent sent = queue.put(Shape.PLAIN);
            queue.go();
            queue.judge(sent);
            int flags = ring.flags(at) & (AVAIL | USED);
            bench.equal(wrap ? AVAIL | USED : 0, flags, "AVAIL and USED of the used descriptor at " + at);
            at += sent.pieces().size();
            if (at >= ring.size()) {
                at -= ring.size();
                wrap = !wrap;
            }
        }
        if (bench.about("TEXT-PACKED-DEV-05")) {
            bench.that((ring.deviceEvent() >>> 18) == 0, "reserved flags in the device event suppression structure");
        }
    }

    @Check(id = "packed.interrupt-flags", clauses = "TEXT-PACKED-DEV-03", when = "msix", scope = Scope.RING)
    public void interruptFlags(Bench bench) throws IOException {
        bench.about("TEXT-PACKED-DEV-03");
        LiveQueue queue = bench.start();
        PackedRawRing ring = queue.packed();
        CommonConfigChecks.drain(bench);
        ring.wantEveryInterrupt();
        for (int i = 0; i < 2; i++) {
            queue.exchange(Shape.PLAIN);
            bench.await("interrupt while they are enabled", () -> CommonConfigChecks.drain(bench) > 0);
        }
        ring.suppressInterrupts();
        queue.exchange(Shape.PLAIN);
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt while they are disabled");
        ring.wantEveryInterrupt();
        queue.exchange(Shape.PLAIN);
        bench.await("interrupt after they were enabled again", () -> CommonConfigChecks.drain(bench) > 0);
    }

    /** Round the ring twice, so that both values of the wrap counter are met. */
    @Check(id = "packed.event-index", clauses = "TEXT-PACKED-DEV-04", when = "msix", scope = Scope.RING)
    public void eventIndex(Bench bench) throws IOException {
        bench.about("TEXT-PACKED-DEV-04");
        LiveQueue queue = bench.start(8);
        PackedRawRing ring = queue.packed();
        CommonConfigChecks.drain(bench);
        int descriptors = bench.probe().request(bench, 0).descriptors();
        for (int round = 0; round < 5; round++) {
            ring.wantInterruptAfter(2 * descriptors + 1);
            for (int i = 0; i < 2; i++) {
                queue.exchange(Shape.PLAIN);
                bench.that(
                        bench.stays(() -> CommonConfigChecks.drain(bench) > 0),
                        "interrupt before the descriptor that the event names");
            }
            queue.exchange(Shape.PLAIN);
            bench.await("interrupt for the descriptor that the event names", () -> CommonConfigChecks.drain(bench) > 0);
        }
    }
}
