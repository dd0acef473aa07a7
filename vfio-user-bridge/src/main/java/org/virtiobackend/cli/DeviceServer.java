package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.ServiceNotify;
import org.virtiobackend.vfiouser.server.SessionListener;
import org.virtiobackend.vfiouser.server.VfioUserServer;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** A process that serves one export until it is asked to stop. */
final class DeviceServer {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceServer.class);

    private final Export export;
    private final ServeOptions options;
    private final WorkerPool workers;
    private final ClientTable clients;
    private final CountDownLatch stop = new CountDownLatch(1);

    /** @param export taken over */
    DeviceServer(Export export, ServeOptions options, int queues) throws IOException {
        this.export = export;
        this.options = options;
        this.workers = new WorkerPool(options.workers(queues), options.pollMicros());
        this.clients = new ClientTable(export, options, workers);
    }

    /** Serves; returns when a signal has asked for the end and everything is done and durable. */
    void run() throws BadInputException, IOException {
        Signals.handle("TERM", stop::countDown);
        Signals.handle("INT", stop::countDown);
        VfioUserServer server = listen();
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "housekeeping");
            thread.setDaemon(true);
            return thread;
        });
        try {
            Signals.handle("HUP", () -> clock.execute(export::lookAfter));
            StatsFile stats = statsFile(server);
            clock.scheduleWithFixedDelay(export::lookAfter, 1, 1, TimeUnit.SECONDS);
            if (stats != null) {
                clock.scheduleWithFixedDelay(() -> write(stats), 0, 1, TimeUnit.SECONDS);
            }
            announce();
            awaitStop();
        } finally {
            clock.shutdownNow();
            server.close();
            workers.close();
            export.flush();
            export.close();
        }
    }

    private VfioUserServer listen() throws BadInputException {
        try {
            return options.fd() == null
                    ? VfioUserServer.listen(options.socketPath(), clients, SessionListener.LOGGING)
                    : VfioUserServer.adopt(inherited(options.fd()), clients, SessionListener.LOGGING);
        } catch (IOException e) {
            workers.close();
            export.close();
            throw new BadInputException(e.getMessage());
        }
    }

    private static Fd inherited(int number) throws IOException {
        Path link = Path.of("/proc/self/fd/" + number);
        if (!java.nio.file.Files.isSymbolicLink(link)
                || !java.nio.file.Files.readSymbolicLink(link).toString().startsWith("socket:")) {
            throw new IOException("--fd=" + number + " is not an open socket");
        }
        return Fd.adopt(number);
    }

    private StatsFile statsFile(VfioUserServer server) throws IOException {
        if (options.statsFile() == null) {
            return null;
        }
        StatsFile file = new StatsFile(Path.of(options.statsFile()), export, clients, new ServerCounters(server));
        file.write();
        return file;
    }

    private static void write(StatsFile stats) {
        try {
            stats.write();
        } catch (IOException e) {
            LOG.warn("statistics: {}", e.getMessage());
        }
    }

    private void announce() {
        String where = options.fd() == null ? options.socketPath() : "fd " + options.fd();
        System.err.println("listening on " + where);
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
}
