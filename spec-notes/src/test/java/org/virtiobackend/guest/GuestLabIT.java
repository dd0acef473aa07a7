package org.virtiobackend.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** Runs each scenario of the guest lab: a real QEMU, a stock Debian kernel, this backend. */
class GuestLabIT {
    private static final Path LAB =
            Path.of("..", "vfio-user-bridge", "guest-lab").toAbsolutePath().normalize();
    private static final int PREPARE_MINUTES = 30;
    private static final int SCENARIO_MINUTES = 25;
    private static final int TAIL_LINES = 25;
    /** Scenarios at a time: a guest that boots keeps one processor busy, the scenarios share nothing. */
    private static final int LANES = Math.min(2, Runtime.getRuntime().availableProcessors());

    private static ExecutorService lanes;

    /** Everything: a scenario that had to make what it needs would do so within its own time, the others waiting for it. */
    @BeforeAll
    @Timeout(value = PREPARE_MINUTES + 5, unit = TimeUnit.MINUTES)
    static void prepare() throws Exception {
        succeed(PREPARE_MINUTES, LAB.resolve("prepare"), "--all");
    }

    /** All start to run at once, from the end of the alphabet: the restricted ones take longest. */
    @TestFactory
    List<DynamicTest> scenarios() throws IOException {
        lanes = Executors.newFixedThreadPool(LANES);
        try (Stream<Path> files = Files.list(LAB.resolve("scenarios"))) {
            List<DynamicTest> tests = files.filter(Files::isExecutable)
                    .filter(Files::isRegularFile)
                    .sorted(Comparator.reverseOrder())
                    .map(GuestLabIT::start)
                    .toList();
            assertTrue(tests.size() >= 7, "scenarios found in " + LAB + ": " + tests.size());
            return tests;
        }
    }

    private static DynamicTest start(Path scenario) {
        Future<?> run = lanes.submit(() -> {
            succeed(SCENARIO_MINUTES, scenario);
            return null;
        });
        return DynamicTest.dynamicTest(scenario.getFileName().toString(), () -> {
            try {
                run.get();
            } catch (ExecutionException e) {
                throw e.getCause();
            }
        });
    }

    @AfterAll
    static void end() throws InterruptedException {
        if (lanes != null) {
            lanes.shutdownNow();
            // An interrupted one has its guest to stop.
            lanes.awaitTermination(1, TimeUnit.MINUTES);
        }
    }

    /** What it prints ends up in a file of its own and, when it fails, its last lines in the report: nobody has to look elsewhere. */
    private static void succeed(int minutes, Path program, String... arguments)
            throws IOException, InterruptedException {
        Path log = Files.createDirectories(Path.of("target", "guest-lab")).resolve(program.getFileName() + ".log");
        List<String> command = new ArrayList<>(List.of(arguments));
        command.add(0, program.toString());
        Process process = new ProcessBuilder(command)
                .directory(LAB.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            process.getOutputStream().close();
            if (!process.waitFor(minutes, TimeUnit.MINUTES)) {
                fail(program.getFileName() + " did not end within " + minutes + " minutes:\n" + tail(log));
            }
        } finally {
            if (process.isAlive()) {
                stop(process);
            }
        }
        assertEquals(0, process.exitValue(), () -> program.getFileName() + " failed:\n" + tail(log));
    }

    /** Also on a thread that is interrupted. */
    private static void stop(Process process) {
        process.descendants().forEach(ProcessHandle::destroy);
        process.destroy();
        try {
            process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
        } catch (CompletionException e) {
            process.destroyForcibly();
        }
    }

    private static String tail(Path log) {
        try {
            List<String> lines = new String(Files.readAllBytes(log), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
            return String.join("\n", lines.subList(Math.max(0, lines.size() - TAIL_LINES), lines.size()));
        } catch (IOException e) {
            return log + " cannot be read: " + e.getMessage();
        }
    }
}
