package org.virtiobackend.posix;

/**
 * The identity with which one thread touches files: owner and groups, umask, and whether it may keep set-user-id bits. Changes
 * are made only when something differs; {@link #restore} goes back. All calls come from the thread that it is for.
 *
 * <p>Without privilege the identity stays what it is; only the umask changes.
 */
public final class Credentials {
    private static final int CLONE_FS = 0x200;
    private static final int CAP_VERSION_3 = 0x20080522;
    private static final int CAP_SETGID = 6;
    private static final int CAP_SETUID = 7;
    private static final int CAP_FSETID = 4;
    private static final int CAP_SYS_RESOURCE = 24;
    private static final int CAP_LINUX_IMMUTABLE = 9;
    /** Quotas, the reserve of a full disk, and files that the host's administrator made immutable: they hold for a guest. */
    private static final int DROPPED = 1 << CAP_SYS_RESOURCE | 1 << CAP_LINUX_IMMUTABLE;

    private static final int EFFECTIVE = 0;
    private static final int PERMITTED = 4;

    private final NativeBuffer header = NativeBuffer.allocate(8);
    private final NativeBuffer sets = NativeBuffer.allocate(24);
    private final NativeBuffer group = NativeBuffer.allocate(4);
    private final int ownUid;
    private final int ownGid;
    private final boolean mayChange;
    private final int effective;
    private int uid;
    private int gid;
    private boolean groupSet;
    private boolean keepsSetId = true;
    private int mask;

    /** Takes the calling thread over: its umask becomes its own, and 0; it is in no group but its own. */
    public Credentials() {
        FileCalls.unshare(CLONE_FS);
        FileCalls.umask(0);
        header.buffer().putInt(0, CAP_VERSION_3);
        FileCalls.capget(header.address(), sets.address());
        ownUid = FileCalls.setfsuid(-1);
        ownGid = FileCalls.setfsgid(-1);
        uid = ownUid;
        gid = ownGid;
        int held = sets.buffer().getInt(EFFECTIVE);
        mayChange = (held & 1 << CAP_SETUID) != 0 && (held & 1 << CAP_SETGID) != 0;
        effective = held & ~DROPPED;
        if (effective != held) {
            // permitted too: setfsuid(0) brings back what it has of the capabilities about files
            sets.buffer().putInt(PERMITTED, sets.buffer().getInt(PERMITTED) & ~DROPPED);
            setEffective(effective);
        }
        if (mayChange) {
            setGroup(-1); // the process's groups are nobody else's
        }
    }

    /** Whether files can be made in another's name. */
    public boolean mayChange() {
        return mayChange;
    }

    /**
     * Becomes a user for making files.
     *
     * @param supplementary a group the user is in as well, or -1
     * @return 0 or a negative error number
     */
    public int become(int newUid, int newGid, int supplementary) {
        if (!mayChange) {
            return 0;
        }
        if (supplementary != -1 || groupSet) {
            int result = setGroup(supplementary);
            if (result < 0) {
                return result;
            }
        }
        if (newGid != gid) {
            FileCalls.setfsgid(newGid);
            gid = newGid;
            if (FileCalls.setfsgid(-1) != newGid) {
                return -Errno.EPERM;
            }
        }
        if (newUid != uid) {
            FileCalls.setfsuid(newUid);
            uid = newUid;
            if (FileCalls.setfsuid(-1) != newUid) {
                return -Errno.EPERM;
            }
        }
        return 0;
    }

    public void umask(int newMask) {
        if (newMask != mask) {
            FileCalls.umask(newMask);
            mask = newMask;
        }
    }

    /**
     * From now on set-id bits go when this thread changes a file, as for anyone without CAP_FSETID.
     *
     * @param asGroup whose set-group-id bit stays on a file that its group does not execute; -1 when nobody knows
     */
    public void loseSetId(int asGroup) {
        if (mayChange && asGroup != -1 && asGroup != gid) {
            FileCalls.setfsgid(asGroup);
            gid = asGroup;
        }
        keepSetId(false);
    }

    private void keepSetId(boolean keep) {
        if (keep != keepsSetId) {
            keepsSetId = keep;
            setEffective(keep ? effective : effective & ~(1 << CAP_FSETID));
        }
    }

    /** Becomes itself again; the umask stays, as everybody who makes a file sets it. */
    public void restore() {
        if (uid != ownUid) {
            FileCalls.setfsuid(ownUid);
            uid = ownUid;
        }
        if (gid != ownGid) {
            FileCalls.setfsgid(ownGid);
            gid = ownGid;
        }
        if (groupSet) {
            setGroup(-1);
        }
        keepSetId(true);
    }

    private int setGroup(int id) {
        group.buffer().putInt(0, id);
        groupSet = id != -1;
        // the raw call: the C library's would change every thread
        return (int) FileCalls.result(
                FileCalls.syscall(Architecture.SYS_SETGROUPS, groupSet ? 1 : 0, group.address(), 0, 0, 0));
    }

    private void setEffective(int capabilities) {
        sets.buffer().putInt(EFFECTIVE, capabilities);
        FileCalls.capset(header.address(), sets.address());
    }
}
