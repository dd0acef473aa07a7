package org.virtiobackend.vfiouser.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;

/** A listening socket in the file system: mode 0600, in place of a stale one, never in place of a live one. */
final class SocketPath implements AutoCloseable {
    private static final int BACKLOG = 64;

    private final Path path;
    private final Fd listener;
    /** Identifies the file we made. */
    private final Object fileKey;

    private SocketPath(Path path, Fd listener, Object fileKey) {
        this.path = path;
        this.listener = listener;
        this.fileKey = fileKey;
    }

    /** @throws IOException one clear line */
    static SocketPath bind(String name) throws IOException {
        Path path = Path.of(name);
        removeStale(path);
        Fd listener = UnixSocket.listen(name, BACKLOG);
        try {
            return new SocketPath(path, listener, attributes(path).fileKey());
        } catch (IOException e) {
            listener.close();
            throw e;
        }
    }

    Fd listener() {
        return listener;
    }

    /** Stops listening and removes the file, unless somebody has put another there. */
    @Override
    public void close() {
        listener.close();
        try {
            if (attributes(path).fileKey().equals(fileKey)) {
                Files.delete(path);
            }
        } catch (IOException e) {
            // Gone already.
        }
    }

    private static void removeStale(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!attributes(path).isOther()) {
            throw new IOException("socket path " + path + " exists and is not a socket");
        }
        try {
            UnixSocket.connect(path.toString()).close();
        } catch (ErrnoException e) {
            if (e.errno() == Errno.ECONNREFUSED) {
                Files.delete(path);
                return;
            }
            throw new IOException("socket path " + path + " cannot be used: " + Errno.text(e.errno()), e);
        }
        throw new IOException("socket path " + path + " is in use by another process");
    }

    private static BasicFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }
}
