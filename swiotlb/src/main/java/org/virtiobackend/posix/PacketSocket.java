package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/**
 * A packet socket: sees every frame that arrives on an interface, and sends frames out of it, each after struct virtio_net_hdr of
 * {@link #HEADER_BYTES} bytes, so that checksums and segmentation can be left undone both ways. Non-blocking. Needs CAP_NET_RAW.
 */
public final class PacketSocket implements AutoCloseable {
    /** Bytes of the header before each frame, in the machine's byte order. */
    public static final int HEADER_BYTES = 10;

    private static final int AF_PACKET = 17;
    private static final int SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0x800 | 0x80000;
    private static final int SOL_PACKET = 263;
    private static final int PACKET_VNET_HDR = 15;
    private static final int PACKET_IGNORE_OUTGOING = 23;
    private static final int ETH_P_ALL_BIG_ENDIAN = 0x0300;
    private static final int ADDRESS_BYTES = 20;

    private final Fd fd;

    private PacketSocket(Fd fd) {
        this.fd = fd;
    }

    /**
     * Opens a socket on an interface of this namespace.
     *
     * @throws ErrnoException ENODEV: no such interface; EPERM: not allowed; ENOPROTOOPT: a kernel before 4.20
     */
    public static PacketSocket open(String interfaceName) throws ErrnoException {
        int index;
        try (NetInterface found = NetInterface.named(interfaceName)) {
            index = found.index();
        }
        String what = "packet socket on " + interfaceName;
        Fd fd = Fd.adopt((int) ErrnoException.check(LibC.socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0), what));
        try {
            NativeBuffer one = NativeBuffer.allocate(Integer.BYTES);
            one.buffer().putInt(0, 1);
            for (int option : new int[] {PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING}) {
                ErrnoException.check(
                        LibC.setsockopt(fd.value(), SOL_PACKET, option, one.address(), Integer.BYTES), what);
            }
            NativeBuffer address = NativeBuffer.allocate(ADDRESS_BYTES);
            ByteBuffer bytes = address.buffer();
            bytes.putShort(0, (short) AF_PACKET);
            bytes.putShort(2, (short) ETH_P_ALL_BIG_ENDIAN);
            bytes.putInt(4, index);
            ErrnoException.check(LibC.bind(fd.value(), address.address(), ADDRESS_BYTES), what);
            Reference.reachabilityFence(one);
            Reference.reachabilityFence(address);
            return new PacketSocket(fd);
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    /** Reads header and frame; returns bytes of both, 0 when none has arrived, or a negative error number. */
    public long receive(NativeBuffer target) {
        long done = FileIo.read(fd, target.address(), target.size());
        Reference.reachabilityFence(target);
        return done == -Errno.EAGAIN || done == -Errno.EINTR ? 0 : done;
    }

    /** Sends header and frame, {@code length} bytes of both; returns that or a negative error number. */
    public long send(NativeBuffer source, int length) {
        long done = FileIo.write(fd, source.address(), length);
        Reference.reachabilityFence(source);
        return done;
    }

    @Override
    public void close() {
        fd.close();
    }
}
