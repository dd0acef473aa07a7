package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Where no thread can have an identity of its own nothing is shared: files would come out as somebody else's. */
@Timeout(value = 90, unit = TimeUnit.SECONDS)
class FsStartTest {
    private static final int X86_64_UNSHARE = 272;
    /** Denies one system call as a container's seccomp profile does, and executes a command. */
    private static final String DENYING = "my $f = pack('SCCL' x 4, 0x20,0,0,0, 0x15,0,1," + X86_64_UNSHARE
            + ", 6,0,0,0x50001, 6,0,0,0x7fff0000); my $p = pack('Sx6P', 4, $f);"
            + " syscall(157, 38, 1, 0, 0, 0) == 0 or die; syscall(157, 22, 2, $p) == 0 or die; exec @ARGV";

    @TempDir
    private Path directory;

    private String refusal(List<String> runner) throws Exception {
        List<String> trial = new ArrayList<>(runner);
        trial.addAll(FsUserTest.readsProgram());
        assumeTrue(FsUserTest.runs(trial), String.join(" ", runner));
        Path shared = Files.createDirectory(directory.resolve("shared"));
        List<String> arguments =
                List.of("fs", "--socket-path=" + directory.resolve("socket"), "--shared-dir=" + shared, "--tag=share");
        return assertThrows(IOException.class, () -> {
                    try (BackendProcess backend =
                            BackendProcess.start(runner, System.getProperty("java.class.path"), arguments)) {
                        backend.stop();
                    }
                })
                .getMessage();
    }

    @Test
    void refusesWhereThreadsShareTheirUmask() throws Exception {
        assumeTrue("amd64".equals(System.getProperty("os.arch")), "the number of a system call");
        String refusal = refusal(List.of("perl", "-e", DENYING, "--"));
        assertTrue(refusal.contains("unshare(CLONE_FS)"), refusal);
        assertTrue(refusal.contains("operation not permitted"), refusal);
    }

    @Test
    void refusesWhereGroupsCannotBeLeft() throws Exception {
        String refusal = refusal(List.of("unshare", "--user", "--map-root-user", "--"));
        assertTrue(refusal.contains("setgroups"), refusal);
    }
}
