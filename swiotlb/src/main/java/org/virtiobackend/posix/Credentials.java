package org.virtiobackend.posix;

import java.util.concurrent.atomic.AtomicReference;

/**
 * The identity with which one thread touches files: owner and groups, umask, and whether it may keep set-user-id bits. Changes
 * are made only when something differs; {@link #restore} goes back. All calls come from the thread that it is for.
 *
 * <p>Without privilege the identity stays what it is; only the umask changes.
 */
public final class Credentials {
    private static final int CLONE_FS = 0x200;
    private static final int PR_GET_SECUREBITS = 27;
    private static final int SECBIT_NO_SETUID_FIXUP = 1 << 2;
    private static final int CAP_VERSION_3 = 0x20080522;
    private static final int CAP_CHOWN = 0;
    private static final int CAP_DAC_OVERRIDE = 1;
    private static final int CAP_DAC_READ_SEARCH = 2;
    private static final int CAP_FOWNER = 3;
    private static final int CAP_FSETID = 4;
    private static final int CAP_SETGID = 6;
    private static final int CAP_SETUID = 7;
    private static final int CAP_LINUX_IMMUTABLE = 9;
    private static final int CAP_SYS_RESOURCE = 24;
    private static final int CAP_MKNOD = 27;
    /** What the kernel takes when the file system uid ceases to be 0 and gives when it becomes 0, and at no other time. */
    private static final int ABOUT_FILES = 1 << CAP_CHOWN
            | 1 << CAP_DAC_OVERRIDE
            | 1 << CAP_DAC_READ_SEARCH
            | 1 << CAP_FOWNER
            | 1 << CAP_FSETID
            | 1 << CAP_MKNOD;
    /** Quotas, the reserve of a full disk, and files that the host's administrator made immutable: they hold for a guest. */
    private static final int DROPPED = 1 << CAP_SYS_RESOURCE | 1 << CAP_LINUX_IMMUTABLE;

    /** While a call is on its way: a late fault may come out of it (decision 7), and whether it was made is anybody's guess. */
    private static final int UNKNOWN = -1;

    private static final int EFFECTIVE = 0;
    private static final int PERMITTED = 4;

    private final NativeBuffer header = NativeBuffer.allocate(8);
    private final NativeBuffer sets = NativeBuffer.allocate(24);
    private final NativeBuffer group = NativeBuffer.allocate(4);
    private final int ownUid;
    private final int ownGid;
    private final boolean mayChange;
    private final boolean kernelAdjusts;
    private final int effective;
    /** The capabilities in effect now. */
    private int held;

    private int uid;
    private int gid;
    /** The last ones that the kernel was seen to accept: what it did once it does again. */
    private int provenUid;

    private int provenGid;
    private boolean groupSet;
    private int mask;

    /**
     * Takes the calling thread over: its umask becomes its own, and 0; it is in no group but its own.
     *
     * @throws ErrnoException the kernel refuses that: files would come out as somebody else's
     */
    public Credentials() throws ErrnoException {
        ErrnoException.check(
                FileCalls.unshare(CLONE_FS),
                "no thread can have a umask of its own; allow unshare(CLONE_FS), which Docker's seccomp profile denies");
        FileCalls.umask(0);
        header.buffer().putInt(0, CAP_VERSION_3);
        FileCalls.capget(header.address(), sets.address());
        ownUid = FileCalls.setfsuid(-1);
        ownGid = FileCalls.setfsgid(-1);
        uid = provenUid = ownUid;
        gid = provenGid = ownGid;
        held = sets.buffer().getInt(EFFECTIVE);
        mayChange = (held & 1 << CAP_SETUID) != 0 && (held & 1 << CAP_SETGID) != 0;
        kernelAdjusts = (FileCalls.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NO_SETUID_FIXUP) == 0;
        effective = held & ~DROPPED;
        // permitted too: setfsuid(0) brings back what it has of the capabilities about files
        boolean tooMany = held != effective || sets.buffer().getInt(PERMITTED) != effective;
        sets.buffer().putInt(PERMITTED, effective);
        if (tooMany) {
            setEffective(effective);
        }
        if (mayChange) {
            // the process's groups are nobody else's
            ErrnoException.check(
                    setGroup(-1),
                    "no thread can leave the process's groups; allow setgroups in the user namespace, or give no CAP_SETGID");
        }
    }

