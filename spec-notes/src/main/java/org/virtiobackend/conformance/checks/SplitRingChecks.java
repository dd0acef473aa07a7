package org.virtiobackend.conformance.checks;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Buffer;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.DmaLog;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.conformance.runner.SplitRawRing;

/** Split virtqueues (virtio 1.4 2.7). */
public final class SplitRingChecks implements Chapter {
    private static final int ENTRIES = 4;
    private static final int LARGE = 256;
    private static final int INDEX_ROUND = 0x10000;

    @Check(id = "split.table-untouched", clauses = "SPLIT-DESC-DEV-04", scope = Scope.RING)
    public void tableUntouched(Bench bench) throws IOException {
        bench.about("SPLIT-DESC-DEV-04");
        LiveQueue queue = bench.start();
        for (int i = 0; i < 3; i++) {
            Sent sent = queue.put(Shape.PLAIN);
            byte[] before = queue.split().table().get();
            queue.go();
            queue.judge(sent);
            bench.that(Arrays.equals(before, queue.split().table().get()), "the descriptor table has been written to");
        }
    }

    @Check(
            id = "split.indirect",
            clauses = {"SPLIT-INDIRECT-DEV-01", "SPLIT-INDIRECT-DEV-02"},
            scope = Scope.RING)
    public void indirect(Bench bench) throws IOException {
        bench.about("SPLIT-INDIRECT-DEV-01");
        LiveQueue queue = bench.start();
        int slot = queue.split().nextSlot();
        Sent flagged = queue.put(Shape.INDIRECT);
        queue.split().putFlags(slot, 4 | 2);
        queue.go();
        queue.judge(flagged);
        bench.about("SPLIT-INDIRECT-DEV-02");
        var request = bench.probe().request(bench, 1);
        Buffer out = bench.buffer(request.out().length);
        out.put(0, request.out());
        Buffer in = bench.buffer(request.in());
        in.fill(0xa5);
        List<Piece> pieces = LiveQueue.conventional(request, out, in);
        Buffer table = bench.table(queue.ring(), pieces.subList(1, pieces.size()));
        int token = queue.ring().chain(List.of(Piece.readable(out), Piece.table(table)));
        queue.go();
        queue.judge(new Sent(token, request, out, in, List.of()));
    }

    @Check(
            id = "split.interrupt-flag",
            clauses = {"SPLIT-USEDNOTIFY-DEV-01", "SPLIT-USEDNOTIFY-DEV-02", "SPLIT-USEDNOTIFY-DEV-03"},
            when = "msix",
            scope = Scope.RING)
    public void interruptFlag(Bench bench) throws IOException {
        bench.about("SPLIT-USEDNOTIFY-DEV-03");
        LiveQueue queue = bench.start();
        SplitRawRing ring = queue.split();
        ring.putDriverFlags(0);
        CommonConfigChecks.drain(bench);
        queue.exchange(Shape.PLAIN);
        bench.await("interrupt", () -> CommonConfigChecks.drain(bench) > 0);
        bench.about("SPLIT-USEDNOTIFY-DEV-01");
        for (int event : new int[] {0, 0x7fff, 0xffff}) {
            ring.putUsedEvent(event);
            queue.exchange(Shape.PLAIN);
            bench.await("interrupt with used_event " + event, () -> CommonConfigChecks.drain(bench) > 0);
        }
        bench.about("SPLIT-USEDNOTIFY-DEV-02");
        ring.putDriverFlags(1);
        queue.exchange(Shape.PLAIN);
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt while the driver's flags are 1");
    }

