package org.virtiobackend.vfiouser.server;

import io.netty.buffer.ByteBuf;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.VersionPayload;

/** VERSION, the first command of a client. */
final class Negotiation {
    private static final byte[] OUR_TEXT = Capabilities.OURS.text();

    private final VersionPayload version = new VersionPayload();
    private int minor;

    /**
     * Reads what the client offers.
     *
     * @throws ErrnoException EINVAL when the message is malformed or the version is not ours
     */
    Capabilities read(Frame request) throws ErrnoException {
        int length = request.payloadLength();
        if (length < VersionPayload.SIZE) {
            throw new ErrnoException("VERSION of " + length + " bytes", Errno.EINVAL);
        }
        version.wrap(request.bytes(), request.payload());
        if (version.major() != Limits.VERSION_MAJOR) {
            throw new ErrnoException("VERSION " + version.major() + "." + version.minor(), Errno.EINVAL);
        }
        minor = Math.min(version.minor(), Limits.VERSION_MINOR);
        if (!VersionPayload.hasText(length)) {
            return Capabilities.DEFAULT;
        }
        if (!version.isTextTerminated(length)) {
            throw new ErrnoException("version data without its end", Errno.EINVAL);
        }
        return Capabilities.parse(version.text(length));
    }

    /** Answers a good offer. Shorter than any request with a text: QEMU has no room for more. */
    void answer(Reply reply) {
        ByteBuf out = reply.payload(VersionPayload.SIZE + OUR_TEXT.length + 1);
        version.wrap(out, reply.at()).set(Limits.VERSION_MAJOR, minor).setText(OUR_TEXT);
    }
}
