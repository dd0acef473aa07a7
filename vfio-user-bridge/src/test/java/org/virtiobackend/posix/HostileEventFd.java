package org.virtiobackend.posix;

/** What a client may do to an eventfd that it shares. */
public final class HostileEventFd {
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int O_NONBLOCK = 0x800;

    private HostileEventFd() {}

    /** Whoever reads or writes it waits from now on. */
    public static void makeBlocking(EventFd eventFd) {
        int fd = eventFd.fd().value();
        LibC.fcntl(fd, F_SETFL, LibC.fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK);
    }

    /** Nobody can add to it without waiting. */
    public static void fill(EventFd eventFd) {
        NativeBuffer most = NativeBuffer.allocate(8);
        most.buffer().putLong(0, -2);
        LibC.write(eventFd.fd().value(), most.address(), 8);
    }
}
