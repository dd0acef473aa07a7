package org.virtiobackend.cli;

import static org.virtiobackend.posix.Landlock.*;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TimeZone;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.Landlock;

/**
 * What the process can do to files once it serves: everything that its options say beneath the shared directory; its socket and
 * statistics; reading the Java installation. Holds for the calling thread and those it starts, so for all that serve.
 */
final class FsSandbox {
    private static final long READ = READ_FILE | READ_DIR;
    private static final long LOAD = READ | EXECUTE;
    private static final long CHANGE = READ
            | WRITE_FILE
            | TRUNCATE
            | REMOVE_DIR
            | REMOVE_FILE
            | MAKE_CHAR
            | MAKE_DIR
            | MAKE_REG
            | MAKE_SOCK
            | MAKE_FIFO
            | MAKE_SYM
            | REFER;
    private static final String[] SYSTEM = {"/usr/lib", "/lib", "/lib64", "/proc", "/sys"};
    private static final String[] DEVICES = {"/dev/null", "/dev/urandom", "/dev/random"};

    private FsSandbox() {}

    /**
     * Shuts the calling thread in.
     *
     * @param shared an O_PATH descriptor of the shared directory
     */
    static void enter(Fd shared, boolean readOnly, boolean deviceNodes, ServeOptions options) throws IOException {
        TimeZone.getDefault(); // reads a file that cannot be read later
        try (Landlock landlock = Landlock.create()) {
            landlock.allow(shared, readOnly ? READ : CHANGE | (deviceNodes ? MAKE_BLOCK : 0));
            allowJava(landlock);
            if (options.socketPath() != null) {
                allowParent(landlock, options.socketPath(), MAKE_SOCK | REMOVE_FILE | READ_DIR);
            }
            if (options.statsFile() != null) {
                allowParent(landlock, options.statsFile(), READ | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE);
            }
            landlock.restrict();
        }
    }

    private static void allowJava(Landlock landlock) throws ErrnoException {
        allow(landlock, System.getProperty("java.home"), LOAD);
        for (String entry : System.getProperty("java.class.path", "").split(File.pathSeparator)) {
            allow(landlock, entry, READ);
        }
        for (String path : SYSTEM) {
            allow(landlock, path, LOAD);
        }
        for (String path : DEVICES) {
            allow(landlock, path, READ_FILE);
        }
    }

    private static void allowParent(Landlock landlock, String file, long access) throws ErrnoException {
        Path parent = Path.of(file).toAbsolutePath().getParent();
        allow(landlock, parent.toString(), access);
    }

    private static void allow(Landlock landlock, String path, long access) throws ErrnoException {
        if (path.isEmpty() || !Files.exists(Path.of(path))) {
            return;
        }
        // a file takes no rights of directories
        long fitting =
                Files.isDirectory(Path.of(path)) ? access : access & (READ_FILE | WRITE_FILE | EXECUTE | TRUNCATE);
        try (Fd fd = FileIo.open(path, DirectoryIo.O_PATH, 0)) {
            landlock.allow(fd, fitting);
        }
    }
}
