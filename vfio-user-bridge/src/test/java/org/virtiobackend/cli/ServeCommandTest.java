package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.virtiobackend.devices.blk.VirtioBlk.VIRTIO_BLK_S_OK;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.devices.blk.VirtioBlk;

/** Several devices in one process. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ServeCommandTest {
    private static final EmbeddedDisk.Shape SHAPE = new EmbeddedDisk.Shape(16, 4096, BufferPlace.guest, true);

    @TempDir
    private Path directory;

    private Path config(String json) throws Exception {
        String text = json.replace('\'', '"').replace("DIR/", directory + "/");
        return Files.writeString(directory.resolve("config.json"), text);
    }

    @Test
    void servesEveryDeviceOfTheFile() throws Exception {
        Path config = config("{'workers': 1, 'stats-file': 'DIR/stats', 'devices': ["
                + "{'type': 'blk', 'socket-path': 'DIR/a', 'image': 'ram:1M'},"
                + "{'type': 'blk', 'socket-path': 'DIR/b', 'image': 'ram:2M', 'read-only': true, 'queues': 2,"
                + " 'disable-feature': ['INDIRECT_DESC', 'EVENT_IDX']}]}");
        try (BackendProcess backend = BackendProcess.start(List.of("serve", "--config=" + config))) {
            try (EmbeddedDisk a = EmbeddedDisk.attach(directory.resolve("a").toString(), SHAPE);
                    EmbeddedDisk b = EmbeddedDisk.attach(directory.resolve("b").toString(), SHAPE)) {
                assertEquals(1 << 20, a.capacityBytes());
                assertEquals(2 << 20, b.capacityBytes());
                assertEquals(0, a.driver().features() & VirtioBlk.VIRTIO_BLK_F_RO);
                assertEquals(VirtioBlk.VIRTIO_BLK_F_RO, b.driver().features() & VirtioBlk.VIRTIO_BLK_F_RO);
                for (EmbeddedDisk disk : List.of(a, b)) {
                    int slot = disk.requests().acquire();
                    disk.requests().read(slot, 0, 4096);
                    assertEquals(VIRTIO_BLK_S_OK, disk.serve(slot));
                }
                JsonNode devices;
                do {
                    devices = new ObjectMapper()
                            .readTree(directory.resolve("stats").toFile())
                            .path("devices");
                } while (devices.size() < 2);
            }
            assertEquals(0, backend.stop());
        }
        assertFalse(Files.exists(directory.resolve("a")));
        assertFalse(Files.exists(directory.resolve("b")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "{'devices': []} | FILE: \"devices\" has to be an array with a device in it",
                "[] | FILE: \"devices\" has to be an array with a device in it",
                "{'devices': [{}]} | FILE: devices[0]: \"type\" has to be one of [blk], not \"\"",
                "{'devices': [{'type': 'blk'}]} | FILE: devices[0] (blk): exactly one of --socket-path and --fd is needed",
                "{'devices': [{'type': 'blk', 'socket-path': 'DIR/a', 'image': 'ram:1M', 'colour': 'red'}]} | FILE:"
                        + " devices[0] (blk): Unknown option: '--colour=red'",
                "{'devices': [{'type': 'blk', 'workers': 2}]} | FILE: devices[0] (blk): workers is not an option of one"
                        + " device here",
                "{'devices': [{'type': 'blk', 'image': {}}]} | FILE: devices[0] (blk): image has to be a string, a"
                        + " number, true, false or an array",
                "{'workers': 0, 'devices': [{'type': 'blk'}]} | FILE: workers must be 1 to 1024",
                "{'colour': 'red', 'devices': [{'type': 'blk'}]} | FILE: unknown key \"colour\"",
                "{'devices': [{'type': 'blk', 'socket-path': 'DIR/a', 'image': 'ram:1M'}, {'type': 'blk',"
                        + " 'socket-path': 'DIR/a', 'image': 'ram:1M'}]} | FILE: devices[1] (blk): socket-path DIR/a is"
                        + " another device's too",
            })
    void saysWhatIsWrongAndWhere(String json, String message) throws Exception {
        Path config = config(json);
        CommandLineRun run = CommandLineRun.of("serve", "--config=" + config);
        // further types come from later modules
        List<String> lines = run.errLines().stream()
                .map(line -> line.replaceAll("\\[blk[a-z, ]*]", "[blk]"))
                .toList();
        String expected = message.replace("FILE", config.toString()).replace("DIR/", directory + "/");
        assertEquals(List.of("virtio-backend serve: " + expected), lines);
        assertEquals(2, run.status());
        assertFalse(Files.exists(directory.resolve("a")));
    }

    @Test
    void jsonThatIsNoneIsRefusedWithItsLine() throws Exception {
        CommandLineRun run = CommandLineRun.of("serve", "--config=" + config("{\n'devices': [\n"));
        assertEquals(2, run.status());
        assertEquals(1, run.errLines().size(), run.err());
        assertEquals(true, run.err().contains("config.json line 3: "), run.err());
    }

    @Test
    void aFileThatIsNotThereIsRefused() {
        Path none = directory.resolve("none");
        CommandLineRun run = CommandLineRun.of("serve", "--config=" + none);
        assertEquals(List.of("virtio-backend serve: --config=" + none + ": no such file"), run.errLines());
        assertEquals(2, run.status());
    }
}
