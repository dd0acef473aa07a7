package org.virtiobackend.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.devices.fs.FsSettings;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.fs.VirtioFsDevice;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.devices.fs.passthrough.SharedDirectory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;

/** Our file system device in place of the block device, on a directory of its own, which {@link #close} removes. */
public class FsUnderTest implements Bending {
    private static final int QUEUE_SIZE = 64;

    private final Path directory;
    private final SharedDirectory shared;
    private final IoPool pool = new IoPool(1);
    private final Notifications notifications;

    public FsUnderTest(Notifications notifications) {
        this.notifications = notifications;
        try {
            directory = Files.createTempDirectory("fs-under-test");
            shared = SharedDirectory.open(directory.toString(), PassthroughOptions.defaults());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public VirtioDevice device(VirtioDevice block) {
        try {
            FsSettings settings = new FsSettings("conformance", 1, QUEUE_SIZE, notifications);
            return new VirtioFsDevice(shared.newServer(), pool, settings);
        } catch (ErrnoException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public boolean changes() {
        return false;
    }

    @Override
    public void close() {
        pool.close();
        shared.close();
        try (Stream<Path> paths = Files.walk(directory)) {
            List<Path> innermostFirst = paths.sorted(Comparator.reverseOrder()).toList();
            for (Path path : innermostFirst) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
