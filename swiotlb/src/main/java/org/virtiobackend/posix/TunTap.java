package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * One queue of a tap device: an interface of the host whose other end is this descriptor. Frames are read and written whole, each
 * after a header of {@link #HEADER_BYTES} bytes (struct virtio_net_hdr_v1, little-endian). Non-blocking.
 */
public final class TunTap implements AutoCloseable {
    /** Bytes of the header before each frame. */
    public static final int HEADER_BYTES = 12;
    /** Longest name of an interface. */
    public static final int NAME_MAX = 15;

    /** Offloads for {@link #setOffloads}: what the reader of the tap can cope with. */
    public static final int TUN_F_CSUM = 1;

    public static final int TUN_F_TSO4 = 2;
    public static final int TUN_F_TSO6 = 4;
    public static final int TUN_F_TSO_ECN = 8;
    public static final int TUN_F_UFO = 0x10;
    public static final int TUN_F_USO4 = 0x20;
    public static final int TUN_F_USO6 = 0x40;

    private static final String DEVICE = "/dev/net/tun";
    private static final long TUNSETIFF = 0x400454caL;
    private static final long TUNSETOFFLOAD = 0x400454d0L;
    private static final long TUNGETIFF = 0x800454d2L;
    private static final long TUNSETVNETHDRSZ = 0x400454d8L;
    private static final long TUNSETQUEUE = 0x400454d9L;
    private static final long TUNSETVNETLE = 0x400454dcL;
    private static final int IFF_TAP = 2;
    private static final int IFF_NO_PI = 0x1000;
    private static final int IFF_VNET_HDR = 0x4000;
    private static final int IFF_MULTI_QUEUE = 0x100;
    private static final int IFF_ATTACH_QUEUE = 0x200;
    private static final int IFF_DETACH_QUEUE = 0x400;
    private static final int IFREQ_BYTES = 40;
    private static final int IFREQ_FLAGS = 16;

    private final Fd fd;
    private final String name;
    private final boolean multiQueue;

    private TunTap(Fd fd, String name, boolean multiQueue) {
        this.fd = fd;
        this.name = name;
        this.multiQueue = multiQueue;
    }

    /**
     * Attaches to an interface, which is created if it does not exist and may be.
     *
     * @param name at most {@link #NAME_MAX} bytes
     * @param multiQueue whether further queues will be opened; an existing interface has to be of that kind
     * @throws ErrnoException EPERM: not allowed; EINVAL: the interface is of another kind; EBUSY: somebody else has it
     */
    public static TunTap open(String name, boolean multiQueue) throws ErrnoException {
        Fd fd = FileIo.open(DEVICE, FileIo.O_RDWR | FileIo.O_NONBLOCK, 0);
        try {
            NativeBuffer request = request(name);
            int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0);
            request.buffer().putShort(IFREQ_FLAGS, (short) flags);
            check(FileIo.control(fd, TUNSETIFF, request), "open tap " + name);
            TunTap tap = new TunTap(fd, nameIn(request), multiQueue);
            tap.setHeaderFormat();
            return tap;
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    /**
     * Takes over an inherited descriptor of a tap.
     *
     * @throws ErrnoException EINVAL: it is none, or has no header before its frames
     */
    public static TunTap adopt(Fd fd) throws ErrnoException {
        NativeBuffer request = NativeBuffer.allocate(IFREQ_BYTES);
        check(FileIo.control(fd, TUNGETIFF, request), fd + " as a tap");
        int flags = request.buffer().getShort(IFREQ_FLAGS);
        // IFF_NO_PI cannot be asked for: a tap without a filter always shows that bit (IFF_NOFILTER)
        if ((flags & IFF_TAP) == 0 || (flags & IFF_VNET_HDR) == 0) {
            throw new ErrnoException(fd + " as a tap with IFF_VNET_HDR", Errno.EINVAL);
        }
        fd.setNonBlocking();
        TunTap tap = new TunTap(fd, nameIn(request), (flags & IFF_MULTI_QUEUE) != 0);
        tap.setHeaderFormat();
        return tap;
    }

    /** Name of the interface, perhaps in another network namespace. */
    public String name() {
        return name;
    }

    /** Whether this is one queue of perhaps several. */
    public boolean isMultiQueue() {
        return multiQueue;
    }

    public Fd fd() {
        return fd;
    }

    /** Goes on with the queue of {@code other}, which is taken over, in place of one that has lost its interface; see {@link Fd#replaceWith}. */
    public void replaceWith(TunTap other) throws ErrnoException {
        fd.replaceWith(other.fd);
    }

    /** Tells the kernel what the reader of this tap copes with: TUN_F_ bits; returns 0 or a negative error number. */
    public int setOffloads(int offloads) {
        int result = LibC.ioctl(fd.value(), TUNSETOFFLOAD, offloads);
        return result < 0 ? -Errno.last() : 0;
    }

    /** Lets a queue of a multi-queue tap take part or not; returns 0 or a negative error number. */
    public int setAttached(boolean attached) {
        NativeBuffer request = NativeBuffer.allocate(IFREQ_BYTES);
        request.buffer().putShort(IFREQ_FLAGS, (short) (attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE));
        return FileIo.control(fd, TUNSETQUEUE, request);
    }

    /** Whether the interface still exists and this queue takes part. */
    public boolean isAttached() {
        return FileIo.control(fd, TUNGETIFF, NativeBuffer.allocate(IFREQ_BYTES)) >= 0;
    }

    @Override
    public void close() {
        fd.close();
    }

    private void setHeaderFormat() throws ErrnoException {
        NativeBuffer value = NativeBuffer.allocate(4);
        value.buffer().putInt(0, HEADER_BYTES);
        check(FileIo.control(fd, TUNSETVNETHDRSZ, value), "set the header size of tap " + name);
        value.buffer().putInt(0, 1);
        check(FileIo.control(fd, TUNSETVNETLE, value), "set the byte order of tap " + name);
        Reference.reachabilityFence(value);
    }

    private static NativeBuffer request(String name) throws ErrnoException {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > NAME_MAX) {
            throw new ErrnoException("interface name " + name, Errno.ENAMETOOLONG);
        }
        NativeBuffer request = NativeBuffer.allocate(IFREQ_BYTES);
        request.buffer().put(0, bytes);
        return request;
    }

    private static String nameIn(NativeBuffer request) {
        ByteBuffer bytes = request.buffer();
        int length = 0;
        while (length < NAME_MAX && bytes.get(length) != 0) {
            length++;
        }
        byte[] name = new byte[length];
        bytes.get(0, name);
        return new String(name, StandardCharsets.UTF_8);
    }

    private static void check(int result, String what) throws ErrnoException {
        if (result < 0) {
            throw new ErrnoException(what, -result);
        }
    }
}
