package org.virtiobackend.devices.blk;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;

/**
 * The block device (virtio 1.4 5.2): what it offers, its configuration, its cache mode. Requests are {@link
 * BlkRequest}'s.
 *
 * <p>One instance serves one client. The backend and the pool may be shared and stay the caller's.
 */
public final class VirtioBlkDevice implements VirtioDevice {
    /** Bytes of the longest segment a driver should use. */
    private static final int SIZE_MAX = 1 << 20;

    private final BlockBackend backend;
    private final IoPool pool;
    private final BlkSettings settings;
    private final boolean readOnly;
    private final DeviceConfig config = new DeviceConfig(CONFIG_BYTES);
    private final BlkErrorLog errors;
    private final ByteBuffer serial;
    private volatile DeviceContext context;
    private volatile long features;
    private volatile boolean durableWrites;

    public VirtioBlkDevice(BlockBackend backend, IoPool pool, BlkSettings settings) {
        this.backend = backend;
        this.pool = pool;
        this.settings = settings;
        this.readOnly = settings.readOnly() || backend.isReadOnly();
        this.errors = new BlkErrorLog(backend.description());
        this.serial = ByteBuffer.allocateDirect(ID_BYTES).put(0, settings.serialBytes());
        fillConfig();
        config.allowWrites(CONFIG_WRITEBACK, 1).onDriverWrite((offset, length) -> writebackWritten());
        startOver();
    }

    @Override
    public int deviceId() {
        return VirtioDeviceId.BLOCK; // virtio 1.4 5.2.1
    }

    @Override
    public long offeredFeatures() {
        long offered = VIRTIO_BLK_F_SIZE_MAX
                | VIRTIO_BLK_F_SEG_MAX
                | VIRTIO_BLK_F_BLK_SIZE
                | VIRTIO_BLK_F_TOPOLOGY
                | VIRTIO_BLK_F_FLUSH // virtio 1.4 5.2.5.2
                | VIRTIO_BLK_F_CONFIG_WCE;
        offered |= settings.queues() > 1 ? VIRTIO_BLK_F_MQ : 0;
        return offered | (readOnly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES);
    }

    /** Whoever may choose to write back must be able to flush (virtio 1.4 5.2.5.2). */
    @Override
    public long withoutNeeds(long offered) {
        return (offered & VIRTIO_BLK_F_FLUSH) == 0 ? offered & VIRTIO_BLK_F_CONFIG_WCE : 0;
    }

    @Override
    public int[] queueMaxSizes() {
        int[] sizes = new int[settings.queues()];
        Arrays.fill(sizes, settings.queueSize());
        return sizes;
    }

    @Override
    public boolean acceptFeatures(long accepted) {
        features = accepted;
        // a driver that cannot flush begins with writethrough: virtio 1.4 5.2.5.2
        setWriteback(isNegotiated(VIRTIO_BLK_F_FLUSH) && !settings.writeThrough());
        return true;
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext newContext) {
        context = newContext;
        features = newContext.features();
        errors.activated();
        for (int queue = 0; queue < newContext.queueCount(); queue++) {
            if (newContext.isEnabled(queue)) {
                newContext.attach(queue, new BlkQueueHandler(this));
            }
        }
    }

    @Override
    public void reset() {
        context = null;
        startOver();
    }

    /** Shows the driver a size that the backend has found to be new; from any thread. */
    public void capacityChanged() {
        long sectors = backend.sizeBytes() / SECTOR_BYTES;
        if (config.get(CONFIG_CAPACITY, Long.BYTES) != sectors) {
            config.change(c -> c.set(CONFIG_CAPACITY, Long.BYTES, sectors)); // virtio 1.4 5.2.6.2
        }
    }

    /** Requests that ended with a status other than OK, since the device exists. */
    public long errorCount() {
        return errors.count();
    }

    BlockBackend backend() {
        return backend;
    }

    IoPool pool() {
        return pool;
    }

    BlkErrorLog errors() {
        return errors;
    }

    boolean isReadOnly() {
        return readOnly;
    }

    boolean isNegotiated(long feature) {
        return (features & feature) != 0;
    }

    /** Whether a write submitted now has to be stable when it completes: virtio 1.4 5.2.6.2, cases 1 and 2. */
    boolean writesAreDurable() {
        return durableWrites;
    }

    /** The device ID string, padded with NULs; read it with absolute accessors. */
    ByteBuffer serial() {
        return serial;
    }

    void fail(Throwable cause) {
        DeviceContext active = context;
        if (active != null) {
            active.fail(cause);
        }
    }

    private void startOver() {
        features = 0;
        setWriteback(!settings.writeThrough());
    }

    private void writebackWritten() {
        boolean wanted = config.get(CONFIG_WRITEBACK, 1) != 0;
        setWriteback(isNegotiated(VIRTIO_BLK_F_CONFIG_WCE) ? wanted : !durableWrites);
    }

    private void setWriteback(boolean writeback) {
        durableWrites = !writeback;
        config.set(CONFIG_WRITEBACK, 1, writeback ? 1 : 0);
    }

    private void fillConfig() {
        int block = settings.blockBytes();
        int physical = Math.max(backend.physicalBlockBytes(), block);
        config.set(CONFIG_CAPACITY, Long.BYTES, backend.sizeBytes() / SECTOR_BYTES);
        config.set(CONFIG_SIZE_MAX, 4, SIZE_MAX);
        config.set(CONFIG_SEG_MAX, 4, settings.queueSize() - 2); // the longest chain has header and status too
        config.set(CONFIG_BLK_SIZE, 4, block);
        config.set(CONFIG_PHYSICAL_BLOCK_EXP, 1, Integer.numberOfTrailingZeros(physical / block));
        config.set(CONFIG_MIN_IO_SIZE, 2, physical / block);
        config.set(CONFIG_NUM_QUEUES, 2, settings.queues() > 1 ? settings.queues() : 0);
        if (!readOnly) {
            config.set(CONFIG_MAX_DISCARD_SECTORS, 4, BlkRanges.MAX_DISCARD_SECTORS);
            config.set(CONFIG_MAX_DISCARD_SEG, 4, BlkRanges.MAX_RANGES);
            config.set(CONFIG_DISCARD_SECTOR_ALIGNMENT, 4, physical / SECTOR_BYTES);
            config.set(CONFIG_MAX_WRITE_ZEROES_SECTORS, 4, BlkRanges.MAX_WRITE_ZEROES_SECTORS);
            config.set(CONFIG_MAX_WRITE_ZEROES_SEG, 4, BlkRanges.MAX_RANGES);
            config.set(CONFIG_WRITE_ZEROES_MAY_UNMAP, 1, 1);
        }
    }
}