    /**
     * Tries on a thread of its own whether those of this process can have one each.
     *
     * @throws ErrnoException they cannot
     */
    public static void tryOut() throws ErrnoException {
        AtomicReference<ErrnoException> failure = new AtomicReference<>();
        Thread thread = new Thread(
                () -> {
                    try {
                        new Credentials();
                    } catch (ErrnoException e) {
                        failure.set(e);
                    }
                },
                "credentials");
        thread.start();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    /** Whether files can be made in another's name. */
    public boolean mayChange() {
        return mayChange;
    }

    /**
     * Becomes a user for making files; of capabilities about files only 0 has any.
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
        if (!changeGid(newGid) || !changeUid(newUid)) {
            return -Errno.EPERM;
        }
        hold(newUid == 0 ? effective : effective & ~ABOUT_FILES);
        return 0;
    }

    public void umask(int newMask) {
        if (newMask != mask) {
            mask = UNKNOWN;
            FileCalls.umask(newMask);
            mask = newMask;
        }
    }

    /**
     * From now on set-id bits go when this thread changes a file, as for anyone without CAP_FSETID.
     *
     * @param asUser whose writes they are, so that they do not take what a file system reserves for root; 0 or -1: the process's own
     * @param asGroup whose set-group-id bit stays on a file that its group does not execute; -1 when nobody knows
     */
    public void loseSetId(int asUser, int asGroup) {
        if (mayChange && asGroup != -1) {
            changeGid(asGroup);
        }
        if (mayChange && asUser != -1 && asUser != 0) {
            changeUid(asUser);
        }
        hold((held == UNKNOWN ? effective : held) & ~(1 << CAP_FSETID));
    }

    /** False when the kernel does not accept it: the call itself tells nobody. */
    private boolean changeUid(int newUid) {
        if (newUid == uid && uid != UNKNOWN) {
            return true;
        }
        boolean follows = kernelAdjusts && (newUid == 0 || uid == 0);
        int before = uid == UNKNOWN ? UNKNOWN : held;
        uid = held = UNKNOWN;
        FileCalls.setfsuid(newUid);
        if (newUid != ownUid && newUid != provenUid) {
            if (FileCalls.setfsuid(-1) != newUid) {
                return false;
            }
            provenUid = newUid;
        }
        boolean known = before != UNKNOWN;
        held = !known || !follows ? before : newUid == 0 ? before | effective & ABOUT_FILES : before & ~ABOUT_FILES;
        uid = newUid;
        return true;
    }

    private boolean changeGid(int newGid) {
        if (newGid == gid && gid != UNKNOWN) {
            return true;
        }
        gid = UNKNOWN;
        FileCalls.setfsgid(newGid);
        if (newGid != ownGid && newGid != provenGid) {
            if (FileCalls.setfsgid(-1) != newGid) {
                return false;
            }
            provenGid = newGid;
        }
        gid = newGid;
        return true;
    }

    /** Becomes itself again; the umask stays, as everybody who makes a file sets it. */
    public void restore() {
        changeUid(ownUid);
        changeGid(ownGid);
        if (groupSet) {
            setGroup(-1);
        }
        hold(effective);
    }

    private int setGroup(int id) {
        group.buffer().putInt(0, id);
        groupSet = true;
        // the raw call: the C library's would change every thread
        int result = (int) FileCalls.result(
                FileCalls.syscall(Architecture.SYS_SETGROUPS, id != -1 ? 1 : 0, group.address(), 0, 0, 0));
        groupSet = id != -1;
        return result;
    }

    private void hold(int capabilities) {
        if (capabilities != held) {
            setEffective(capabilities);
        }
    }

    private void setEffective(int capabilities) {
        held = UNKNOWN;
        sets.buffer().putInt(EFFECTIVE, capabilities);
        FileCalls.capset(header.address(), sets.address());
        held = capabilities;
    }
}
