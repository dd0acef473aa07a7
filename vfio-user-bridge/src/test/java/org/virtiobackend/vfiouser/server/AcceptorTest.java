package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.socket.SocketPair;

@Timeout(60)
class AcceptorTest {
    @TempDir
    private Path directory;

    @Test
    void goesOnWhateverKeptItFromTakingAClient() throws Exception {
        String path = directory.resolve("socket").toString();
        ArrayDeque<Supplier<Error>> obstacles = new ArrayDeque<>(List.of(
                () -> new OutOfMemoryError("unable to create native thread, on purpose"),
                () -> new NoClassDefFoundError("on purpose")));
        int refused = obstacles.size();
        BlockingQueue<UnixSocket> welcome = new LinkedBlockingQueue<>();
        try (Fd listener = UnixSocket.listen(path, 8)) {
            listener.setNonBlocking();
            Acceptor acceptor = new Acceptor(
                    listener,
                    socket -> {
                        Supplier<Error> obstacle = obstacles.poll();
                        if (obstacle != null) {
                            throw obstacle.get();
                        }
                        welcome.add(socket);
                    },
                    () -> {});
            acceptor.start();
            for (int i = 0; i < refused; i++) {
                try (RawConnection client = RawConnection.connect(path, TestServer.WAIT_MILLIS)) {
                    assertNull(client.receive(), "its socket is closed");
                }
            }
            try (UnixSocket client = UnixSocket.connect(path);
                    UnixSocket served = welcome.take()) {
                SocketPair.send(client, new byte[] {7});
                NativeBuffer arrived = NativeBuffer.allocate(1);
                assertEquals(1, served.receive(arrived.address(), 1, new Fd[0]).bytes());
                assertEquals(7, arrived.buffer().get(0));
            }
            acceptor.close();
        }
    }
}
