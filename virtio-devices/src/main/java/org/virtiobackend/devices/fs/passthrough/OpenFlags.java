package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.FileIo;

/** Which of a driver's open flags reach the host, and as what. */
final class OpenFlags {
    private static final int O_ACCMODE = 3;
    private static final int PASSED = O_ACCMODE | FileIo.O_DSYNC | DirectoryIo.O_SYNC | DirectoryIo.O_NOATIME;

    private final PassthroughOptions options;

    OpenFlags(PassthroughOptions options) {
        this.options = options;
    }

    /** For opening a regular file; O_TRUNC is among them. Not O_APPEND: a page that was mapped has its place in the file all the same. */
    int forHost(int wanted) {
        int passed = wanted & (PASSED | FileIo.O_TRUNC);
        if (options.directIo()) {
            passed |= wanted & FileIo.O_DIRECT;
        }
        if (options.writeback()) {
            // the driver reads pages that it writes to in part
            if ((passed & O_ACCMODE) == FileIo.O_WRONLY) {
                passed = passed & ~O_ACCMODE | FileIo.O_RDWR;
            }
        }
        return passed;
    }

    /** Whether a file that was opened so is written at its end; with writeback the driver says where that is. */
    boolean appends(int wanted) {
        return (wanted & DirectoryIo.O_APPEND) != 0 && !options.writeback();
    }

    /** What one write promises, by flags of its own (RWF_DSYNC, mount -o sync): RWF_ constants; the driver sends no FSYNC after it. */
    static int durability(int wanted) {
        boolean all = (wanted & DirectoryIo.O_SYNC) == DirectoryIo.O_SYNC;
        return all ? FileIo.RWF_SYNC : (wanted & FileIo.O_DSYNC) != 0 ? FileIo.RWF_DSYNC : 0;
    }

    static boolean changes(int wanted) {
        return (wanted & O_ACCMODE) != FileIo.O_RDONLY || (wanted & FileIo.O_TRUNC) != 0;
    }

    /** Whether writes through it are slow: they wait for the storage. */
    static boolean waits(int wanted) {
        return (wanted & (FileIo.O_DSYNC | DirectoryIo.O_SYNC | FileIo.O_DIRECT)) != 0;
    }
}
