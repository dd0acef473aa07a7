package org.virtiobackend.virtio.device.worker;

import java.util.Arrays;
import org.virtiobackend.virtio.device.QueueHandler;

/** The queues of one worker, and what it asks of all of them. Belongs to whose turn it is; only the worker adds and removes. */
final class OwnedQueues {
    private QueueTask[] tasks = {};

    void add(QueueTask task) {
        tasks = Arrays.copyOf(tasks, tasks.length + 1);
        tasks[tasks.length - 1] = task;
    }

    /** Also by the task itself, while it is {@link #run}. */
    void remove(QueueTask task) {
        tasks = Arrays.stream(tasks).filter(t -> t != task).toArray(QueueTask[]::new);
    }

    boolean isEmpty() {
        return tasks.length == 0;
    }

    /** What {@link WaitSet#watch} looks at; not to be changed. */
    QueueTask[] all() {
        return tasks;
    }

    /** Lets each do what it has to; returns an amount of work, 0 for idle. */
    int run() {
        int work = 0;
        QueueTask[] all = tasks;
        for (int i = 0; i < all.length; i++) {
            work += all[i].run();
            if (!all[i].isOfSameDevice(all[i + 1 < all.length ? i + 1 : 0])) {
                all[i].endTurnOfDevice();
            }
        }
        return work;
    }

    /** Waits for memory behind messages have ended. */
    void memoryBack() {
        for (QueueTask task : tasks) {
            task.requests().memoryBack();
        }
    }

    /** Whether control does nothing but wait for one of them. */
    boolean isAnyAwaited() {
        for (QueueTask task : tasks) {
            if (task.isAwaited()) {
                return true;
            }
        }
        return false;
    }

    /** See {@link QueueTask#hasPending}. */
    boolean isAnyPending() {
        for (QueueTask task : tasks) {
            if (task.hasPending()) {
                return true;
            }
        }
        return false;
    }

    /** How long until a notification that was held back has to be sent, ns, or {@link WaitSet#FOREVER}. */
    long dueNanos() {
        long due = WaitSet.FOREVER;
        for (QueueTask task : tasks) {
            due = task.dueNanos(due);
        }
        return due;
    }

    /** A queue that is reached by messages is only looked at after a notification. */
    boolean mayNap() {
        for (QueueTask task : tasks) {
            if (task.isRemote()) {
                return false;
            }
        }
        return true;
    }

    /** What all of them agree to, ns. */
    long longestNapNanos() {
        return Arrays.stream(tasks).mapToLong(QueueTask::longestNapNanos).min().orElse(QueueHandler.NAP_NANOS);
    }

    /** Whether who serves one of them in place of the worker may leave a notification for later. */
    boolean mayNotifyLate() {
        return Arrays.stream(tasks).anyMatch(QueueTask::mayNotifyLate);
    }

    /** Asks drivers to notify; true when there is work after all. */
    boolean enableKicks() {
        boolean more = false;
        for (QueueTask task : tasks) {
            more |= !task.isRemote() && task.enableKicks();
        }
        return more;
    }

    /** Fails the devices whose memory is what the fault was about; false when there is none. */
    boolean failWhereMemoryIsGone(InternalError fault) {
        boolean found = false;
        for (QueueTask task : tasks) {
            found |= task.failIfMemoryIsGone(fault);
        }
        return found;
    }
}
