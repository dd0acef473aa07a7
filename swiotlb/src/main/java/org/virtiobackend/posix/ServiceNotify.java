package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;

/** Tells a service manager about this process, as sd_notify(3) describes: one datagram to a UNIX socket. */
public final class ServiceNotify {
    private static final int AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SUN_PATH_MAX = 107;

    private ServiceNotify() {}

    /**
     * @param socket value of NOTIFY_SOCKET: a path, or an abstract name after {@code @}
     * @param message such as {@code READY=1}
     */
    public static void send(String socket, String message) throws ErrnoException {
        byte[] name = socket.getBytes(StandardCharsets.UTF_8);
        if (name.length == 0 || name.length > SUN_PATH_MAX) {
            throw new ErrnoException("notify socket " + socket, Errno.ENAMETOOLONG);
        }
        boolean isAbstract = name[0] == '@';
        if (isAbstract) {
            name[0] = 0;
        }
        NativeBuffer address = NativeBuffer.allocate(2L + name.length + 1);
        address.buffer().putShort(0, (short) AF_UNIX).put(2, name);
        int length = 2 + name.length + (isAbstract ? 0 : 1);
        byte[] text = message.getBytes(StandardCharsets.UTF_8);
        NativeBuffer bytes = NativeBuffer.allocate(text.length);
        bytes.buffer().put(0, text);
        int raw = LibC.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        try (Fd fd = Fd.adopt((int) ErrnoException.check(raw, "create socket"))) {
            ErrnoException.check(LibC.connect(fd.value(), address.address(), length), "connect to " + socket);
            ErrnoException.check(LibC.write(fd.value(), bytes.address(), text.length), "notify " + socket);
        } finally {
            Reference.reachabilityFence(address);
            Reference.reachabilityFence(bytes);
        }
    }
}
