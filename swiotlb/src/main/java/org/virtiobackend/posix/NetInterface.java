package org.virtiobackend.posix;

import java.nio.charset.StandardCharsets;

/** Looks at a network interface of the namespace in which this object was made. One thread at a time. */
public final class NetInterface implements AutoCloseable {
    private static final int AF_INET = 2;
    private static final int SOCK_DGRAM_CLOEXEC = 0x80002;
    private static final long SIOCGIFFLAGS = 0x8913L;
    private static final long SIOCSIFFLAGS = 0x8914L;
    private static final long SIOCGIFMTU = 0x8921L;
    private static final long SIOCGIFINDEX = 0x8933L;
    private static final int IFREQ_BYTES = 40;
    private static final int IFREQ_FLAGS = 16;
    private static final int IFF_UP = 1;
    private static final int IFF_RUNNING = 0x40;

    private final Fd socket;
    private final NativeBuffer request = NativeBuffer.allocate(IFREQ_BYTES);

    private NetInterface(Fd socket) {
        this.socket = socket;
    }

    /** @param name at most {@link TunTap#NAME_MAX} bytes; the interface need not exist */
    public static NetInterface named(String name) throws ErrnoException {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > TunTap.NAME_MAX) {
            throw new ErrnoException("interface name " + name, Errno.ENAMETOOLONG);
        }
        int raw = LibC.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
        NetInterface found = new NetInterface(Fd.adopt((int) ErrnoException.check(raw, "create socket")));
        found.request.buffer().put(0, bytes);
        return found;
    }

    public boolean exists() {
        return flags() >= 0;
    }

    /** Whether it is up and has a carrier. */
    public boolean isRunning() {
        int flags = flags();
        return flags >= 0 && (flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
    }

    /** The kernel's number of the interface. */
    public int index() throws ErrnoException {
        return number(SIOCGIFINDEX);
    }

    /** Longest packet that the kernel sends on it, without the Ethernet header. */
    public int mtu() throws ErrnoException {
        return number(SIOCGIFMTU);
    }

    private int number(long what) throws ErrnoException {
        int result = FileIo.control(socket, what, request);
        if (result < 0) {
            throw new ErrnoException("look at the interface", -result);
        }
        return request.buffer().getInt(IFREQ_FLAGS);
    }

    public void setUp() throws ErrnoException {
        int flags = flags();
        request.buffer().putShort(IFREQ_FLAGS, (short) (flags | IFF_UP));
        int result = FileIo.control(socket, SIOCSIFFLAGS, request);
        if (flags < 0 || result < 0) {
            throw new ErrnoException("bring the interface up", flags < 0 ? -flags : -result);
        }
    }

    @Override
    public void close() {
        socket.close();
    }

    private int flags() {
        int result = FileIo.control(socket, SIOCGIFFLAGS, request);
        return result < 0 ? result : request.buffer().getShort(IFREQ_FLAGS) & 0xffff;
    }
}
