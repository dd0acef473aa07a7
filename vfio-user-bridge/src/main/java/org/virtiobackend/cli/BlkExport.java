package org.virtiobackend.cli;

import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.devices.blk.BlkSettings;
import org.virtiobackend.devices.blk.VirtioBlkDevice;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;

/** One disk image and the devices through which clients use it. */
final class BlkExport implements Export {
    private static final Logger LOG = LoggerFactory.getLogger(BlkExport.class);

    private final BlockBackend backend;
    private final IoPool pool;
    private final BlkSettings settings;
    private final int maxClients;
    private final Set<VirtioBlkDevice> devices = ConcurrentHashMap.newKeySet();

    /** @param backend taken over, as is {@code pool} */
    BlkExport(BlockBackend backend, IoPool pool, BlkSettings settings, int maxClients) {
        this.backend = backend;
        this.pool = pool;
        this.settings = settings;
        this.maxClients = maxClients;
    }

    @Override
    public String type() {
        return "blk";
    }

    @Override
    public String description() {
        return backend.description();
    }

    @Override
    public int maxClients() {
        return maxClients;
    }

    @Override
    public Client newClient() {
        VirtioBlkDevice device = new VirtioBlkDevice(backend, pool, settings);
        devices.add(device);
        device.capacityChanged(); // the image may have grown before the device was listed
        return new BlkClient(device);
    }

    @Override
    public void lookAfter() {
        try {
            long before = backend.sizeBytes();
            if (backend.refreshSize()) {
                LOG.info("{}: {} bytes now, {} before", backend.description(), backend.sizeBytes(), before);
                devices.forEach(VirtioBlkDevice::capacityChanged);
            }
        } catch (IOException e) {
            LOG.warn("{}: cannot look at its size: {}", backend.description(), e.getMessage());
        }
    }

    @Override
    public void flush() throws IOException {
        int result = settings.readOnly() ? 0 : backend.flush();
        if (result < 0 && result != -Errno.EINVAL) {
            throw new ErrnoException("flush " + backend.description(), -result);
        }
    }

    @Override
    public void close() {
        pool.close();
        backend.close();
    }

    private final class BlkClient implements Client {
        private final VirtioBlkDevice device;

        BlkClient(VirtioBlkDevice device) {
            this.device = device;
        }

        @Override
        public VirtioDevice device() {
            return device;
        }

        @Override
        public long errors() {
            return device.errorCount();
        }

        @Override
        public void gone() {
            devices.remove(device);
        }
    }
}
