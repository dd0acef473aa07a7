package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * UNIX stream sockets that carry file descriptors (SCM_RIGHTS), which the JDK's cannot.
 *
 * <p>One instance is one connection. One thread may receive while another sends; two senders must agree among themselves.
 */
public final class UnixSocket implements AutoCloseable {
    /** Descriptors accepted with one message; more are closed by the kernel and reported as truncated. */
    public static final int MAX_FDS = 32;

    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int SO_RCVTIMEO = 20;
    private static final int SO_SNDTIMEO = 21;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_DONTWAIT = 0x40;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int MSG_CTRUNC = 8;
    private static final int SHUT_WR = 1;
    private static final int SHUT_RDWR = 2;
    private static final int SUN_PATH_MAX = 107;
    private static final int OWNER_ONLY = 0600;
    private static final int CMSG_HEADER = 16;
    private static final int CONTROL_BYTES = CMSG_HEADER + MAX_FDS * 4;

    private final Fd fd;
    private final Message outgoing = new Message();
    private final Message incoming = new Message();

    private UnixSocket(Fd fd) {
        this.fd = fd;
    }

    /** Takes over a connected stream socket. */
    public static UnixSocket adopt(Fd fd) {
        return new UnixSocket(fd);
    }

    /** Connects to a listening path. */
    public static UnixSocket connect(String path) throws ErrnoException {
        Fd fd = newSocket();
        try {
            NativeBuffer address = address(path);
            ErrnoException.check(LibC.connect(fd.value(), address.address(), address.size()), "connect to " + path);
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
        return new UnixSocket(fd);
    }

    /** Connects to a listening path without waiting; the socket never waits either. EAGAIN: the listener is too busy. */
    public static Fd connectNonBlocking(String path) throws ErrnoException {
        Fd fd = newSocket();
        try {
            fd.setNonBlocking();
            NativeBuffer address = address(path);
            ErrnoException.check(LibC.connect(fd.value(), address.address(), address.size()), "connect to " + path);
            return fd;
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    /** A bound, listening socket that only its owner may connect to. The file must not exist yet; the caller unlinks it. */
    public static Fd listen(String path, int backlog) throws ErrnoException {
        Fd fd = newSocket();
        try {
            NativeBuffer address = address(path);
            // The socket's own mode becomes the file's when it is bound: no moment with wider permissions.
            ErrnoException.check(LibC.fchmod(fd.value(), OWNER_ONLY), "set the mode of " + path);
            ErrnoException.check(LibC.bind(fd.value(), address.address(), address.size()), "bind " + path);
            ErrnoException.check(LibC.listen(fd.value(), backlog), "listen on " + path);
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
        return fd;
    }

    /** Waits for the next client of a listening socket. */
    public static UnixSocket accept(Fd listener) throws ErrnoException {
        int raw;
        do {
            raw = LibC.accept4(listener.value(), 0, 0, SOCK_CLOEXEC);
        } while (raw < 0 && Errno.last() == Errno.EINTR);
        return new UnixSocket(Fd.adopt((int) ErrnoException.check(raw, "accept")));
    }

    public Fd fd() {
        return fd;
    }

    /**
     * Sends all of a message, in one system call unless the kernel takes less.
     *
     * @param address where it starts
     * @param length bytes, more than 0
     * @param fds descriptors that ride on the first byte; they stay the caller's
     */
    public void send(long address, long length, Fd... fds) throws ErrnoException {
        long sent = 0;
        while (sent < length) {
            sent += Math.max(0, sendSome(address, length, sent, fds, 0));
        }
    }

    /**
     * The same within a time, which begins when the peer does not take all at once: {@link #setTimeouts} limits each piece that it
     * takes, not all of them.
     *
     * @param nanos at most that long
     * @throws ErrnoException ETIMEDOUT when part of the message, or all, is not sent
     */
    public void sendWithin(long nanos, long address, long length, Fd... fds) throws ErrnoException {
        long sent = Math.max(0, sendSome(address, length, 0, fds, MSG_DONTWAIT));
        if (sent == length) {
            return;
        }
        long deadline = System.nanoTime() + nanos;
        Poller poller = new Poller(1);
        poller.add(fd, Poller.POLLOUT);
        while (sent < length) {
            long done = sendSome(address, length, sent, fds, MSG_DONTWAIT);
            if (done < 0) {
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    throw new ErrnoException("send", Errno.ETIMEDOUT);
                }
                poller.pollNanos(left);
            } else {
                sent += done;
            }
        }
    }

    /** Returns how many bytes went, or -1: none now. */
    private long sendSome(long address, long length, long sent, Fd[] fds, int flags) throws ErrnoException {
        outgoing.prepare(address + sent, length - sent, sent == 0 ? fds : Message.NO_FDS);
        long done = LibC.sendmsg(fd.value(), outgoing.header.address(), MSG_NOSIGNAL | flags);
        if (done >= 0) {
            return done;
        }
        int errno = Errno.last();
        if (errno == Errno.EINTR || errno == Errno.EAGAIN && flags != 0) {
            return -1;
        }
        throw new ErrnoException("send", errno);
    }

    /**
     * Receives at most {@code length} bytes, at least one unless the peer has closed.
     *
     * @param fds gets the descriptors that came along, from index 0; the caller owns them
     * @return what arrived; {@link Received#bytes} 0 at the end of the stream
     */
    public Received receive(long address, long length, Fd[] fds) throws ErrnoException {
        long done = receive(address, length, MSG_CMSG_CLOEXEC);
        ErrnoException.check(done, "receive");
        return received(done, fds);
    }

    /** As {@link #receive}, but returns null instead of waiting when nothing has arrived. */
    public Received tryReceive(long address, long length, Fd[] fds) throws ErrnoException {
        long done = receive(address, length, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (done < 0 && Errno.last() == Errno.EAGAIN) {
            return null;
        }
        ErrnoException.check(done, "receive");
        return received(done, fds);
    }

    /**
     * Limits how long one call waits; it then fails with EAGAIN.
     *
     * @param sendMillis 0 for ever
     * @param receiveMillis 0 for ever
     */
    public void setTimeouts(long sendMillis, long receiveMillis) throws ErrnoException {
        setTimeout(SO_SNDTIMEO, sendMillis);
        setTimeout(SO_RCVTIMEO, receiveMillis);
    }

    /** Wakes every thread that sends or receives; they see the end of the stream. */
    public void shutdown() {
        LibC.shutdown(fd.value(), SHUT_RDWR);
    }

    /** The peer sees the end of the stream; receiving goes on. */
    public void shutdownSending() {
        LibC.shutdown(fd.value(), SHUT_WR);
    }

    @Override
    public void close() {
        fd.close();
    }

    /** The outcome of a {@link #receive}; valid until the next one. */
    public static final class Received {
        private long bytes;
        private int fdCount;
        private boolean truncated;

        public long bytes() {
            return bytes;
        }

        public int fdCount() {
            return fdCount;
        }

        /** More descriptors came than fit; the surplus is already closed. */
        public boolean fdsTruncated() {
            return truncated;
        }
    }

    private long receive(long address, long length, int flags) {
        incoming.prepareReceive(address, length);
        long done;
        do {
            done = LibC.recvmsg(fd.value(), incoming.header.address(), flags);
        } while (done < 0 && Errno.last() == Errno.EINTR);
        return done;
    }

    private Received received(long bytes, Fd[] fds) {
        incoming.received.bytes = bytes;
        incoming.takeFds(fds);
        return incoming.received;
    }

    private void setTimeout(int option, long millis) throws ErrnoException {
        NativeBuffer time = NativeBuffer.allocate(16);
        time.buffer().putLong(0, millis / 1000).putLong(8, millis % 1000 * 1000);
        int result = LibC.setsockopt(fd.value(), SOL_SOCKET, option, time.address(), time.size());
        ErrnoException.check(result, "set socket timeout");
        Reference.reachabilityFence(time);
    }

    private static Fd newSocket() throws ErrnoException {
        int raw = LibC.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return Fd.adopt((int) ErrnoException.check(raw, "create socket"));
    }

    private static NativeBuffer address(String path) throws ErrnoException {
        byte[] name = path.getBytes(StandardCharsets.UTF_8);
        if (name.length > SUN_PATH_MAX) {
            throw new ErrnoException("socket path " + path, Errno.ENAMETOOLONG);
        }
        NativeBuffer address = NativeBuffer.allocate(2L + name.length + 1);
        address.buffer().putShort(0, (short) AF_UNIX);
        address.buffer().put(2, name);
        return address;
    }

    /** One {@code struct msghdr} with its iovec and control buffer (64-bit layout). */
    private static final class Message {
        static final Fd[] NO_FDS = {};

        private static final int NAME = 0;
        private static final int IOV = 16;
        private static final int IOV_COUNT = 24;
        private static final int CONTROL = 32;
        private static final int CONTROL_LENGTH = 40;
        private static final int FLAGS = 48;
        private static final int SIZE = 56;

        final NativeBuffer header = NativeBuffer.allocate(SIZE);
        final NativeBuffer iov = NativeBuffer.allocate(16);
        final NativeBuffer control = NativeBuffer.allocate(CONTROL_BYTES);
        final Received received = new Received();

        void prepare(long address, long length, Fd[] fds) {
            setData(address, length);
            if (fds.length == 0) {
                header.buffer().putLong(CONTROL, 0).putLong(CONTROL_LENGTH, 0);
                return;
            }
            int bytes = CMSG_HEADER + fds.length * 4;
            ByteBuffer c = control.buffer();
            c.putLong(0, bytes).putInt(8, SOL_SOCKET).putInt(12, SCM_RIGHTS);
            for (int i = 0; i < fds.length; i++) {
                c.putInt(CMSG_HEADER + i * 4, fds[i].value());
            }
            header.buffer().putLong(CONTROL, control.address()).putLong(CONTROL_LENGTH, (bytes + 7) & ~7);
        }

        void prepareReceive(long address, long length) {
            setData(address, length);
            header.buffer().putLong(CONTROL, control.address()).putLong(CONTROL_LENGTH, CONTROL_BYTES);
        }

        void takeFds(Fd[] out) {
            ByteBuffer h = header.buffer();
            ByteBuffer c = control.buffer();
            received.truncated = (h.getInt(FLAGS) & MSG_CTRUNC) != 0;
            received.fdCount = 0;
            long length = h.getLong(CONTROL_LENGTH);
            if (length < CMSG_HEADER || c.getInt(8) != SOL_SOCKET || c.getInt(12) != SCM_RIGHTS) {
                return;
            }
            int count = (int) ((c.getLong(0) - CMSG_HEADER) / 4);
            for (int i = 0; i < count; i++) {
                Fd fd = Fd.adopt(c.getInt(CMSG_HEADER + i * 4));
                if (i < out.length) {
                    out[received.fdCount++] = fd;
                } else {
                    fd.close();
                    received.truncated = true;
                }
            }
        }

        private void setData(long address, long length) {
            iov.buffer().putLong(0, address).putLong(8, length);
            header.buffer()
                    .putLong(NAME, 0)
                    .putLong(NAME + 8, 0)
                    .putLong(IOV, iov.address())
                    .putLong(IOV_COUNT, 1)
                    .putInt(FLAGS, 0);
        }
    }
}
