package org.virtiobackend.vfiouser.server;

import static org.virtiobackend.vfiouser.server.TestServer.assertErrno;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.VfioUserClient;

/** A connected client, for the tests of one command. After each test the session must still answer. */
class CommandTest {
    TestServer server;
    VfioUserClient client;
    FakeFunction function;
    private int fdsBefore;

    @BeforeEach
    void connect(@TempDir Path directory) throws Exception {
        server = new TestServer(directory);
        client = server.client();
        function = server.function();
        client.deviceInfo();
        fdsBefore = TestServer.openFds();
    }

    @AfterEach
    void disconnect() throws IOException {
        try {
            client.deviceInfo();
        } finally {
            client.close();
            server.close();
        }
    }

    /** So many descriptors have been opened since the start of the test, and not closed. */
    void assertNewFds(int expected) {
        TestServer.awaitFds(fdsBefore + expected);
    }

    RawMessage ok(int command, byte[] payload, Fd... fds) throws IOException {
        return assertOk(client.exchange(command, payload, fds));
    }

    void invalid(int command, byte[] payload, Fd... fds) throws IOException {
        fails(Errno.EINVAL, command, payload, fds);
    }

    void fails(int errno, int command, byte[] payload, Fd... fds) throws IOException {
        assertErrno(errno, client.exchange(command, payload, fds));
    }

    /** Every payload shorter than it should be. */
    void invalidWhenShorter(int command, byte[] good) throws IOException {
        for (int length = 0; length < good.length; length++) {
            invalid(command, Bytes.cut(good, length));
        }
    }
}
