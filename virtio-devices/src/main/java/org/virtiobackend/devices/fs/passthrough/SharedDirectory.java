package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.FileSpace;

/** A directory of the host that is shared: opened once, whatever becomes of its path. */
public final class SharedDirectory implements AutoCloseable {
    private final String path;
    private final Fd root;
    private final PassthroughOptions options;

    private SharedDirectory(String path, Fd root, PassthroughOptions options) {
        this.path = path;
        this.root = root;
        this.options = options;
    }

    /** @throws ErrnoException "shared directory PATH: reason" */
    public static SharedDirectory open(String path, PassthroughOptions options) throws ErrnoException {
        try {
            FileIo.open(path, FileIo.O_RDONLY | FileIo.O_DIRECTORY, 0).close(); // whether it can be read
            return new SharedDirectory(path, FileIo.open(path, DirectoryIo.O_PATH | FileIo.O_DIRECTORY, 0), options);
        } catch (ErrnoException e) {
            throw new ErrnoException("shared directory " + path, e.errno());
        }
    }

    public String path() {
        return path;
    }

    /** An O_PATH descriptor of it; stays this object's. */
    public Fd root() {
        return root;
    }

    /** A session for one driver; the caller closes it. */
    public PassthroughServer newServer() throws ErrnoException {
        return new PassthroughServer(root, options);
    }

    /** Makes everything durable that was written to its file system. */
    public void flush() throws ErrnoException {
        if (options.readOnly()) {
            return;
        }
        int fd = DirectoryIo.openDirectory(root.value());
        int result = fd < 0 ? fd : FileSpace.syncFileSystem(fd);
        if (fd >= 0) {
            DirectoryIo.close(fd);
        }
        if (result < 0 && result != -Errno.EROFS) {
            throw new ErrnoException("flush " + path, -result);
        }
    }

    @Override
    public void close() {
        root.close();
    }
}
