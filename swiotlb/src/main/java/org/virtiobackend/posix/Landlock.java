package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/**
 * Limits what the calling thread, and every thread it starts from then on, can do to files: only what was allowed beneath some
 * directories, whatever the process's user may do. There is no way back. Descriptors that are open stay usable.
 */
public final class Landlock implements AutoCloseable {
    public static final long EXECUTE = 1;
    public static final long WRITE_FILE = 1 << 1;
    public static final long READ_FILE = 1 << 2;
    public static final long READ_DIR = 1 << 3;
    public static final long REMOVE_DIR = 1 << 4;
    public static final long REMOVE_FILE = 1 << 5;
    public static final long MAKE_CHAR = 1 << 6;
    public static final long MAKE_DIR = 1 << 7;
    public static final long MAKE_REG = 1 << 8;
    public static final long MAKE_SOCK = 1 << 9;
    public static final long MAKE_FIFO = 1 << 10;
    public static final long MAKE_BLOCK = 1 << 11;
    public static final long MAKE_SYM = 1 << 12;
    public static final long REFER = 1 << 13;
    public static final long TRUNCATE = 1 << 14;

    private static final int SYS_CREATE_RULESET = 444;
    private static final int SYS_ADD_RULE = 445;
    private static final int SYS_RESTRICT_SELF = 446;
    private static final int VERSION = 1;
    private static final int PATH_BENEATH = 1;
    private static final int PR_SET_NO_NEW_PRIVS = 38;
    /** What the first version knows; then one bit more with versions 2, 3 and 5. */
    private static final long ACCESS_1 = (1 << 13) - 1;

    private static final long IOCTL_DEV = 1 << 15;

    private final Fd ruleset;
    private final long handled;

    private Landlock(Fd ruleset, long handled) {
        this.ruleset = ruleset;
        this.handled = handled;
    }

    /** Version of the interface, 0 when the kernel has none. */
    public static int version() {
        return (int) Math.max(0, FileCalls.syscall(SYS_CREATE_RULESET, 0, 0, VERSION, 0, 0));
    }

    /** Starts with nothing allowed at all. */
    public static Landlock create() throws ErrnoException {
        int version = version();
        long handled =
                ACCESS_1 | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) | (version >= 5 ? IOCTL_DEV : 0);
        NativeBuffer attributes = NativeBuffer.allocate(8);
        attributes.buffer().putLong(0, handled);
        long fd = FileCalls.syscall(SYS_CREATE_RULESET, attributes.address(), 8, 0, 0, 0);
        ErrnoException.check(fd, "landlock ruleset");
        Reference.reachabilityFence(attributes);
        return new Landlock(Fd.adopt((int) fd), handled);
    }

    /** Allows something to a file, or to all that is beneath a directory. */
    public void allow(Fd beneath, long access) throws ErrnoException {
        NativeBuffer rule = NativeBuffer.allocate(12);
        ByteBuffer fields = rule.buffer();
        fields.putLong(0, access & handled);
        fields.putInt(8, beneath.value());
        long result = FileCalls.syscall(SYS_ADD_RULE, ruleset.value(), PATH_BENEATH, rule.address(), 0, 0);
        ErrnoException.check(result, "landlock rule");
        Reference.reachabilityFence(rule);
    }

    /** Takes effect for the calling thread, which also gives up ever gaining privileges. */
    public void restrict() throws ErrnoException {
        ErrnoException.check(FileCalls.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
        ErrnoException.check(FileCalls.syscall(SYS_RESTRICT_SELF, ruleset.value(), 0, 0, 0, 0), "landlock");
    }

    @Override
    public void close() {
        ruleset.close();
    }
}
