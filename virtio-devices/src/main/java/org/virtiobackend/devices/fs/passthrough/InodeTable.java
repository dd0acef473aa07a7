package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.FileAttributes;

/**
 * The files that the driver knows, by node id and by identity, and how often it was told of each: FORGET takes that back. The
 * root is node 1 and always there.
 */
final class InodeTable {
    static final long ROOT_ID = 1;

    private static final int INITIAL_BUCKETS = 1024;

    private final SlotTable<Inode> byId;
    private final Inode root;
    private Inode[] buckets = new Inode[INITIAL_BUCKETS];
    private int count;

    /** @param rootFd taken over */
    InodeTable(int rootFd, FileAttributes rootAttributes, int limit) {
        byId = new SlotTable<>(limit);
        root = new Inode(rootFd, rootAttributes);
        root.lookups = 1;
        byId.add(root);
        insert(root);
    }

    Inode root() {
        return root;
    }

    /** The file of a node id, pinned, or null. */
    Inode pin(long nodeId) {
        return byId.pin(nodeId);
    }

    /** The node id of a file that is known, counted once more, or 0. */
    synchronized long known(FileAttributes attributes) {
        Inode inode = find(attributes);
        if (inode == null) {
            return 0;
        }
        inode.lookups++;
        return inode.id();
    }

    /** Whether a file of this number is known; a guess about what to do first, never an answer. */
    synchronized boolean probablyKnown(long number, long device) {
        for (Inode i = buckets[Inode.hash(number, device) & buckets.length - 1]; i != null; i = i.next) {
            if (i.number() == number) {
                return true;
            }
        }
        return false;
    }

    /**
     * Makes a file known, or counts it once more.
     *
     * @param fd taken over
     * @return its node id, or 0 when there are too many
     */
    long add(int fd, FileAttributes attributes) {
        synchronized (this) {
            Inode inode = find(attributes);
            if (inode == null) {
                inode = new Inode(fd, attributes);
                if (byId.add(inode)) {
                    inode.lookups = 1;
                    insert(inode);
                    return inode.id();
                }
                inode = null;
            } else {
                inode.lookups++;
            }
            if (inode != null) {
                DirectoryIo.close(fd);
                return inode.id();
            }
        }
        DirectoryIo.close(fd);
        return 0;
    }

    /** The driver forgets {@code times} of the times it was told; more than that counts as all of them. */
    void forget(long nodeId, long times) {
        if (nodeId == ROOT_ID) {
            return;
        }
        Inode inode = byId.pin(nodeId);
        if (inode == null) {
            return;
        }
        synchronized (this) {
            boolean all = Long.compareUnsigned(times, inode.lookups) >= 0;
            inode.lookups = all ? 0 : inode.lookups - times;
            if (all && byId.remove(nodeId)) {
                delete(inode);
            }
        }
        inode.unpin();
    }

    /** Forgets everything but the root. */
    synchronized void clear() {
        root.pin();
        long id = root.id();
        byId.clear();
        buckets = new Inode[INITIAL_BUCKETS];
        count = 0;
        byId.restore(root, id);
        insert(root);
    }

    /** Forgets the root too; nothing can be looked up any more. */
    synchronized void close() {
        byId.clear();
        buckets = new Inode[INITIAL_BUCKETS];
        count = 0;
    }

    int count() {
        return byId.count();
    }

    private Inode find(FileAttributes attributes) {
        int hash = Inode.hash(attributes.inode(), attributes.device());
        for (Inode i = buckets[hash & buckets.length - 1]; i != null; i = i.next) {
            if (i.is(attributes)) {
                return i;
            }
        }
        return null;
    }

    private void insert(Inode inode) {
        if (++count > buckets.length) {
            Inode[] old = buckets;
            buckets = new Inode[old.length * 2];
            for (Inode chain : old) {
                while (chain != null) {
                    Inode following = chain.next;
                    link(chain);
                    chain = following;
                }
            }
        }
        link(inode);
    }

    private void link(Inode inode) {
        int bucket = inode.hash() & buckets.length - 1;
        inode.next = buckets[bucket];
        buckets[bucket] = inode;
    }

    private void delete(Inode inode) {
        int bucket = inode.hash() & buckets.length - 1;
        if (buckets[bucket] == inode) {
            buckets[bucket] = inode.next;
        } else {
            for (Inode i = buckets[bucket]; i != null; i = i.next) {
                if (i.next == inode) {
                    i.next = inode.next;
                    break;
                }
            }
        }
        inode.next = null;
        count--;
    }
}