    @Check(
            id = "split.used-event",
            clauses = {"SPLIT-USEDNOTIFY-DEV-04", "SPLIT-USEDNOTIFY-DEV-05", "SPLIT-USEDNOTIFY-DEV-06"},
            when = "msix",
            scope = Scope.RING)
    public void usedEvent(Bench bench) throws IOException {
        bench.about("SPLIT-USEDNOTIFY-DEV-05");
        LiveQueue queue = bench.start();
        SplitRawRing ring = queue.split();
        CommonConfigChecks.drain(bench);
        ring.wantInterruptAfter(3);
        bench.about("SPLIT-USEDNOTIFY-DEV-06");
        for (int i = 0; i < 2; i++) {
            queue.exchange(Shape.PLAIN);
            bench.that(
                    bench.stays(() -> CommonConfigChecks.drain(bench) > 0),
                    "interrupt for entry " + i + " while used_event is 2");
        }
        bench.about("SPLIT-USEDNOTIFY-DEV-05");
        queue.exchange(Shape.PLAIN);
        bench.await("interrupt for the entry at used_event", () -> CommonConfigChecks.drain(bench) > 0);
        bench.about("SPLIT-USEDNOTIFY-DEV-06");
        queue.exchange(Shape.PLAIN);
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt for an entry beyond used_event");
        bench.about("SPLIT-USEDNOTIFY-DEV-04");
        ring.putDriverFlags(1);
        ring.wantInterruptAfter(1);
        queue.exchange(Shape.PLAIN);
        bench.await("interrupt with the driver's flags at 1", () -> CommonConfigChecks.drain(bench) > 0);
    }

    @Check(id = "split.write-order", clauses = "SPLIT-USED-DEV-01", scope = Scope.RING)
    public void writeOrder(Bench bench) throws IOException {
        bench.about("SPLIT-USED-DEV-01");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        long entry = queue.ring().queueDevice() + ENTRIES;
        int entryAt = -1;
        int indexAt = -1;
        List<DmaLog.Access> accesses = bench.dmaLog().accesses();
        for (int i = 0; i < accesses.size(); i++) {
            DmaLog.Access access = accesses.get(i);
            if (access.write() && access.touches(entry + 4, 4) && entryAt < 0) {
                entryAt = i;
            }
            if (access.write() && access.touches(entry - 2, 2) && indexAt < 0) {
                indexAt = i;
            }
        }
        bench.that(entryAt >= 0, "the length of the used entry was never written");
        bench.that(indexAt > entryAt, "the used index was written before the length of the entry");
    }

    @Check(
            id = "split.device-flags",
            clauses = {"SPLIT-AVAILNOTIFY-DEV-01", "SPLIT-AVAILNOTIFY-DEV-03", "SPLIT-AVAILNOTIFY-DEV-05"},
            scope = Scope.RING)
    public void deviceFlags(Bench bench) throws IOException {
        bench.about("SPLIT-AVAILNOTIFY-DEV-05");
        LiveQueue queue = bench.start();
        List<Integer> flags = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            for (int kick = 0; kick <= i; kick++) {
                queue.kick();
            }
            bench.that(!queue.ring().hasUsed(), "a buffer is used that was never made available");
            flags.add(queue.split().usedFlags());
            queue.exchange(Shape.PLAIN);
            flags.add(queue.split().usedFlags());
        }
        bench.about("SPLIT-AVAILNOTIFY-DEV-01");
        bench.that(flags.stream().allMatch(f -> f == 0 || f == 1), "used ring flags " + flags);
        bench.about("SPLIT-AVAILNOTIFY-DEV-03");
        bench.that(flags.stream().allMatch(f -> f == 0), "used ring flags " + flags);
    }

    /** The same request over and over, until both indices have gone round. */
    @Check(id = "split.index-wrap", clauses = "TEXT-SPLIT-DEV-01", when = "!VIRTIO_F_NOTIFICATION_DATA")
    public void indexWrap(Bench bench) throws IOException {
        bench.about("TEXT-SPLIT-DEV-01");
        LiveQueue queue = bench.start(LARGE);
        SplitRawRing ring = queue.split();
        var request = bench.probe().request(bench, 0);
        List<Sent> all = new ArrayList<>();
        for (int i = 0; i < ring.size() / 4; i++) {
            all.add(queue.put(request, Shape.PLAIN, 0));
        }
        int sent = all.size();
        queue.go();
        while (true) {
            int expected = sent & 0xffff;
            ring.suppressInterrupts();
            bench.await("used index " + expected, () -> ring.usedIndex() == expected);
            if (sent > INDEX_ROUND + ring.size()) {
                break;
            }
            all.forEach(one -> ring.putAvailable(one.token()));
            sent += all.size();
            ring.publish();
            if (ring.deviceWantsKick()) {
                queue.kick();
            }
        }
        bench.that(true, "");
    }
}
