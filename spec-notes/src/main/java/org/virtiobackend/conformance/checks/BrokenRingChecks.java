package org.virtiobackend.conformance.checks;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Buffer;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.conformance.runner.SplitRawRing;

/** Rings that no driver may make: a device says that it needs a reset, and goes on after one (virtio 1.4 2.1, 2.7, 2.8). */
public final class BrokenRingChecks implements Chapter {
    private static final int NEXT = 1;

    /** An address at which no memory was ever announced. */
    private static final long NOWHERE = 0x7f00_0000_0000L;

    /** What a check does to a ring before it shows the ring to the device. */
    private interface Breakage {
        void apply(LiveQueue queue) throws IOException;
    }

    /** A chain whose only readable buffer is nowhere. */
    static void nameMissingMemory(Bench bench, LiveQueue queue) throws IOException {
        Buffer in = bench.buffer(64);
        queue.ring().chain(List.of(new Piece(NOWHERE, 64, false, false), Piece.writable(in)));
        queue.go();
    }

    private static void expectNeedsReset(Bench bench, String clause, Breakage breakage) throws IOException {
        if (!bench.about(clause)) {
            return;
        }
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        breakage.apply(queue);
        queue.go();
        bench.that(bench.reachesNeedsReset(), "DEVICE_NEEDS_RESET is not set");
        bench.that(!queue.ring().hasUsed(), "the broken chain was used");
        bench.reset();
        bench.start().exchange(Shape.PLAIN);
        bench.reset();
    }

    @Check(
            id = "broken.split-index",
            clauses = {"TEXT-BROKEN-DEV-01", "TEXT-BROKEN-DEV-02", "TEXT-BROKEN-DEV-03", "TEXT-BROKEN-DEV-04"},
            scope = Scope.RING)
    public void splitIndex(Bench bench) throws IOException {
        expectNeedsReset(
                bench,
                "TEXT-BROKEN-DEV-01",
                queue -> queue.split().putAvailable(queue.ring().size()));
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-02", queue -> {
            SplitRawRing ring = queue.split();
            int head = ring.nextSlot();
            queue.put(Shape.PLAIN);
            ring.putNext(head, ring.size());
        });
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-03", queue -> {
            SplitRawRing ring = queue.split();
            int head = ring.nextSlot();
            queue.put(new Shape(2, 1, false));
            ring.putNext((head + 1) % ring.size(), head);
        });
        if (bench.about("TEXT-BROKEN-DEV-04")) {
            LiveQueue queue = bench.start();
            queue.exchange(Shape.PLAIN);
            queue.split()
                    .putAvailableIndex(
                            queue.split().nextAvailableIndex() + queue.ring().size() + 1);
            queue.kick();
            bench.that(bench.reachesNeedsReset(), "DEVICE_NEEDS_RESET is not set");
        }
    }

    @Check(
            id = "broken.order",
            clauses = {"TEXT-BROKEN-DEV-05", "TEXT-BROKEN-DEV-06"},
            scope = Scope.RING)
    public void order(Bench bench) throws IOException {
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-05", queue -> {
            Buffer in = bench.buffer(64);
            Buffer out = bench.buffer(64);
            queue.ring().chain(List.of(Piece.writable(in), Piece.readable(out)));
        });
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-06", queue -> {
            Buffer in = bench.buffer(64);
            queue.ring().chain(List.of(new Piece(bench.endOfMemory() - 8, 16, false, false), Piece.writable(in)));
        });
    }

    @Check(
            id = "broken.indirect",
            clauses = {
                "TEXT-BROKEN-DEV-07",
                "TEXT-BROKEN-DEV-08",
                "TEXT-BROKEN-DEV-09",
                "TEXT-BROKEN-DEV-10",
                "TEXT-BROKEN-DEV-11"
            },
            scope = Scope.RING)
    public void indirect(Bench bench) throws IOException {
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-07", queue -> queue.put(Shape.INDIRECT));
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-08", queue -> {
            Sent sent = plain(bench, queue);
            Buffer table = bench.table(queue.ring(), sent.pieces());
            queue.ring().chain(List.of(new Piece(table.address(), table.length() - 7, false, true)));
        });
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-09", queue -> {
            Sent sent = plain(bench, queue);
            Buffer inner = bench.table(queue.ring(), sent.pieces());
            Buffer table = bench.table(queue.ring(), List.of(Piece.table(inner)));
            queue.ring().chain(List.of(Piece.table(table)));
        });
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-10", queue -> {
            Sent sent = plain(bench, queue);
            Buffer table = bench.table(queue.ring(), sent.pieces());
            List<Piece> pieces = new ArrayList<>(List.of(Piece.table(table)));
            pieces.add(Piece.writable(bench.buffer(16)));
            queue.ring().chain(pieces);
        });
        expectNeedsReset(
                bench,
                "TEXT-BROKEN-DEV-11",
                queue -> queue.ring().chain(List.of(new Piece(bench.buffer(16).address(), 0, false, true))));
    }

    /** Buffers of a request that is in no ring. */
    private static Sent plain(Bench bench, LiveQueue queue) throws IOException {
        var request = bench.probe().request(bench, 0);
        Buffer out = bench.buffer(request.out().length);
        out.put(0, request.out());
        Buffer in = bench.buffer(request.in());
        return new Sent(-1, request, out, in, List.of(Piece.readable(out), Piece.writable(in)));
    }

    @Check(id = "broken.packed-chain", clauses = "TEXT-BROKEN-DEV-12", scope = Scope.RING)
    public void packedChain(Bench bench) throws IOException {
        expectNeedsReset(bench, "TEXT-BROKEN-DEV-12", queue -> {
            Buffer out = bench.buffer(16);
            int id = 3;
            for (int i = 0; i < queue.ring().size(); i++) {
                queue.packed().putDescriptor(out.address(), 16, id, NEXT);
            }
        });
    }
}
