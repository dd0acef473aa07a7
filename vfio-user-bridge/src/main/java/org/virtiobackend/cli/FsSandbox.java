package org.virtiobackend.cli;

import static org.virtiobackend.posix.Landlock.*;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TimeZone;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.Landlock;

/**
 * A thread that reaches no files but those beneath shared directories, with what the options say, and for reading the Java
 * installation, the system's libraries, /proc and /sys; nor do the threads that tasks start here. The others are as before: they
 * look after the socket and the statistics, and do nothing for a guest.
 */
final class FsSandbox implements Executor, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FsSandbox.class);

    /** Version of landlock that can allow renaming into another directory; before it that is EXDEV. */
    static final int RENAMES = 2;

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

    /**
     * What the threads that serve a device may do.
     *
     * @param root an O_PATH descriptor of a shared directory, which stays its owner's; null: they use open descriptors only
     * @param required rather nothing is served than without a sandbox
     */
    record Tree(Fd root, boolean readOnly, boolean deviceNodes, boolean required) {
        /** Of a disk or a network link: what it needs is open before it serves. */
        static final Tree NONE = new Tree(null, true, false, false);

        long access() {
            return readOnly ? READ : CHANGE | (deviceNodes ? MAKE_BLOCK : 0);
        }
    }

    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> new Thread(task, "shut-in"));

    private FsSandbox() {}

    /** Whether the kernel can shut in what serves a directory; where it cannot, the log says that it is served all the same. */
    static boolean isPossibleFor(String directory) {
        boolean possible = Landlock.version() >= RENAMES;
        if (!possible) {
            LOG.warn(
                    "{}: served without a sandbox, as this kernel has no landlock that will do (Linux 5.19);"
                            + " --sandbox=landlock refuses that, --sandbox=none is silent",
                    directory);
        }
        return possible;
    }

    /**
     * The sandbox for all that a process serves, or null: no directory is shared, or one is to be served without.
     *
     * @throws BadInputException it is required and cannot be had
     */
    static FsSandbox of(List<Service> services) throws BadInputException {
        List<Tree> trees = services.stream()
                .map(Service::tree)
                .filter(tree -> tree != null && tree.root() != null)
                .toList();
        boolean required = trees.stream().anyMatch(Tree::required);
        if (services.stream().anyMatch(service -> service.tree() == null)) {
            if (required) {
                throw new BadInputException(
                        "--sandbox=landlock: not in one process with a directory that is served without a sandbox");
            }
            return null;
        }
        if (trees.isEmpty()) {
            return null;
        }
        try {
            return enter(trees);
        } catch (IOException e) {
            throw new BadInputException("--sandbox=" + (required ? "landlock" : "auto") + ": " + e.getMessage());
        }
    }

    /**
     * Starts the thread and shuts it in, for good.
     *
     * @throws IOException the kernel refuses
     */
    static FsSandbox enter(List<Tree> trees) throws IOException {
        TimeZone.getDefault(); // reads a file that cannot be read later
        FsSandbox sandbox = new FsSandbox();
        try {
            sandbox.run(() -> {
                restrict(trees);
                return null;
            });
            return sandbox;
        } catch (ExecutionException e) {
            sandbox.close();
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }

    private static void restrict(List<Tree> trees) throws ErrnoException {
        try (Landlock landlock = Landlock.create()) {
            for (Tree tree : trees) {
                landlock.allow(tree.root(), tree.access());
            }
            allowJava(landlock);
            landlock.restrict();
        }
    }

    /** Runs something on the thread and waits for its end. */
    @Override
    public void execute(Runnable task) {
        try {
            run(Executors.callable(task));
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    private void run(Callable<?> task) throws ExecutionException {
        boolean interrupted = false;
        Future<?> done = thread.submit(task);
        while (true) {
            try {
                done.get();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        thread.shutdown();
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
