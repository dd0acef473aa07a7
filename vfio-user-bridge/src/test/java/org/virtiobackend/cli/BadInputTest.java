package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.devices.blk.backend.RawFileBackend;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;

/** Whatever is wrong with a command line: exit status 2, one line that says what, and nothing left behind. */
@Timeout(60) // what is not refused would be served
class BadInputTest {
    @TempDir
    private Path directory;

    private Path socket;
    private Path image;

    @BeforeEach
    void files() throws Exception {
        socket = directory.resolve("s");
        image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Files.write(directory.resolve("odd.img"), new byte[1000]);
        Files.write(directory.resolve("five.img"), new byte[5 * 512]);
        Files.createFile(directory.resolve("empty.img"));
    }

    private void refuses(String message, String... arguments) {
        CommandLineRun run = CommandLineRun.of(arguments);
        assertEquals(List.of(message.replaceAll("\\bDIR\\b", directory.toString())), run.errLines());
        assertEquals(2, run.status());
        assertEquals("", run.out());
        assertFalse(Files.exists(socket));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "--image=DIR/none.img     | image DIR/none.img: no such file or directory",
                "--image=DIR              | image DIR: is a directory",
                "--image=DIR/odd.img      | image DIR/odd.img: size 1000 is not a multiple of 512 bytes",
                "--image=DIR/empty.img    | image DIR/empty.img: is empty",
                "--image=/dev/null        | image /dev/null: is neither a regular file nor a block device",
                "--image=DIR/five.img --block-size=4096 | image DIR/five.img: size 2560 is not a multiple of the block"
                        + " size 4096",
                "--image=ram:             | --image: '' is not a size such as 512, 64K, 10M or 2G",
                "--image=ram:1X           | --image: '1X' is not a size such as 512, 64K, 10M or 2G",
                "--image=ram:-1           | --image: '-1' is not a size such as 512, 64K, 10M or 2G",
                "--image=ram:100          | image ram:100: size is not a positive multiple of 512 bytes",
                "--image=ram:0            | image ram:0: size is not a positive multiple of 512 bytes",
                "--image=ram:1M --block-size=1024       | block size must be 512 or 4096",
                "--image=ram:1M --queues=0              | queues must be 1 to 64",
                "--image=ram:1M --queues=65             | queues must be 1 to 64",
                "--image=ram:1M --queue-size=100        | queue size must be a power of two from 4 to 32768",
                "--image=ram:1M --queue-size=65536      | queue size must be a power of two from 4 to 32768",
                "--image=ram:1M --serial=123456789012345678901 | serial must be at most 20 printable ASCII characters",
                "--image=ram:1M --workers=0             | --workers must be 1 to 1024",
                "--image=ram:1M --io-threads=0          | --io-threads must be 1 to 1024",
                "--image=ram:1M --max-clients=0         | --max-clients must be 1 to 256",
                "--image=ram:1M --region-size=100M      | --region-size must be a power of two of at least 64K",
                "--image=ram:1M --disable-feature=NONSENSE | --disable-feature: there is no feature NONSENSE; there are SWIOTLB"
                        + " INDIRECT_DESC EVENT_IDX VERSION_1 ACCESS_PLATFORM RING_PACKED IN_ORDER ORDER_PLATFORM"
                        + " NOTIFICATION_DATA NOTIF_CONFIG_DATA RING_RESET ADMIN_VQ SUSPEND DMB SIZE_MAX SEG_MAX"
                        + " GEOMETRY RO BLK_SIZE FLUSH TOPOLOGY CONFIG_WCE MQ DISCARD WRITE_ZEROES LIFETIME"
                        + " SECURE_ERASE ZONED",
                "--image=ram:1M --enable-feature=DISCARD | --enable-feature: DISCARD is not one of ALL INDIRECT_DESC"
                        + " EVENT_IDX ACCESS_PLATFORM RING_PACKED IN_ORDER ORDER_PLATFORM NOTIFICATION_DATA"
                        + " NOTIF_CONFIG_DATA RING_RESET SUSPEND",
                "--image=ram:1M --dma-policy=restricted --disable-feature=DMB,SWIOTLB | --disable-feature: without"
                        + " SWIOTLB and DMB no driver could use a device with --dma-policy=restricted",
                "--image=ram:1M --dma-policy=prefer --disable-feature=ACCESS_PLATFORM | --disable-feature: DMB needs"
                        + " ACCESS_PLATFORM; disable DMB as well",
                "--image=ram:1M --notify-multiplier=3 | --notify-multiplier: notify multiplier 3, expected 0 or a power"
                        + " of two from 2 on",
                "--image=ram:1M --notify-multiplier=2 --enable-feature=NOTIFICATION_DATA | --notify-multiplier: notify"
                        + " multiplier 2, expected 0 or a power of two from 4 on",
                "--image=ram:1M --queues=16 --notify-multiplier=33554432 | --notify-multiplier: 16 queues, 33554432"
                        + " bytes between their notifications: more than 268435456 bytes",
                "--image=ram:1M --msix-vectors=0 | --msix-vectors must be 1 to 2048",
                "--image=ram:1M --disable-feature=VERSION_1 | --disable-feature: VERSION_1 cannot be switched off",
                "--image=ram:1M --dma-policy=direct --region-size=64M | --region-size has no meaning with"
                        + " --dma-policy=direct",
                "--image=ram:1M --stats-file=DIR/none/stats | --stats-file=DIR/none/stats is not in a"
                        + " directory that can be written to",
                "--image=ram:1M --fd=3 | exactly one of --socket-path and --fd is needed",
            })
    void blkSaysWhatIsWrong(String arguments, String message) {
        List<String> line = new ArrayList<>(List.of("blk", "--socket-path=" + socket, "--image-format=raw"));
        line.addAll(
                List.of(arguments.replaceAll("\\bDIR\\b", directory.toString()).split(" ")));
        refuses("virtio-backend blk: " + message, line.toArray(String[]::new));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "--shared-dir=DIR/none | shared directory DIR/none: no such file or directory",
                "--shared-dir=DIR/disk.img | shared directory DIR/disk.img: not a directory",
                "--tag= --shared-dir=DIR | the tag is empty",
                "--tag=0123456789012345678901234567890123456 --shared-dir=DIR | the tag has 37 bytes, 36 is the most",
                "--shared-dir=DIR --queues=0 | queues must be 1 to 64",
                "--shared-dir=DIR --queues=65 | queues must be 1 to 64",
                "--shared-dir=DIR --queue-size=4 | queue size must be a power of two from 8 to 32768",
                "--shared-dir=DIR --io-threads=0 | --io-threads must be 1 to 1024",
                "--shared-dir=DIR --max-clients=0 | --max-clients must be 1 to 256",
                "--shared-dir=DIR --xattr-prefix=system. | --xattr-prefix: a prefix of extended attributes starts with"
                        + " user. or trusted. and has at most 64 bytes",
                "--shared-dir=DIR --flock-wait=-1 | --flock-wait must be 0 or more",
                "--shared-dir=DIR --posix-acl --translate-gid=map:0:1:1 | --posix-acl does not go with --xattrmap,"
                        + " --xattr-prefix, --translate-uid or --translate-gid: the lists name the host's ids",
                "--shared-dir=DIR --xattrmap=:ok:all::: --xattr-prefix=user.x. | --xattr-prefix=P is --xattrmap=:map::P:;"
                        + " only one of them",
                "--shared-dir=DIR --xattrmap=:ok:all: | --xattrmap: ':ok:all:' is not :TYPE:SCOPE:KEY:PREPEND: or"
                        + " :map:KEY:PREPEND:",
                "--shared-dir=DIR --xattrmap=:fine:all::: | --xattrmap: ':fine:all:::': the type is prefix, ok, bad,"
                        + " unsupported or map",
                "--shared-dir=DIR --xattrmap=:ok:some::: | --xattrmap: ':ok:some:::': the scope is client, server or all",
                "--shared-dir=DIR --xattrmap=:prefix:all::user.x.: | --xattrmap: the rules leave names open: end with"
                        + " :ok:all::: or :bad:all:::",
                "--shared-dir=DIR --xattrmap=:map::user.x.::ok:all::: | --xattrmap: ':map::user.x.:' has to be the last"
                        + " rule",
                "--shared-dir=DIR --cache=some | Invalid value for option '--cache': expected one of [none, never, auto,"
                        + " always] (case-insensitive) but was 'some' (see virtio-backend fs --help)",
                "--shared-dir=DIR --sandbox=chroot | Invalid value for option '--sandbox': expected one of [auto,"
                        + " landlock, none] (case-insensitive) but was 'chroot' (see virtio-backend fs --help)",
                "--tag=t | --shared-dir is needed",
                "--shared-dir=DIR --fd=3 | exactly one of --socket-path and --fd is needed",
            })
    void fsSaysWhatIsWrong(String arguments, String message) {
        List<String> line = new ArrayList<>(List.of("fs", "--socket-path=" + socket));
        line.addAll(List.of(arguments.replace("DIR", directory.toString()).split(" ")));
        if (!arguments.contains("--tag")) {
            line.add("--tag=share");
        }
        refuses("virtio-backend fs: " + message, line.toArray(String[]::new));
    }

    @Test
    void fsSaysHowIdsAreTranslated() {
        refuses(
                "virtio-backend fs: --translate-uid: 'map:0:1' is not guest|host|map|squash-guest|squash-host:FROM:TO:COUNT"
                        + " or forbid-guest:FROM:COUNT with ids below 2^32",
                "fs",
                "--socket-path=" + socket,
                "--shared-dir=" + directory,
                "--tag=share",
                "--translate-uid=map:0:1");
    }

    @Test
    void fsNeedsATag() {
        refuses("virtio-backend fs: --tag is needed", "fs", "--socket-path=" + socket, "--shared-dir=" + directory);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "nonsense                | virtio-backend: Unmatched argument at index 0: 'nonsense'",
                "--nonsense              | virtio-backend: Unknown option: '--nonsense'",
                "blk --nonsense          | virtio-backend blk: Unknown option: '--nonsense'",
                "blk extra               | virtio-backend blk: Unmatched argument at index 1: 'extra'",
                "blk --queues=many       | virtio-backend blk: Invalid value for option '--queues': 'many' is not an"
                        + " int",
                "blk --image-format=qcow2 | virtio-backend blk: Invalid value for option '--image-format': expected"
                        + " one of [raw] (case-insensitive) but was 'qcow2'",
                "blk --poll-us=soon      | virtio-backend blk: Invalid value for option '--poll-us': 'soon' is neither"
                        + " microseconds nor 'always' nor 'adaptive'",
                "blk --poll-us=-1        | virtio-backend blk: Invalid value for option '--poll-us': '-1' is neither"
                        + " microseconds nor 'always' nor 'adaptive'",
                "blk --region-size=big   | virtio-backend blk: Invalid value for option '--region-size': 'big' is not"
                        + " a size such as 512, 64K, 10M or 2G",
                "blk --vendor-data=12 | virtio-backend blk: Invalid value for option '--vendor-data': '12' is not"
                        + " VENDOR:BYTES, both hexadecimal, such as 1b36:0102",
                "blk --vendor-data=1af4:12 | virtio-backend blk: Invalid value for option '--vendor-data': '1af4:12':"
                        + " vendor id 0x1af4 of vendor data",
                "blk --image=a --image=b | virtio-backend blk: option '--image' (FILE) should be specified only once",
                "blk --log-level=loud    | virtio-backend blk: Invalid value for option '--log-level': expected one of"
                        + " [error, warn, info, debug] (case-insensitive) but was 'loud'",
            })
    void theCommandLineIsChecked(String arguments, String message) {
        String command = message.substring(0, message.indexOf(':'));
        refuses(message + " (see " + command + " --help)", arguments.split(" "));
    }

    @Test
    void aCommandIsNeeded() {
        refuses("virtio-backend: a command is missing (see virtio-backend --help)");
    }

    @Test
    void blkNeedsItsOptions() {
        refuses("virtio-backend blk: exactly one of --socket-path and --fd is needed", "blk", "--image=ram:1M");
        refuses("virtio-backend blk: --image is needed", "blk", "--socket-path=" + socket);
        refuses(
                "virtio-backend blk: --image-format is needed: a format is never guessed from an image's content",
                "blk",
                "--socket-path=" + socket,
                "--image=" + image);
        refuses("virtio-backend blk: --fd=-1 is not a descriptor", "blk", "--fd=-1", "--image=ram:1M");
        refuses("virtio-backend blk: --fd=1000 is not an open socket", "blk", "--fd=1000", "--image=ram:1M");
    }

    @Test
    void aRegionThatIsTooSmallIsRefusedWithTheFormula() {
        CommandLineRun run =
                CommandLineRun.of("blk", "--socket-path=" + socket, "--image=ram:1M", "--region-size=256K");
        assertEquals(2, run.status());
        assertEquals(1, run.errLines().size());
        assertTrue(run.err().contains("4210688 bytes = page + page * sum over queues of"), run.err());
        assertTrue(run.err().contains("at least 8388608"), run.err());
    }

    @Test
    void aSocketPathInUseIsRefused() throws Exception {
        Path busy = directory.resolve("busy");
        try (Fd listener = UnixSocket.listen(busy.toString(), 1)) {
            assertTrue(listener.isOpen());
            refuses(
                    "virtio-backend blk: socket path DIR/busy is in use by another process",
                    "blk",
                    "--socket-path=" + busy,
                    "--image=ram:1M");
        }
    }

    @Test
    void aSocketPathThatIsAFileIsRefused() {
        refuses(
                "virtio-backend blk: socket path DIR/disk.img exists and is not a socket",
                "blk",
                "--socket-path=" + image,
                "--image=ram:1M");
        assertTrue(Files.isRegularFile(image));
    }

    @Test
    void aSocketPathThatCannotBeIsRefused() {
        String path = directory.resolve("none").resolve("s").toString();
        CommandLineRun run = CommandLineRun.of("blk", "--socket-path=" + path, "--image=ram:1M");
        assertEquals(2, run.status());
        assertEquals(List.of("virtio-backend blk: bind " + path + ": no such file or directory"), run.errLines());
    }

    @Test
    void anImageInUseIsRefused() throws Exception {
        RawFileBackend.Options options = new RawFileBackend.Options(false, false, true, 512);
        try (var user = RawFileBackend.open(image.toString(), options)) {
            assertEquals(1 << 20, user.sizeBytes());
            refuses(
                    "virtio-backend blk: image DIR/disk.img: is in use by another process"
                            + " (--locking=off to serve it all the same)",
                    "blk",
                    "--socket-path=" + socket,
                    "--image=" + image,
                    "--image-format=raw");
        }
    }

    @Test
    void benchIsChecked() {
        refuses("virtio-backend bench: --load: there is no fast", "bench", "--load=fast");
        refuses("virtio-backend bench: --seconds must be at least 1, --warm-up at least 0", "bench", "--seconds=0");
        CommandLineRun run = CommandLineRun.of("bench", "--socket-path=" + socket);
        assertEquals(1, run.status());
        assertEquals(1, run.errLines().size());
    }

    @Test
    void capabilitiesAndHelpNeedNothing() {
        CommandLineRun run = CommandLineRun.of("blk", "--print-capabilities");
        assertEquals(0, run.status());
        assertEquals("{\"type\": \"block\", \"features\": [\"read-only\", \"blk-file\"]}\n", run.out());
        assertEquals("", run.err());
        for (String[] line : new String[][] {{"--help"}, {"--version"}, {"blk", "--help"}, {"demo", "--help"}}) {
            CommandLineRun help = CommandLineRun.of(line);
            assertEquals(0, help.status());
            assertEquals("", help.err());
            assertFalse(help.out().isBlank());
        }
    }
}
