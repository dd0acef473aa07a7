package org.virtiobackend.vfiouser.socket;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import java.io.IOException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;

/** Sends more descriptors in one message than {@link UnixSocket} would: what only a hostile client does. */
final class FdFlood {
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int CMSG_HEADER = 16;

    private FdFlood() {}

    static void send(UnixSocket socket, byte[] bytes, Fd fd, int times) throws IOException {
        Memory data = new Memory(bytes.length);
        data.write(0, bytes, 0, bytes.length);
        Memory iov = new Memory(16);
        iov.setPointer(0, data);
        iov.setLong(8, bytes.length);
        Memory control = new Memory(CMSG_HEADER + (times * 4L + 7 & ~7));
        control.setLong(0, CMSG_HEADER + times * 4L);
        control.setInt(8, SOL_SOCKET);
        control.setInt(12, SCM_RIGHTS);
        for (int i = 0; i < times; i++) {
            control.setInt(CMSG_HEADER + i * 4L, fd.value());
        }
        Memory message = new Memory(56);
        message.clear();
        message.setPointer(16, iov);
        message.setLong(24, 1);
        message.setPointer(32, control);
        message.setLong(40, control.size());
        Function sendmsg = NativeLibrary.getInstance("c").getFunction("sendmsg");
        if (sendmsg.invokeInt(new Object[] {socket.fd().value(), message, 0}) != bytes.length) {
            throw new IOException("sendmsg failed");
        }
    }
}
