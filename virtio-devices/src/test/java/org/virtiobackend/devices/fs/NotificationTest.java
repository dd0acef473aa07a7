package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseNotify.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.passthrough.CachePolicy;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.DirectoryChanges;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;

/** A driver with a notification queue hears of what others change on the host (virtio 1.4 5.11.6.3). */
class NotificationTest {
    private static final PassthroughOptions CACHED =
            PassthroughOptions.defaults().withCache(CachePolicy.ALWAYS, false);
    private static final int BUFFERS = 16;

    @TempDir
    private Path root;

    private FsFixture fs;

    @BeforeEach
    void start() throws Exception {
        try {
            DirectoryChanges.open().close();
        } catch (ErrnoException e) {
            abort(e.getMessage());
        }
        FileIdentityTest.assumeIdentities(root);
        Files.createDirectory(root.resolve("d"));
        Files.writeString(root.resolve("f"), "content");
    }

    @AfterEach
    void stop() {
        if (fs != null) {
            fs.close();
        }
    }

    private void serve(Notifications offer, boolean accept) throws Exception {
        fs = new FsFixture(root, CACHED, 1, offer, accept);
    }

    /** The same by another process: the device's own changes are its driver's, and this test is in its process. */
    private void host(String script) throws Exception {
        Process process = new ProcessBuilder("sh", "-ec", script)
                .directory(root.toFile())
                .inheritIO()
                .start();
        assertEquals(0, process.waitFor());
    }

    private FuseAnswer heard() {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        FuseAnswer message;
        while ((message = fs.notifications.poll(fs.order)) == null) {
            if (fs.failure.isDone()) {
                throw new AssertionError("the device failed", fs.failure.join());
            }
            assertTrue(System.nanoTime() < deadline, "a notification in time");
            Thread.onSpinWait();
        }
        assertEquals(0, message.unique());
        assertEquals(message.usedLength(), message.length());
        return message;
    }

    /** A message as text. */
    private static String text(FuseAnswer message) {
        if (message.error() == FUSE_NOTIFY_INVAL_INODE) {
            return "inode " + message.u64(0) + (message.u64(8) < 0 ? " attributes" : " all");
        }
        assertEquals(FUSE_NOTIFY_INVAL_ENTRY, message.error());
        int length = message.u32(8);
        assertEquals(0, message.bytes(16)[length], "ends with a NUL");
        return "entry " + message.u64(0) + " " + new String(message.bytes(16), 0, length, UTF_8);
    }

    /** All until a file of this name is made in the root, which is left out. */
    private Set<String> heardUntil(String marker) throws Exception {
        host(": >" + marker);
        Set<String> all = new TreeSet<>();
        String last = "entry " + ROOT + " " + marker;
        for (String next = text(heard()); !next.equals(last); next = text(heard())) {
            all.add(next);
        }
        return all;
    }

    @Test
    void namesThatOthersMakeMoveAndRemoveAreTold() throws Exception {
        serve(Notifications.OTHERS, true);
        fs.notifications.post(BUFFERS, MAX_BYTES);
        long d = fs.node(ROOT, "d");
        host("echo x >d/new; mv f d/moved; rm d/new");
        Set<String> all = heardUntil("marker");
        assertTrue(
                all.containsAll(Set.of("entry " + d + " new", "entry " + ROOT + " f", "entry " + d + " moved")),
                all.toString());
        host("rm marker");
    }

    @Test
    void contentAndAttributesThatOthersChangeAreTold() throws Exception {
        serve(Notifications.OTHERS, true);
        fs.notifications.post(BUFFERS, MAX_BYTES);
        long f = fs.node(ROOT, "f");
        host("echo more >>f");
        assertEquals(Set.of("inode " + f + " all"), heardUntil("one"));
        host("chmod 600 f");
        assertEquals(Set.of("inode " + f + " attributes"), heardUntil("two"));
        host("touch unknown; echo x >unknown");
        assertEquals(Set.of("entry " + ROOT + " unknown"), heardUntil("three"), "nothing to say of its content");
    }

    @Test
    void whatTheDriverChangesItselfIsNotTold() throws Exception {
        serve(Notifications.OTHERS, true);
        fs.notifications.post(BUFFERS, MAX_BYTES);
        FuseAnswer made = fs.create(ROOT, "own", O_RDWR, 0644);
        assertEquals(0, fs.write(made.u64(0), made.u64(128), 0, new byte[100]).error());
        assertEquals(0, fs.mkdir(ROOT, "own-d", 0755).error());
        assertEquals(0, fs.call(fs.message(FUSE_UNLINK, ROOT).text("own"), 0).error());
        assertEquals(Set.of(), heardUntil("marker"));
    }

