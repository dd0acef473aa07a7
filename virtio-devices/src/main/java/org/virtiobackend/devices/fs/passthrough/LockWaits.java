package org.virtiobackend.devices.fs.passthrough;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Errno;

/**
 * Requests that wait for a lock, and the thread that tries again for them: at once when a lock of this session is released, and
 * from time to time for locks that others hold. No thread is ever held by a lock, and every wait ends: {@link LockOptions}.
 */
final class LockWaits {
    private static final long FIRST_PAUSE_MILLIS = 1;
    private static final long LONGEST_PAUSE_MILLIS = 50;
    /** Most waits that are looked at: each costs a look at every owner that waits. */
    private static final int LONGEST_CIRCLE = 64;

    private record Waiting(LockWait sender, long since, long longest) {
        FuseRequest request() {
            return sender.request();
        }

        /** Nobody may be able to interrupt it. */
        boolean isOver() {
            return longest > 0 && System.nanoTime() - since >= longest;
        }
    }

    private final PassthroughServer server;
    private final List<Waiting> waits = new ArrayList<>();
    private Thread thread;
    private boolean released;
    private boolean closed;

    LockWaits(PassthroughServer server) {
        this.server = server;
    }

    /** Takes a request over, or answers it: with EDEADLK where nobody would ever let go, with ENOLCK where too many wait. */
    void add(LockWait wait) {
        int error = enter(wait);
        if (error < 0) {
            wait.answer(error);
        }
    }

    private synchronized int enter(LockWait wait) {
        if (waits.size() >= wait.most()) {
            return -Errno.ENOLCK;
        }
        if (closesCircle(wait.request())) {
            return -Errno.EDEADLK;
        }
        boolean whole = LockOperations.isWhole(wait.request());
        long longest = server.options().locks().longestWait(whole).toNanos();
        waits.add(new Waiting(wait, System.nanoTime(), longest));
        if (thread == null) {
            thread = new Thread(this::run, "fs-locks");
            thread.setDaemon(true);
            thread.start();
        }
        released = true;
        notifyAll();
        return 0;
    }

    /** Whether an owner would wait for itself, by way of others: as for locks of processes on the host, and as for those not too far. */
    private boolean closesCircle(FuseRequest request) {
        Map<Long, List<FuseRequest>> unseen = new HashMap<>(); // by owners that wait; nobody else passes on a circle
        for (Waiting each : waits) {
            FuseRequest other = each.request();
            unseen.computeIfAbsent(LockOperations.owner(other), owner -> new ArrayList<>())
                    .add(other);
        }
        long sender = LockOperations.owner(request);
        unseen.computeIfAbsent(sender, owner -> new ArrayList<>());
        Deque<FuseRequest> open = new ArrayDeque<>(List.of(request));
        for (int looked = 0; looked < LONGEST_CIRCLE && !open.isEmpty(); looked++) {
            for (Long owner : LockOperations.inTheWay(server.lockOwners(), unseen.keySet(), open.remove())) {
                if (owner == sender) {
                    return true;
                }
                open.addAll(unseen.remove(owner));
            }
        }
        return false;
    }

    synchronized void somethingReleased() {
        if (!waits.isEmpty()) {
            released = true;
            notifyAll();
        }
    }

    /** Ends the wait of a request; false when it does not wait. */
    boolean interrupt(long unique) {
        LockWait found = null;
        synchronized (this) {
            for (int i = 0; i < waits.size() && found == null; i++) {
                if (waits.get(i).request().unique() == unique) {
                    found = waits.remove(i).sender();
                }
            }
        }
        if (found != null) {
            found.answer(-Errno.EINTR);
        }
        return found != null;
    }

    /** Ends all waits: their buffers have to go back. */
    void endAll() {
        List<Waiting> all;
        synchronized (this) {
            if (waits.isEmpty()) {
                return;
            }
            all = new ArrayList<>(waits);
            waits.clear();
        }
        all.forEach(each -> each.sender().answer(-Errno.ENOLCK));
    }

    void close() {
        Thread running;
        synchronized (this) {
            closed = true;
            running = thread;
            notifyAll();
        }
        endAll();
        if (running != null) {
            boolean interrupted = false;
            while (running.isAlive()) {
                try {
                    running.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void run() {
        FsThread context = FsThread.current();
        FuseCall call = new FuseCall(null, null);
        long pause = FIRST_PAUSE_MILLIS;
        while (pauseOrEnd(pause)) {
            boolean any = tryAll(call, context);
            pause = any ? FIRST_PAUSE_MILLIS : Math.min(pause * 2, LONGEST_PAUSE_MILLIS);
        }
    }

    /** False at the end. */
    private synchronized boolean pauseOrEnd(long millis) {
        while (!closed && !released) {
            try {
                wait(waits.isEmpty() ? 0 : millis);
            } catch (InterruptedException e) {
                // nobody has a reason to interrupt this thread: look again
            }
            if (!waits.isEmpty()) {
                break;
            }
        }
        released = false;
        return !closed;
    }

    /** True when somebody got a lock. */
    private boolean tryAll(FuseCall call, FsThread context) {
        boolean any = false;
        for (int i = 0; ; ) {
            LockWait done = null;
            int result;
            synchronized (this) {
                if (i >= waits.size()) {
                    return any;
                }
                Waiting waiting = waits.get(i);
                call.on(context, waiting.request(), 0, true);
                result = server.tryLock(call);
                if (result == FuseCall.AWAIT_LOCK && waiting.isOver()) {
                    result = -Errno.ENOLCK;
                }
                if (result == FuseCall.AWAIT_LOCK) {
                    i++;
                } else {
                    done = waits.remove(i).sender();
                }
            }
            if (done != null) {
                any = true;
                done.answer(result);
            }
        }
    }
}
