package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.ServiceNotify;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** A process that serves exports until it is asked to stop. */
final class ServerProcess implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ServerProcess.class);

    private final List<Service> services;
    private final WorkerPool workers;
    private final String statsFile;
    private final Executor starter;
    private final List<Listener> listeners = new ArrayList<>();
    private final CountDownLatch stop = new CountDownLatch(1);

    private ServerProcess(List<Service> services, WorkerPool workers, String statsFile, Executor starter) {
        this.services = List.copyOf(services);
        this.workers = workers;
        this.statsFile = statsFile;
        this.starter = starter;
    }

    /** Serves one export with the workers and the statistics its options ask for; returns as {@link #run} does. */
    static void serve(Service service) throws BadInputException, IOException {
        ServeOptions options = service.options();
        serve(List.of(service), options.workers(service.queues()), options.pollMicros(), options.statsFile());
    }

    /**
     * Serves several. The threads that do are shut in if a directory is among them and none is to be served without; sockets and
     * statistics stay with the calling thread.
     *
     * @param services taken over, at least one
     * @param statsFile null: no statistics are written
     */
    static void serve(List<Service> services, int threads, long pollMicros, String statsFile)
            throws BadInputException, IOException {
        FsSandbox sandbox;
        try {
            sandbox = FsSandbox.of(services);
        } catch (BadInputException e) {
            services.forEach(service -> service.export().close());
            throw e;
        }
        try (sandbox) {
            Executor starter = sandbox == null ? Runnable::run : sandbox;
            WorkerPool workers = startWorkers(starter, threads, pollMicros);
            try (ServerProcess process = new ServerProcess(services, workers, statsFile, starter)) {
                process.run();
            }
        }
    }

    private static WorkerPool startWorkers(Executor starter, int threads, long pollMicros) throws IOException {
        CompletableFuture<WorkerPool> workers = new CompletableFuture<>();
        starter.execute(() -> {
            try {
                workers.complete(new WorkerPool(threads, pollMicros));
            } catch (IOException e) {
                workers.completeExceptionally(e);
            }
        });
        try {
            return workers.join();
        } catch (CompletionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        }
    }

    /** Serves; returns when a signal has asked for the end and everything is done and durable. */
    private void run() throws BadInputException, IOException {
        Signals.handle("TERM", stop::countDown);
        Signals.handle("INT", stop::countDown);
        for (Service service : services) {
            listeners.add(Listener.open(service, workers, starter));
        }
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "housekeeping");
            thread.setDaemon(true);
            return thread;
        });
        try {
            Signals.handle("HUP", () -> clock.execute(this::refresh));
            clock.scheduleWithFixedDelay(this::lookAfter, 1, 1, TimeUnit.SECONDS);
            if (statsFile != null) {
                StatsFile stats = new StatsFile(Path.of(statsFile), listeners);
                stats.write();
                clock.scheduleWithFixedDelay(() -> write(stats), 0, 1, TimeUnit.SECONDS);
            }
            announce();
            awaitStop();
        } finally {
            clock.shutdownNow();
            endSessions();
        }
        for (Service service : services) {
            service.export().flush();
        }
    }

    private void lookAfter() {
        services.forEach(service -> service.export().lookAfter());
    }

    private void refresh() {
        lookAfter();
        services.forEach(service -> service.export().refresh());
    }

    private static void write(StatsFile stats) {
        try {
            stats.write();
        } catch (IOException e) {
            LOG.warn("statistics: {}", e.getMessage());
        }
    }

    private void announce() {
        listeners.forEach(listener -> System.err.println("listening on " + listener.address()));
        String socket = System.getenv("NOTIFY_SOCKET");
        if (socket != null && !socket.isEmpty()) {
            try {
                ServiceNotify.send(socket, "READY=1");
            } catch (IOException e) {
                LOG.warn("service manager not told: {}", e.getMessage());
            }
        }
    }

    private void awaitStop() {
        boolean interrupted = false;
        while (stop.getCount() > 0) {
            try {
                stop.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Devices are closed with their sessions; after this nothing uses an export. */
    private void endSessions() {
        listeners.forEach(Listener::close);
        listeners.clear();
        workers.close();
    }

    @Override
    public void close() {
        endSessions();
        services.forEach(service -> service.export().close());
    }
}
