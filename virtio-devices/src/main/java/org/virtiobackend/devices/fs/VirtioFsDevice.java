package org.virtiobackend.devices.fs;

import java.util.Arrays;
import java.util.concurrent.atomic.LongAdder;
import org.virtiobackend.devices.fs.passthrough.PassthroughServer;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;

/**
 * The file system device (virtio 1.4 5.11): a tag, a high-priority queue and request queues. What travels through them is
 * {@link PassthroughServer}'s.
 *
 * <p>One instance serves one client. The pool may be shared and stays the caller's.
 */
public final class VirtioFsDevice implements VirtioDevice {
    /** Queue 0; the request queues follow, as there is no notification queue: virtio 1.4 5.11.2. */
    static final int HIPRIO_QUEUE = 0;

    private static final int CONFIG_TAG = 0;
    private static final int CONFIG_NUM_REQUEST_QUEUES = 36;
    // notify_buf_size exists only with VIRTIO_FS_F_NOTIFICATION: virtio 1.4 5.11.4
    private static final int CONFIG_BYTES = 40;

    private final PassthroughServer server;
    private final IoPool pool;
    private final FsSettings settings;
    private final DeviceConfig config = new DeviceConfig(CONFIG_BYTES);
    private final LongAdder errors = new LongAdder();
    private volatile DeviceContext context;

    /** @param server taken over */
    public VirtioFsDevice(PassthroughServer server, IoPool pool, FsSettings settings) {
        this.server = server;
        this.pool = pool;
        this.settings = settings;
        byte[] tag = settings.tagBytes();
        for (int i = 0; i < tag.length; i++) {
            config.set(CONFIG_TAG + i, 1, tag[i]); // the rest stays NUL: virtio 1.4 5.11.4
        }
        config.set(CONFIG_NUM_REQUEST_QUEUES, 4, settings.requestQueues()); // virtio 1.4 5.11.4.2
    }

    @Override
    public int deviceId() {
        return VirtioDeviceId.FS; // virtio 1.4 5.11.1
    }

    @Override
    public long offeredFeatures() {
        return 0; // no driver that is known reads a notification queue
    }

    @Override
    public int[] queueMaxSizes() {
        int[] sizes = new int[1 + settings.requestQueues()];
        Arrays.fill(sizes, settings.queueSize());
        return sizes;
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext newContext) {
        context = newContext;
        for (int queue = 0; queue < newContext.queueCount(); queue++) {
            if (newContext.isEnabled(queue)) {
                newContext.attach(queue, new FsQueueHandler(this));
            }
        }
    }

    @Override
    public void reset() {
        context = null;
        server.end();
    }

    @Override
    public void close() {
        server.close();
    }

    /** Requests that could not be read or answered; an error number that a file system gives is an answer. */
    public long errorCount() {
        return errors.sum();
    }

    PassthroughServer server() {
        return server;
    }

    IoPool pool() {
        return pool;
    }

    void malformed() {
        errors.increment();
    }

    void fail(Throwable cause) {
        DeviceContext active = context;
        if (active != null) {
            active.fail(cause);
        }
    }
}
