package org.virtiobackend.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Runs each scenario of the guest lab: a real QEMU, a stock Debian kernel, this backend. */
class GuestLabIT {
    private static final Path LAB =
            Path.of("..", "vfio-user-bridge", "guest-lab").toAbsolutePath().normalize();
    private static final int PREPARE_MINUTES = 15;
    private static final int SCENARIO_MINUTES = 10;

    @BeforeAll
    static void prepare() throws Exception {
        assertEquals(0, run(PREPARE_MINUTES, LAB.resolve("prepare")), "the lab could not be prepared, see above");
    }

    @TestFactory
    List<DynamicTest> scenarios() throws IOException {
        try (Stream<Path> files = Files.list(LAB.resolve("scenarios"))) {
            List<DynamicTest> tests = files.filter(Files::isExecutable)
                    .filter(Files::isRegularFile)
                    .sorted()
                    .map(file -> DynamicTest.dynamicTest(
                            file.getFileName().toString(), () -> assertEquals(0, run(SCENARIO_MINUTES, file))))
                    .toList();
            assertTrue(tests.size() >= 7, "scenarios found in " + LAB + ": " + tests.size());
            return tests;
        }
    }

    private static int run(int minutes, Path program) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(program.toString())
                .directory(LAB.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        process.getOutputStream().close();
        if (!process.waitFor(minutes, TimeUnit.MINUTES)) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
            process.waitFor(10, TimeUnit.SECONDS);
            process.destroyForcibly();
            throw new AssertionError(program.getFileName() + " did not end within " + minutes + " minutes");
        }
        return process.exitValue();
    }
}
