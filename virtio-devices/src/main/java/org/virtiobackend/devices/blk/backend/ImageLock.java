package org.virtiobackend.devices.blk.backend;

import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.OfdLock;

/**
 * Keeps two processes from serving one image. The bytes are those that QEMU locks: at 100 + n a process holds what it
 * does, at 200 + n what it does not let others do; so an image that a QEMU has open is noticed, and QEMU notices
 * ours.
 */
final class ImageLock {
    private static final long HOLDS = 100;
    private static final long FORBIDS = 200;
    private static final long KINDS = 100;
    private static final long READ = 0;
    private static final long WRITE = 1;

    private ImageLock() {}

    /**
     * Locks for as long as {@code fd} stays open: many readers or one writer.
     *
     * @return false when another process is in the way
     */
    static boolean take(Fd fd, boolean forWriting) {
        if (forWriting) {
            return granted(OfdLock.take(fd, true, HOLDS, FORBIDS + KINDS - HOLDS));
        }
        return granted(OfdLock.take(fd, false, HOLDS + READ, 1))
                && granted(OfdLock.take(fd, false, FORBIDS + WRITE, 1))
                && !OfdLock.isTaken(fd, HOLDS + WRITE, 1);
    }

    // a file system without locks protects nothing, but serves
    private static boolean granted(int result) {
        return result != -Errno.EAGAIN && result != -Errno.EACCES;
    }
}
