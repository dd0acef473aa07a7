package org.virtiobackend.devices.fs;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.fs.fuse.FuseNotify;
import org.virtiobackend.devices.fs.passthrough.ChangeWatch;
import org.virtiobackend.devices.fs.passthrough.PassthroughServer;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.device.io.IoPool;

/**
 * The file system device (virtio 1.4 5.11): a tag, a high-priority queue, request queues, and a notification queue for drivers that
 * read one. What travels through them is {@link PassthroughServer}'s.
 *
 * <p>One instance serves one client. The pool may be shared and stays the caller's.
 */
public final class VirtioFsDevice implements VirtioDevice {
    public static final long VIRTIO_FS_F_NOTIFICATION = 1; // virtio 1.4 5.11.3

    // virtio 1.4 5.11.2: queue 0 is for high priority, 1 for notifications if they are negotiated, the rest for
    // requests
    private static final int NOTIFICATION_QUEUE = 1;
    private static final int CONFIG_TAG = 0;
    private static final int CONFIG_NUM_REQUEST_QUEUES = 36;
    private static final int CONFIG_NOTIFY_BUF_SIZE = 40;

    private final PassthroughServer server;
    private final IoPool pool;
    private final FsSettings settings;
    private final DeviceConfig config;
    private final LongAdder errors = new LongAdder();
    private final AtomicInteger listsEnded = new AtomicInteger();
    private volatile DeviceContext context;

    /** @param server taken over */
    public VirtioFsDevice(PassthroughServer server, IoPool pool, FsSettings settings) {
        this.server = server;
        this.pool = pool;
        this.settings = settings;
        // notify_buf_size exists only with VIRTIO_FS_F_NOTIFICATION: virtio 1.4 5.11.4
        this.config = new DeviceConfig(settings.notifies() ? CONFIG_NOTIFY_BUF_SIZE + 4 : CONFIG_NOTIFY_BUF_SIZE);
        byte[] tag = settings.tagBytes();
        for (int i = 0; i < tag.length; i++) {
            config.set(CONFIG_TAG + i, 1, tag[i]); // the rest stays NUL: virtio 1.4 5.11.4
        }
        config.set(CONFIG_NUM_REQUEST_QUEUES, 4, settings.requestQueues()); // virtio 1.4 5.11.4.2
        if (settings.notifies()) {
            config.set(CONFIG_NOTIFY_BUF_SIZE, 4, FuseNotify.MAX_BYTES); // virtio 1.4 5.11.4.2
        }
    }

    @Override
    public int deviceId() {
        return VirtioDeviceId.FS; // virtio 1.4 5.11.1
    }

    @Override
    public long offeredFeatures() {
        return settings.notifies() ? VIRTIO_FS_F_NOTIFICATION : 0;
    }

    /** Without the feature Linux, as anyone, takes queue 1 for requests, and leaves the last one alone. */
    @Override
    public int[] queueMaxSizes() {
        int[] sizes = new int[settings.queueCount()];
        Arrays.fill(sizes, settings.queueSize());
        return sizes;
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext newContext) throws DeviceActivationException {
        context = newContext;
        boolean notifies = (newContext.features() & VIRTIO_FS_F_NOTIFICATION) != 0;
        for (int queue = 0; queue < newContext.queueCount(); queue++) {
            if (!newContext.isEnabled(queue)) {
                continue;
            }
            if (notifies && queue == NOTIFICATION_QUEUE) {
                WakeUp wakeUp = new WakeUp();
                newContext.attach(queue, new NotificationHandler(this, beginWatch(), wakeUp), wakeUp);
            } else {
                newContext.attach(queue, new FsQueueHandler(this)); // in any order, also at once: virtio 1.4 5.11.6.2.1
            }
        }
    }

    private ChangeWatch beginWatch() throws DeviceActivationException {
        try {
            return server.beginWatch(settings.notifications() == Notifications.OTHERS);
        } catch (ErrnoException e) {
            throw new DeviceActivationException(e.getMessage(), e);
        }
    }

    @Override
    public void reset() {
        context = null;
        server.endWatch();
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

    /** Lists to forget that are being read end: their memory has to go back. What they still name is known until the next reset. */
    void endLists() {
        listsEnded.incrementAndGet();
    }

    /** Changes whenever lists end. */
    int listsEnded() {
        return listsEnded.get();
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