    @Test
    void withOtherDriversInTheProcessEverythingIsTold() throws Exception {
        serve(Notifications.ALL, true);
        fs.notifications.post(BUFFERS, MAX_BYTES);
        assertEquals(0, fs.mkdir(ROOT, "d2", 0755).error());
        assertTrue(heardUntil("marker").contains("entry " + ROOT + " d2"));
    }

    @Test
    void nothingIsLostWhileThereAreNoBuffers() throws Exception {
        serve(Notifications.OTHERS, true);
        fs.node(ROOT, "d");
        host("for i in 1 2 3 4 5 6 7 8 9; do : >n$i; done");
        assertEquals(0, fs.getattr(ROOT).error(), "requests go on");
        fs.notifications.post(2, MAX_BYTES);
        Set<String> all = heardUntil("marker");
        for (int i = 1; i < 10; i++) {
            assertTrue(all.contains("entry " + ROOT + " n" + i), all.toString());
        }
    }

    @Test
    void whenTooMuchHappensEverythingIsLookedAtAgain() throws Exception {
        int most;
        // a sysctl gives all or nothing at its first read, so no Files.readString
        try (BufferedReader limit = Files.newBufferedReader(Path.of("/proc/sys/fs/fanotify/max_queued_events"))) {
            most = Integer.parseInt(limit.readLine().strip());
        }
        assumeTrue(most <= 1 << 15, "this kernel keeps " + most + " events");
        serve(Notifications.OTHERS, true);
        long f = fs.node(ROOT, "f");
        long d = fs.node(ROOT, "d");
        // one that waits for a buffer keeps the rest in the kernel
        host("i=0; while [ $i -lt " + (most + 2000) + " ]; do : >d/$i; i=$((i + 1)); done");
        fs.notifications.post(BUFFERS, MAX_BYTES);
        List<String> wanted = new ArrayList<>(
                List.of("entry " + ROOT + " f", "inode " + f + " all", "entry " + ROOT + " d", "inode " + d + " all"));
        while (!wanted.isEmpty()) {
            wanted.remove(text(heard()));
        }
    }

    @Test
    void aBufferThatIsTooSmallComesBackEmpty() throws Exception {
        serve(Notifications.OTHERS, true);
        fs.notifications.post(1, 20);
        host(": >new");
        FuseAnswer message;
        while ((message = fs.notifications.poll(fs.order)) == null) {
            Thread.onSpinWait();
        }
        assertEquals(0, message.usedLength());
        assertTrue(fs.device.errorCount() > 0);
    }

    @Test
    void directoriesAreWatchedAsLongAsTheDriverKnowsThem() throws Exception {
        serve(Notifications.OTHERS, true);
        assertEquals(1, fs.server.watchedCount());
        long d = fs.node(ROOT, "d");
        fs.node(ROOT, "f");
        assertEquals(2, fs.server.watchedCount());
        fs.forget(d, 1);
        assertEquals(1, fs.server.watchedCount());
        fs.node(ROOT, "d");
        assertEquals(0, fs.init(7, 46, -1L).error());
        assertEquals(1, fs.server.watchedCount(), "INIT starts over");
    }

    @Test
    void withoutTheFeatureQueueOneIsForRequests() throws Exception {
        serve(Notifications.OTHERS, false);
        assertEquals(VirtioFsDevice.VIRTIO_FS_F_NOTIFICATION, fs.device.offeredFeatures());
        assertEquals(MAX_BYTES, fs.device.config().get(40, 4));
        assertEquals(3, fs.device.queueMaxSizes().length);
        assertEquals(1, fs.device.config().get(36, 4));
        assertEquals(7, fs.getattr(fs.node(ROOT, "f")).u64(24));
        assertEquals(0, fs.server.watchedCount());
    }

    @Test
    void aNameThatDoesNotExistIsOnlyKeptWhereNothingCanBeLost() throws Exception {
        serve(Notifications.OTHERS, true);
        assertEquals(-Errno.ENOENT, fs.lookup(ROOT, "none").error());
        stop();
        serve(Notifications.OTHERS, false);
        assertEquals(0, fs.lookup(ROOT, "none").error());
    }
}
