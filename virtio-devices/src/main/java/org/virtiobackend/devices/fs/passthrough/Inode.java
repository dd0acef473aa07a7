package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.FileAttributes;

/** A file that the driver knows: an O_PATH descriptor, which stands for it wherever it is moved. */
final class Inode extends Slot {
    private final int fd;
    private final long number;
    private final long device;
    private final long mountId;
    private final int type;

    /** How often the driver was told of it; guarded by the table. */
    long lookups;
    /** The next one in its bucket; guarded by the table. */
    Inode next;

    /** @param fd taken over */
    Inode(int fd, FileAttributes attributes) {
        this.fd = fd;
        this.number = attributes.inode();
        this.device = attributes.device();
        this.mountId = attributes.mountId();
        this.type = attributes.type();
    }

    int fd() {
        return fd;
    }

    /** The host's inode number. */
    long number() {
        return number;
    }

    long device() {
        return device;
    }

    long mountId() {
        return mountId;
    }

    boolean isDirectory() {
        return type == FileAttributes.S_IFDIR;
    }

    boolean isRegular() {
        return type == FileAttributes.S_IFREG;
    }

    boolean isSymlink() {
        return type == FileAttributes.S_IFLNK;
    }

    boolean is(FileAttributes other) {
        return number == other.inode() && device == other.device() && mountId == other.mountId();
    }

    int hash() {
        return hash(number, device);
    }

    static int hash(long number, long device) {
        long mixed = (number ^ device * 31) * 0x9e37_79b9_7f4a_7c15L;
        return (int) (mixed >>> 32);
    }

    @Override
    void dispose() {
        DirectoryIo.close(fd);
    }
}
