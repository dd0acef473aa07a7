package org.virtiobackend.vfiouser.client;

import java.io.IOException;
import java.nio.file.Path;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;
import org.virtiobackend.vfiouser.socket.SocketPair;
import org.virtiobackend.vfiouser.wire.Command;

/** A server that answers as it is told: wrongly, late, or not at all. */
final class ScriptedServer implements AutoCloseable {
    /** What to send for a request; null for nothing. */
    interface Script {
        byte[] answer(RawMessage request) throws IOException;
    }

    final String path;
    private final Fd listener;
    private final Thread thread;
    private volatile UnixSocket socket;

    ScriptedServer(Path directory, Script script) throws IOException {
        path = directory.resolve("scripted.sock").toString();
        listener = UnixSocket.listen(path, 1);
        thread = new Thread(() -> serve(script));
        thread.start();
    }

    /** A good answer to VERSION, everything else by the script. */
    static Script afterVersion(Script rest) {
        return request -> request.command() == Command.VERSION
                ? RawMessage.encode(request.id(), Command.VERSION, 1, 0, new byte[4])
                : rest.answer(request);
    }

    static byte[] good(RawMessage request, byte[] payload) {
        return RawMessage.encode(request.id(), request.command(), 1, 0, payload);
    }

    void disconnect() {
        socket.shutdown();
    }

    @Override
    public void close() {
        if (socket != null) {
            socket.shutdown();
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        listener.close();
    }

    private void serve(Script script) {
        try (UnixSocket accepted = UnixSocket.accept(listener)) {
            socket = accepted;
            MessageReader reader = new MessageReader(accepted);
            Frame frame = new Frame();
            while (true) {
                while (!reader.take(frame)) {
                    if (reader.receive(true) == MessageReader.Input.END) {
                        return;
                    }
                }
                byte[] answer = script.answer(RawMessage.of(frame));
                if (answer != null) {
                    SocketPair.send(accepted, answer);
                }
            }
        } catch (IOException e) {
            // The client has gone.
        }
    }
}
