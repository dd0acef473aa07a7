package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.vfiouser.server.TestServer.assertErrno;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;
import org.virtiobackend.vfiouser.wire.VersionPayload;

@Timeout(60)
class VersionTest {
    private TestServer server;
    private RawConnection client;

    @BeforeEach
    void start(@TempDir Path directory) throws IOException {
        server = new TestServer(directory);
        client = server.raw();
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"capabilities\":{}}",
                "{\"capabilities\":{\"unheard_of\":[1]}}",
                "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,"
                        + "\"pgsizes\":4096,\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":268435456},"
                        + "\"write_multiple\":true,\"twin_socket\":{\"supported\":true}}}"
            })
    void acceptsGoodText(String json) throws IOException {
        checkAnswer(assertOk(offer(0, 1, json + "\0")), 1);
    }

    @Test
    void acceptsNoText() throws IOException {
        checkAnswer(assertOk(offer(0, 1, "")), 1);
    }

    @Test
    void answersTheLowerMinorVersion() throws IOException {
        checkAnswer(assertOk(offer(0, 0, "{}\0")), 0);
    }

    @Test
    void answersItsOwnMinorVersionToNewerOnes() throws IOException {
        checkAnswer(assertOk(offer(0, 7, "{}\0")), 1);
    }

    @Test
    void answerFitsIntoTheRequestOfQemu() throws IOException {
        RawMessage reply = assertOk(offer(0, 0, "{}\0"));
        int size = MessageHeader.SIZE + reply.payload().length;
        assertTrue(size <= 200, () -> "reply of " + size + " bytes");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}", // no NUL
                "\0",
                "{\0",
                "{} {}\0",
                "[]\0",
                "nonsense\0",
                "{\"capabilities\":[]}\0",
                "{\"capabilities\":7}\0",
                "{\"capabilities\":null}\0",
                "{\"capabilities\":{\"migration\":3}}\0",
                "{\"capabilities\":{\"migration\":{\"pgsize\":\"4096\"}}}\0",
                "{\"capabilities\":{\"migration\":{\"pgsize\":8192}}}\0",
                "{\"capabilities\":{\"max_msg_fds\":\"8\"}}\0",
                "{\"capabilities\":{\"max_msg_fds\":-1}}\0",
                "{\"capabilities\":{\"max_msg_fds\":1025}}\0",
                "{\"capabilities\":{\"max_msg_fds\":1.5}}\0",
                "{\"capabilities\":{\"max_msg_fds\":99999999999999999999}}\0",
                "{\"capabilities\":{\"max_data_xfer_size\":0}}\0",
                "{\"capabilities\":{\"max_data_xfer_size\":\"all\"}}\0",
                "{\"capabilities\":{\"pgsizes\":false}}\0"
            })
    void refusesBadText(String text) throws IOException {
        assertErrno(Errno.EINVAL, offer(0, 1, text));
        checkAnswer(assertOk(offer(0, 1, "{}\0")), 1);
    }

    @Test
    void refusesDeeplyNestedText() throws IOException {
        assertErrno(Errno.EINVAL, offer(0, 1, "[".repeat(500_000) + "\0"));
    }

    @Test
    void refusesOtherMajorVersion() throws IOException {
        assertErrno(Errno.EINVAL, offer(999, 0, "{}\0"));
    }

    @Test
    void refusesShortPayload() throws IOException {
        for (int length = 0; length < VersionPayload.SIZE; length++) {
            assertErrno(Errno.EINVAL, exchange(Command.VERSION, new byte[length]));
        }
    }

    @Test
    void refusesEverythingElseBeforeIt() throws IOException {
        for (int command = 0; command < 128; command++) {
            if (command != Command.VERSION) {
                assertErrno(Errno.EINVAL, exchange(command, new byte[32]));
            }
        }
        checkAnswer(assertOk(offer(0, 1, "{}\0")), 1);
    }

    @Test
    void refusesASecondOne() throws IOException {
        assertOk(offer(0, 1, "{}\0"));
        assertErrno(Errno.EINVAL, offer(0, 1, "{}\0"));
        assertOk(exchange(Command.DEVICE_GET_INFO, Bytes.of().u32(16, 0, 0, 0).get()));
    }

    private void checkAnswer(RawMessage reply, int minor) throws IOException {
        int length = reply.payload().length;
        ByteBuf bytes = reply.bytes();
        VersionPayload version = new VersionPayload().wrap(bytes, 0);
        assertEquals(0, version.major());
        assertEquals(minor, version.minor());
        assertTrue(version.isTextTerminated(length));
        assertEquals(Capabilities.OURS, Capabilities.parse(version.text(length)));
        assertTrue(reply.fds().isEmpty());
    }

    private RawMessage offer(int major, int minor, String text) throws IOException {
        byte[] json = text.getBytes(StandardCharsets.UTF_8);
        return exchange(
                Command.VERSION, Bytes.of().u16(major).u16(minor).raw(json).get());
    }

    private RawMessage exchange(int command, byte[] payload) throws IOException {
        client.send(RawMessage.command(7, command, payload));
        RawMessage reply = client.receive();
        assertEquals(7, reply.id());
        assertEquals(command, reply.command());
        return reply;
    }
}
