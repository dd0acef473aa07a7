package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIdentity;

/**
 * A file that the driver knows: an O_PATH descriptor, which stands for it wherever it is moved. When there are too many the
 * descriptor is closed, and opened again by the name that it was found by, if that still is the same file.
 */
final class Inode extends Slot {
    private final long number;
    private final long device;
    private final long mountId;
    private final int type;
    private final OpenInodes open;

    private volatile int fd;
    /** While the descriptor is closed. */
    private volatile byte[] identity;
    /** Directory and name that it was seen under last; no name: it keeps its descriptor. */
    private volatile Place place;
    /** Used since the last look; a race costs a descriptor that is opened again. */
    private boolean used = true;

    /** How often the driver was told of it; guarded by the table. */
    long lookups;
    /** The next one in its bucket; guarded by the table. */
    Inode next;
    /** Whether it is found by its number; guarded by the table. */
    boolean listed;
    /** Of a directory that is watched for changes, and so keeps its descriptor: what events call it. Guarded by the table. */
    ByteBuffer watchKey;
    /** Where it stands among those that can lose their descriptors, or -1; guarded by these. */
    int openAt = -1;

    /** @param name one component, NUL-terminated */
    record Place(long directory, byte[] name) {}

    /** What became of a descriptor that was to be closed. */
    enum Eviction {
        /** It is needed, or was used a while ago. */
        STAYS,
        CLOSED,
        /** Its file system has nothing to know it again by. */
        NEVER
    }

    /**
     * @param fd taken over
     * @param place null when it has no name
     * @param open is to have it added, as it has a descriptor
     */
    Inode(int fd, FileAttributes attributes, Place place, OpenInodes open) {
        this.fd = fd;
        this.place = place;
        this.open = open;
        this.number = attributes.inode();
        this.device = attributes.device();
        this.mountId = attributes.mountId();
        this.type = attributes.type();
    }

    /** -1 while it is closed; never while it is pinned through the table. */
    int fd() {
        return fd;
    }

    boolean isOpen() {
        return fd >= 0;
    }

    Place place() {
        return place;
    }

    /** It was found by another name: the old one may be gone. */
    void foundAt(Place newPlace) {
        place = newPlace;
    }

    /** It was looked up by a name, which may be another than before. */
    void seenAt(FsThread thread, long directory, long name) {
        Place last = place;
        if (last == null || last.directory == directory && DirectoryIo.sameName(thread.nameOf(last.name), name)) {
            return;
        }
        place = new Place(directory, DirectoryIo.copyName(name));
    }

    void markUsed() {
        if (!used) {
            used = true;
        }
    }

    /** Closes the descriptor if nobody has used it for a while or has it now. */
    Eviction evict(FileIdentity identities) {
        if (used) {
            used = false;
            return Eviction.STAYS;
        }
        if (watchKey != null || !isOpen() || !freeze()) {
            return Eviction.STAYS;
        }
        int closing = fd;
        identity = identities.of(closing);
        boolean known = identity != null;
        if (known) {
            fd = -1;
            DirectoryIo.close(closing);
        }
        unfreeze();
        return known ? Eviction.CLOSED : Eviction.NEVER;
    }

    /** Goes on with a descriptor, which is taken over, if it is of this very file. */
    synchronized boolean adopt(int found, FileIdentity identities) {
        if (isOpen()) {
            DirectoryIo.close(found);
            return true;
        }
        if (!identities.matches(found, identity)) {
            return false;
        }
        fd = found;
        open.add(this);
        return true;
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
        if (isOpen()) {
            open.remove(this);
            DirectoryIo.close(fd);
        }
    }
}
