package org.virtiobackend.cli;

import java.io.IOException;
import org.virtiobackend.devices.fs.FsSettings;
import org.virtiobackend.devices.fs.VirtioFsDevice;
import org.virtiobackend.devices.fs.passthrough.SharedDirectory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;

/** One shared directory and the devices through which clients use it. */
final class FsExport implements Export {
    private final SharedDirectory directory;
    private final IoPool pool;
    private final FsSettings settings;
    private final int maxClients;

    /** @param directory taken over, as is {@code pool} */
    FsExport(SharedDirectory directory, IoPool pool, FsSettings settings, int maxClients) {
        this.directory = directory;
        this.pool = pool;
        this.settings = settings;
        this.maxClients = maxClients;
    }

    /** An O_PATH descriptor of the directory; stays this object's. */
    Fd root() {
        return directory.root();
    }

    @Override
    public String type() {
        return "fs";
    }

    @Override
    public String description() {
        return directory.path();
    }

    @Override
    public int maxClients() {
        return maxClients;
    }

    @Override
    public Client newClient() {
        try {
            return new FsClient(new VirtioFsDevice(directory.newServer(), pool, settings));
        } catch (ErrnoException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    @Override
    public void lookAfter() {}

    @Override
    public void flush() throws IOException {
        directory.flush();
    }

    @Override
    public void close() {
        pool.close();
        directory.close();
    }

    private record FsClient(VirtioFsDevice fs) implements Client {
        @Override
        public VirtioDevice device() {
            return fs;
        }

        @Override
        public long errors() {
            return fs.errorCount();
        }

        @Override
        public void gone() {}
    }
}
