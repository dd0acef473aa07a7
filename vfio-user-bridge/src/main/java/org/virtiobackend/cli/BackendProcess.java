package org.virtiobackend.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A back end in a process of its own, started from the same program. Ends with this process at the latest. */
final class BackendProcess implements AutoCloseable {
    private static final long START_SECONDS = 30;
    private static final long STOP_SECONDS = 15;
    private static final String LISTENING = "listening on ";
    private static final String WARNING = "WARN ";

    private final Process process;
    private final Thread killer;

    private BackendProcess(Process process) {
        this.process = process;
        this.killer = new Thread(process::destroyForcibly);
    }

    /**
     * Starts {@code virtio-backend} with these arguments and waits until it listens.
     *
     * @throws IOException it ended or said nothing; with what it did say
     */
    static BackendProcess start(List<String> arguments) throws IOException {
        return start(List.of(), System.getProperty("java.class.path"), arguments);
    }

    /**
     * The same by way of another program.
     *
     * @param runner a command that executes the one that follows it; may be empty
     */
    static BackendProcess start(List<String> runner, String classPath, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(runner);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED"));
        String more = System.getenv("VIRTIO_BACKEND_JAVA_OPTS");
        if (more != null && !more.isBlank()) {
            command.addAll(List.of(more.trim().split("\\s+")));
        }
        command.addAll(List.of("-cp", classPath, Main.class.getName()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        BackendProcess backend = new BackendProcess(process);
        Runtime.getRuntime().addShutdownHook(backend.killer);
        try {
            backend.awaitListening();
            return backend;
        } catch (IOException e) {
            process.destroyForcibly();
            throw e;
        }
    }

    long pid() {
        return process.pid();
    }

    /** Asks it to stop, waits, and returns its exit status. */
    int stop() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException("the back end did not stop within " + STOP_SECONDS + " s");
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
        try {
            Runtime.getRuntime().removeShutdownHook(killer);
        } catch (IllegalStateException e) {
            // the program is ending already, and the hook does the same
        }
    }

    private void awaitListening() throws IOException {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
        CompletableFuture<String> first = new CompletableFuture<>();
        Thread reader = new Thread(() -> passOn(lines, first), "backend-stderr");
        reader.setDaemon(true);
        reader.start();
        try {
            String line = first.get(START_SECONDS, TimeUnit.SECONDS);
            if (!line.startsWith(LISTENING)) {
                throw new IOException("the back end does not start: " + line);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("the back end does not start", e);
        }
    }

    /** The first line that is no mere warning goes to whoever waits; complaints among the others to stderr. */
    private static void passOn(BufferedReader lines, CompletableFuture<String> first) {
        try {
            String line;
            while ((line = lines.readLine()) != null) {
                boolean isResult = !line.startsWith(WARNING) && first.complete(line);
                if (!isResult && !line.startsWith("INFO ")) {
                    System.err.println("back end: " + line);
                }
            }
            first.complete("it ended without a word");
        } catch (IOException e) {
            first.completeExceptionally(e);
        }
    }
}
