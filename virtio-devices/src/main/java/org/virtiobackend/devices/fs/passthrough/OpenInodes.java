package org.virtiobackend.devices.fs.passthrough;

import java.util.Arrays;
import org.virtiobackend.posix.FileIdentity;

/**
 * The files that have a descriptor, how many, and which of them can lose it: those that are found again by name. Any thread; its
 * lock is taken next to opening and closing only.
 */
final class OpenInodes {
    /** Files that are looked at each time that there are many: all of them some times over before there are too many. */
    private static final int LOOKS = 256;

    private static final int INITIAL = 64;

    private final int limit;
    private final int many;
    private volatile int count;

    private Inode[] closable = new Inode[INITIAL];
    private int closableCount;
    private int hand;

    /** @param limit most descriptors */
    OpenInodes(int limit) {
        this.limit = limit;
        this.many = limit - limit / 16;
    }

    int count() {
        return count;
    }

    /** Whether another one must not be opened. */
    boolean isFull() {
        return count >= limit;
    }

    /** Whether it is time to {@link #closeUnused}. */
    boolean areMany() {
        return count >= many;
    }

    /** A file has got a descriptor. */
    synchronized void add(Inode inode) {
        count++;
        if (inode.place() == null) {
            return;
        }
        if (closableCount == closable.length) {
            closable = Arrays.copyOf(closable, closableCount * 2);
        }
        inode.openAt = closableCount;
        closable[closableCount++] = inode;
    }

    /** Its descriptor is closed. */
    synchronized void remove(Inode inode) {
        count--;
        drop(inode);
    }

    /** Closes descriptors of files that were not used for a while; the table's lock is held, so that none is found meanwhile. */
    synchronized void closeUnused(FileIdentity identities) {
        for (int i = 0; i < LOOKS && count >= many && closableCount > 0; i++) {
            if (hand >= closableCount) {
                hand = 0;
            }
            Inode inode = closable[hand];
            switch (inode.evict(identities)) {
                case CLOSED -> remove(inode);
                case NEVER -> drop(inode);
                default -> hand++;
            }
        }
    }

    private void drop(Inode inode) {
        int at = inode.openAt;
        if (at >= 0) {
            Inode last = closable[--closableCount];
            closable[at] = last;
            last.openAt = at;
            closable[closableCount] = null;
            inode.openAt = -1;
        }
    }
}
