package org.virtiobackend.conformance;

import java.io.IOException;
import java.nio.file.Path;
import org.virtiobackend.conformance.runner.ConfigChanger;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.conformance.runner.Target;
import org.virtiobackend.devices.blk.BlkSettings;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.VirtioBlkDevice;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.vfiouser.server.ClientSession;
import org.virtiobackend.vfiouser.server.SessionListener;
import org.virtiobackend.vfiouser.server.VfioUserServer;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.GuestMemoryPolicy;
import org.virtiobackend.virtio.pci.RegionPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** Our block device, or another one in its place, behind a real socket, with places where a test can put faults in. */
public final class DeviceUnderTest implements AutoCloseable {
    private static final long IMAGE_BYTES = 1 << 20;
    private static final long REGION_BYTES = 1 << 20;
    private static final int SHM_ID = 1;

    /** What can be bent. */
    public interface Bending {
        /** Called for each client. */
        default VirtioDevice device(VirtioDevice device) {
            return device;
        }

        /** Null: none. */
        default NetPeer peer() {
            return null;
        }

        /** Whether {@link #change} does something. */
        default boolean changes() {
            return true;
        }

        /** Makes the newest device change its configuration. */
        default void change(VirtioBlkDevice newest) {
            DeviceConfig config = newest.config();
            long sectors = config.get(VirtioBlk.CONFIG_CAPACITY, Long.BYTES) ^ 8;
            config.change(c -> c.set(VirtioBlk.CONFIG_CAPACITY, Long.BYTES, sectors));
        }

        default BlockBackend backend(BlockBackend backend) {
            return backend;
        }

        default DmaPolicy policy(DmaPolicy policy) {
            return policy;
        }

        default VirtioPciOptions options(VirtioPciOptions options) {
            return options;
        }

        default PciFunction function(VirtioPciFunction function) {
            return function;
        }

        /** Called once all clients are gone. */
        default void close() {}
    }

    /** Nothing is. */
    public static final Bending STRAIGHT = new Bending() {};

    private static final SessionListener SILENT = new SessionListener() {
        @Override
        public void connected(ClientSession session) {}

        @Override
        public void disconnected(ClientSession session, String reason) {}
    };

    private final VfioUserServer server;
    private final WorkerPool workers;
    private final IoPool ioPool = new IoPool(1);
    private final BlockBackend image;
    private final BlkSettings settings;
    private final RegionPolicy.Kind kind;
    private final Bending bending;
    private final String path;
    private volatile VirtioBlkDevice last;

    /** @param kind null: direct */
    public DeviceUnderTest(Path directory, RegionPolicy.Kind kind, boolean readOnly, Bending bending) throws Exception {
        this.kind = kind;
        this.bending = bending;
        this.settings = new BlkSettings("conformance", readOnly, 512, 1, 64, false);
        this.image = bending.backend(RamBackend.create(IMAGE_BYTES));
        this.workers = new WorkerPool(1, WorkerPool.ADAPTIVE);
        this.path = directory.resolve("device.sock").toString();
        this.server = VfioUserServer.listen(path, this::create, SILENT);
    }

    private PciFunction create(DmaMap map, ClientSession session) throws IOException {
        BarMemory region = kind == null ? null : BarMemory.create(REGION_BYTES);
        DmaPolicy policy = kind == null ? new GuestMemoryPolicy(map) : new RegionPolicy(kind, region, map, SHM_ID);
        VirtioBlkDevice device = new VirtioBlkDevice(image, ioPool, settings);
        last = device;
        VirtioPciOptions options =
                VirtioPciOptions.defaults().withTransportFeatures(VirtioPciOptions.SUPPORTED_FEATURES);
        VirtioPciFunction function = new VirtioPciFunction(
                bending.device(device), bending.policy(policy), workers, bending.options(options));
        function.setQuiesceWaiter(session::await);
        map.setUser(function);
        return bending.function(function);
    }

    /** Makes the device of the newest client change its capacity. */
    public void changeConfiguration() {
        bending.change(last);
    }

    public String path() {
        return path;
    }

    public Target target(long timeoutMillis, long quietMillis) {
        ConfigChanger changer = bending.changes() ? this::changeConfiguration : null;
        return new Target(path, timeoutMillis, quietMillis, changer, bending.peer());
    }

    @Override
    public void close() {
        server.close();
        workers.close();
        ioPool.close();
        image.close();
        bending.close();
    }
}
