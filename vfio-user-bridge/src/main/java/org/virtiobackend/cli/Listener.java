package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executor;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.server.SessionListener;
import org.virtiobackend.vfiouser.server.VfioUserServer;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** One export on its socket, and its clients. Closing it ends their sessions, not the export. */
final class Listener implements AutoCloseable {
    private final Service service;
    private final ClientTable clients;
    private final VfioUserServer server;

    private Listener(Service service, ClientTable clients, VfioUserServer server) {
        this.service = service;
        this.clients = clients;
        this.server = server;
    }

    /**
     * Starts to accept clients.
     *
     * @param workers stay the caller's, and have to outlive the listener
     * @param starter starts the threads that serve
     * @throws BadInputException the socket cannot be had
     */
    static Listener open(Service service, WorkerPool workers, Executor starter) throws BadInputException {
        ServeOptions options = service.options();
        ClientTable clients = new ClientTable(service.export(), options, workers);
        try {
            VfioUserServer server = options.fd() == null
                    ? VfioUserServer.listen(options.socketPath(), clients, SessionListener.LOGGING, starter)
                    : VfioUserServer.adopt(inherited(options.fd()), clients, SessionListener.LOGGING, starter);
            return new Listener(service, clients, server);
        } catch (IOException e) {
            throw new BadInputException(e.getMessage());
        }
    }

    private static Fd inherited(int number) throws IOException {
        Path link = Path.of("/proc/self/fd/" + number);
        if (!Files.isSymbolicLink(link)
                || !Files.readSymbolicLink(link).toString().startsWith("socket:")) {
            throw new IOException("--fd=" + number + " is not an open socket");
        }
        return Fd.adopt(number);
    }

    Export export() {
        return service.export();
    }

    ClientTable clients() {
        return clients;
    }

    VfioUserServer server() {
        return server;
    }

    /** Where it listens, for people. */
    String address() {
        ServeOptions options = service.options();
        return options.fd() == null ? options.socketPath() : "fd " + options.fd();
    }

    @Override
    public void close() {
        server.close();
    }
}
