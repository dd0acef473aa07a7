package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Credentials;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIdentity;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.ProcFd;

/** What one thread needs to serve requests: memory for system calls, and its identity. Nothing of it is shared. */
public final class FsThread {
    /** The longest request that is copied whole: an extended attribute of 64 KiB and its name. */
    static final int MAX_REQUEST = (64 << 10) + 4096;
    /** The longest reply that is not file data. */
    static final int MAX_REPLY = 128 << 10;

    private static final ThreadLocal<FsThread> CURRENT = ThreadLocal.withInitial(FsThread::new);

    private final FuseRequest request = new FuseRequest(MAX_REQUEST);
    private final FuseReply reply = new FuseReply(MAX_REPLY);
    private final FileAttributes attributes = new FileAttributes();
    private final ProcFd proc = new ProcFd();
    private final Credentials credentials = ownCredentials();
    private final IoVec iov = new IoVec();
    private final NativeBuffer scratch = NativeBuffer.allocate(4096);

    private final FileIdentity identities = new FileIdentity();
    private final NativeBuffer name = NativeBuffer.allocate(FuseRequest.NAME_MAX + 1L);
    private NativeBuffer list;

    private FsThread() {}

    private static Credentials ownCredentials() {
        try {
            return new Credentials();
        } catch (ErrnoException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    /** The calling thread's. */
    public static FsThread current() {
        return CURRENT.get();
    }

    public FuseRequest request() {
        return request;
    }

    public FuseReply reply() {
        return reply;
    }

    FileAttributes attributes() {
        return attributes;
    }

    ProcFd proc() {
        return proc;
    }

    Credentials credentials() {
        return credentials;
    }

    IoVec iov() {
        return iov;
    }

    FileIdentity identities() {
        return identities;
    }

    /** A name in memory, for a system call; valid until the next call. */
    long nameOf(byte[] text) {
        name.buffer().put(0, text);
        return name.address();
    }

    /** Room for any list of extended attributes. */
    NativeBuffer list() {
        if (list == null) {
            list = NativeBuffer.allocate(64 << 10);
        }
        return list;
    }

    NativeBuffer scratch() {
        return scratch;
    }
}
