package org.virtiobackend.vfiouser.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.virtiobackend.posix.Fd;

/** What a descriptor must be that a client wants signalled: a write to anything else could block a worker. */
final class ClientEventFd {
    private static final String EVENTFD = "anon_inode:[eventfd]";

    private ClientEventFd() {}

    /** Whether it is an eventfd, which from now on nobody blocks on. */
    static boolean accept(Fd fd) {
        try {
            if (!isEventFd(fd)) {
                return false;
            }
            // A client may have left its counter full.
            fd.setNonBlocking();
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isEventFd(Fd fd) throws IOException {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd.value()))
                    .toString()
                    .equals(EVENTFD);
        } catch (NoSuchFileException e) {
            // No /proc here: take its word.
            return true;
        }
    }
}
