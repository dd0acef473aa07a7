package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Row 37: a fault in a client's memory comes out of some native call afterwards, perhaps one that changes as whom the thread acts, and
 * the next request is another's. Nobody promises whether the call was made (JNA on JDK 17: it was not): the identity is the thread's
 * own again in either case.
 */
class CredentialsFaultTest {
    private static final int PAGE = 4096;

    @TempDir
    private Path directory;

    private Credentials credentials;
    private ByteBuffer memory;
    private int sum;

    private void read() {
        sum += memory.getInt(0);
    }

    /** On a thread of its own, whose identity then goes with it. */
    private void onThread(Callable<Void> test) throws Exception {
        FutureTask<Void> task = new FutureTask<>(test);
        new Thread(task, "faulty").start();
        task.get();
    }

    /** What a fault is found in: nothing of it is new to the JVM, or it would look and find it there. */
    private void step(Runnable action) {
        read();
        action.run();
    }

    /** Does something right after reading memory that is gone; {@code undo} is what follows in any case. */
    private void afterFault(Runnable action, Runnable undo) throws Exception {
        Path path = Files.createTempFile(directory, "memory", null);
        try (Fd file = FileIo.open(path.toString(), FileIo.O_RDWR, 0)) {
            FileIo.truncate(file, PAGE);
            Mapping mapping = Mapping.map(file, 0, PAGE, Mapping.PROT_READ);
            memory = mapping.window(0);
            for (int i = 0; i < 20_000; i++) { // until it is compiled
                step(action);
                undo.run();
            }
            FileIo.truncate(file, 0);
            try {
                step(action);
            } catch (InternalError expected) {
                // the point is what it leaves behind
            }
            undo.run();
            mapping.close();
        }
    }

    @Test
    void theUmaskIsSetAgain() throws Exception {
        onThread(() -> {
            credentials = new Credentials();
            afterFault(() -> credentials.umask(077), () -> credentials.umask(0));
            assertEquals(0, FileCalls.umask(0));
            return null;
        });
    }

    @Test
    void theIdentityIsItsOwnAgain() throws Exception {
        onThread(() -> {
            credentials = new Credentials();
            assumeTrue(credentials.mayChange(), "root");
            afterFault(() -> credentials.become(1234, 5678, -1), credentials::restore);
            assertEquals(0, FileCalls.setfsgid(-1), "the group");
            afterFault(() -> credentials.become(1234, 0, -1), credentials::restore);
            assertEquals(0, FileCalls.setfsuid(-1), "the user");
            afterFault(() -> credentials.loseSetId(-1, -1), credentials::restore);
            assertEquals(status("CapPrm:"), status("CapEff:"), "what it may do");
            return null;
        });
    }

    @Test
    void theGroupIsLeftAgain() throws Exception {
        onThread(() -> {
            credentials = new Credentials();
            assumeTrue(credentials.mayChange(), "root");
            afterFault(() -> credentials.become(0, 0, 4242), credentials::restore);
            assertEquals("", status("Groups:"));
            return null;
        });
    }

    /** A line of the calling thread's status. */
    private static String status(String name) throws Exception {
        return Files.readAllLines(Path.of("/proc/thread-self/status")).stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(name.length()).strip())
                .findFirst()
                .orElseThrow();
    }
}
