package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.CheckFailure;
import org.virtiobackend.conformance.runner.DmaLog;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.RawRing.Used;
import org.virtiobackend.virtio.DeviceStatus;

/** What split and packed virtqueues have in common (virtio 1.4 2.6 to 2.9). */
public final class RingChecks implements Chapter {
    private static final int ROUNDS = 5;
    private static final int BATCH = 4;

    /** Several rounds of the ring, in batches of mixed shapes: every chain comes back once, with the right answer. */
    @Check(
            id = "ring.traffic",
            clauses = {"TEXT-USED-DEV-01", "TEXT-USED-DEV-02", "TEXT-NOTIFY-DEV-01"},
            scope = Scope.EVERY_SET)
    public void traffic(Bench bench) throws IOException {
        Random random = new Random(bench.seed());
        bench.about("TEXT-USED-DEV-02");
        LiveQueue queue = bench.start();
        int requests = queue.ring().size() * ROUNDS / 2;
        for (int done = 0; done < requests; done += BATCH) {
            List<Sent> batch = new ArrayList<>();
            for (int i = 0; i < BATCH; i++) {
                batch.add(queue.put(shape(bench, random)));
            }
            bench.about("TEXT-NOTIFY-DEV-01");
            queue.ring().publish();
            boolean kicked = queue.ring().deviceWantsKick();
            if (kicked) {
                queue.kick();
            }
            boolean any = bench.reaches(queue.ring()::hasUsed);
            if (!any && (bench.status() & DeviceStatus.DEVICE_NEEDS_RESET) != 0) {
                bench.about("TEXT-USED-DEV-02");
                throw new CheckFailure("the device says that it needs a reset");
            }
            bench.need(
                    any,
                    kicked
                            ? "no buffer is used after a notification"
                            : "no buffer is used, and no notification was asked for");
            bench.about("TEXT-USED-DEV-02");
            bench.await("the device uses every buffer", () -> {
                queue.collect();
                return queue.ring().outstanding() == 0;
            });
            for (Sent sent : batch) {
                bench.about("TEXT-USED-DEV-02");
                Used used = queue.await(sent);
                String problem = sent.request().answer().problem(sent.in().get(), -1);
                bench.that(problem == null, "the answer is wrong: " + problem);
                judgeLength(bench, sent, used);
            }
        }
        bench.about("TEXT-USED-DEV-02");
        bench.that(bench.stays(queue::collect), "more comes back than was sent");
    }

    /** Unconventional ones are the business of {@link #division}. */
    private static Shape shape(Bench bench, Random random) {
        return bench.has(VIRTIO_F_INDIRECT_DESC) && random.nextBoolean() ? Shape.INDIRECT : Shape.PLAIN;
    }

    private static void judgeLength(Bench bench, Sent sent, Used used) {
        bench.about("TEXT-USED-DEV-01");
        if (used.length() >= 0) {
            String problem = sent.request().answer().problem(sent.in().get(), used.length());
            bench.that(problem == null, "used length " + used.length() + ": " + problem);
        }
    }

    @Check(id = "ring.in-order", clauses = "RESERVED-DEV-05", scope = Scope.RING)
    public void inOrder(Bench bench) throws IOException {
        bench.about("RESERVED-DEV-05");
        LiveQueue queue = bench.start();
        List<Integer> order = new ArrayList<>();
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < queue.ring().size() / 4; i++) {
            expected.add(queue.put(Shape.PLAIN).token());
        }
        queue.go();
        bench.await("the device uses the buffers", () -> {
            for (Used used; (used = queue.ring().poll()) != null; ) {
                order.add(used.token());
            }
            return order.size() >= expected.size();
        });
        bench.that(order.equals(expected), "made available as " + expected + ", used as " + order);
    }

    @Check(
            id = "ring.division",
            clauses = {"SPLIT-FRAMING-DEV-01", "PACKED-CHAIN-DEV-01"},
            scope = Scope.RING)
    public void division(Bench bench) throws IOException {
        bench.about(bench.configuration().isPacked() ? "PACKED-CHAIN-DEV-01" : "SPLIT-FRAMING-DEV-01");
        LiveQueue queue = bench.start();
        for (Shape shape : List.of(
                Shape.PLAIN,
                new Shape(1, 1, false),
                new Shape(2, 1, false),
                new Shape(1, 2, false),
                new Shape(3, 5, false),
                new Shape(7, 1, false),
                new Shape(1, 7, false))) {
            queue.exchange(shape);
            if (bench.has(VIRTIO_F_INDIRECT_DESC)) {
                queue.exchange(new Shape(shape.outParts(), shape.inParts(), true));
            }
        }
    }

    @Check(
            id = "ring.readable-untouched",
            clauses = {"SPLIT-DESC-DEV-01", "PACKED-DESC-DEV-01"},
            scope = Scope.RING)
    public void readableUntouched(Bench bench) throws IOException {
        bench.about(bench.configuration().isPacked() ? "PACKED-DESC-DEV-01" : "SPLIT-DESC-DEV-01");
        LiveQueue queue = bench.start();
        for (int i = 0; i < BATCH; i++) {
            Sent sent = queue.put(Shape.PLAIN);
            queue.go();
            queue.judge(sent);
            bench.that(
                    Arrays.equals(sent.request().out(), sent.out().get()), "a device-readable buffer was written to");
        }
    }

    @Check(
            id = "ring.writable-unread",
            clauses = {"SPLIT-DESC-DEV-02", "PACKED-DESC-DEV-02"},
            scope = Scope.RING)
    public void writableUnread(Bench bench) throws IOException {
        bench.about(bench.configuration().isPacked() ? "PACKED-DESC-DEV-02" : "SPLIT-DESC-DEV-02");
        LiveQueue queue = bench.start();
        Sent sent = queue.put(Shape.PLAIN);
        queue.go();
        queue.judge(sent);
        for (DmaLog.Access access : bench.dmaLog().accesses()) {
            bench.that(
                    access.write()
                            || !access.touches(sent.in().address(), sent.in().length()),
                    "a device-writable buffer was read");
        }
    }

    /** The same request twice, into memory filled differently: bytes below len must not show the filling. */
    @Check(
            id = "ring.length-written",
            clauses = {"SPLIT-USED-DEV-02", "TEXT-PACKED-DEV-02"},
            scope = Scope.RING)
    public void lengthWritten(Bench bench) throws IOException {
        bench.about(bench.configuration().isPacked() ? "TEXT-PACKED-DEV-02" : "SPLIT-USED-DEV-02");
        LiveQueue queue = bench.start();
        for (int number = 0; number < 3; number++) {
            var request = bench.probe().request(bench, number);
            Sent first = queue.put(request, Shape.PLAIN, 0x00);
            queue.go();
            Used used = queue.await(first);
            Sent second = queue.put(request, Shape.PLAIN, 0xff);
            queue.go();
            queue.await(second);
            bench.that(
                    used.length() <= request.in(),
                    "used length " + used.length() + " of a writable part of " + request.in() + " bytes");
            int length = (int) Math.max(0, Math.min(used.length(), request.in()));
            byte[] one = first.in().get(0, length);
            byte[] two = second.in().get(0, length);
            int unwritten = -1;
            for (int i = 0; i < length && unwritten < 0; i++) {
                unwritten = one[i] == 0 && two[i] == (byte) 0xff ? i : -1;
            }
            bench.that(unwritten < 0, "used length " + used.length() + ", yet byte " + unwritten + " was not written");
        }
    }
}
