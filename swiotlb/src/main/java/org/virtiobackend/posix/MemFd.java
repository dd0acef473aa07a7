package org.virtiobackend.posix;

/** Anonymous shareable memory of fixed size: sealed against shrinking, so a peer that maps it never meets SIGBUS. */
public final class MemFd implements AutoCloseable {
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_SEAL_SHRINK = 2;
    private static final int F_SEAL_GROW = 4;

    private final Fd fd;
    private final long size;

    private MemFd(Fd fd, long size) {
        this.fd = fd;
        this.size = size;
    }

    /**
     * @param name shown in {@code /proc/PID/maps}
     * @param size bytes
     */
    public static MemFd create(String name, long size) throws ErrnoException {
        int raw = (int)
                ErrnoException.check(LibC.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), "create memfd " + name);
        Fd fd = Fd.adopt(raw);
        try {
            ErrnoException.check(LibC.ftruncate(raw, size), "size memfd " + name + " to " + size + " bytes");
            ErrnoException.check(LibC.fcntl(raw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "seal memfd " + name);
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
        return new MemFd(fd, size);
    }

    public Fd fd() {
        return fd;
    }

    public long size() {
        return size;
    }

    @Override
    public void close() {
        fd.close();
    }
}
