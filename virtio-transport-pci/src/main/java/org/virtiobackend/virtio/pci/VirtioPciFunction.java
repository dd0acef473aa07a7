package org.virtiobackend.virtio.pci;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.function.Supplier;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.DmaUser;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.EndpointListener;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.PciEndpoint;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciIdentity;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.worker.CommandThread;
import org.virtiobackend.virtio.device.worker.QueueStatistics;
import org.virtiobackend.virtio.device.worker.QuiesceWaiter;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/**
 * A virtio device as a PCI Express function, modern only (virtio 1.4 4.1): registers in BAR 4, MSI-X in BAR 1,
 * device-local memory, when the {@link DmaPolicy} has some, in BAR 2 and 3. All methods belong to the control thread.
 */
public final class VirtioPciFunction implements PciFunction, DmaUser {
    /** The BAR of the device-local memory. */
    public static final int REGION_BAR = 2;

    /** 1: a modern device (virtio 1.4 4.1.2.1). */
    private static final int REVISION = 1;

    private final VirtioDevice device;
    private final DmaPolicy policy;
    private final DmaPolicy.Region region;
    private final PciEndpoint endpoint;
    private final VirtioInterrupts interrupts;
    private final FeatureNegotiation features;
    private final CommonConfig common;
    private final DeviceLifecycle lifecycle;
    private final RegisterBar registers;
    private final PciConfigWindow configWindow;
    private boolean resetting;

    /**
     * Builds the function around a device, which it takes over: {@link #close} closes it.
     *
     * @param pool serves the queues; stays the caller's
     * @throws IllegalArgumentException a combination that no driver could use: SWIOTLB offered without a region, too
     *     many queues
     */
    public VirtioPciFunction(VirtioDevice device, DmaPolicy policy, WorkerPool pool, VirtioPciOptions options) {
        this.device = device;
        this.policy = policy;
        this.region = policy.region();
        int[] queueMaxSizes = device.queueMaxSizes();
        int queues = queueMaxSizes.length;
        int notifyLength = RegisterBar.notifyLength(queues, options.notifyMultiplier());
        this.endpoint = new PciEndpoint(identity(options), options.vectorsFor(queues));
        this.interrupts = new VirtioInterrupts(endpoint, queues);
        this.features = new FeatureNegotiation(device, policy, options);
        DeviceConfigRegion deviceConfig = new DeviceConfigRegion(device.config());
        boolean dmb = region != null && region.sharedMemoryCapability();
        this.common = new CommonConfig(
                new CommonOwner(), features, interrupts, deviceConfig, queueMaxSizes, dmb ? region.shmId() : -1);
        this.lifecycle = new DeviceLifecycle(device, queues, pool, common.status(), interrupts);
        common.setLifecycle(lifecycle);
        this.registers =
                new RegisterBar(common, interrupts, deviceConfig, lifecycle, queues, options.notifyMultiplier());
        endpoint.bars().addMemory32(RegisterBar.BAR, PciRegion.trapped(RegisterBar.size(notifyLength)));
        if (region != null) {
            endpoint.bars().addMemory64(REGION_BAR, region.memory());
        }
        this.configWindow = addCapabilities(device.config().length(), notifyLength, options);
        endpoint.setOwner(new EndpointOwner(), interrupts::isPending);
        device.config().onChange(lifecycle::configChanged);
    }

    private PciIdentity identity(VirtioPciOptions options) {
        int id = VirtioPciCapability.DEVICE_ID_BASE + device.deviceId();
        int subsystem = options.subsystemId() < 0 ? id : options.subsystemId();
        return new PciIdentity(
                VirtioPciCapability.VENDOR_ID,
                id,
                REVISION,
                options.classCodeFor(device.deviceId()),
                options.subsystemVendorId(),
                subsystem);
    }

    private PciConfigWindow addCapabilities(int deviceConfigLength, int notifyLength, VirtioPciOptions options) {
        VirtioCapabilities capabilities = new VirtioCapabilities(endpoint);
        capabilities.addRegisters(common.length(), deviceConfigLength, notifyLength, options.notifyMultiplier());
        int window = capabilities.addWindow();
        if (region != null) {
            capabilities.addRegion(REGION_BAR, region);
        }
        options.vendorData().forEach(capabilities::addVendorData);
        return new PciConfigWindow(endpoint.config(), window, new WindowBars());
    }

    // ---- what the bridge needs beside the bus

    /** Who executes the client's commands and may serve a queue right after a notification; see {@link CommandThread}. */
    public void setCommandThread(CommandThread commands) {
        lifecycle.setCommandThread(commands);
    }

    /** How control waits for workers when they may be waiting for it; see {@link QuiesceWaiter}. */
    public void setQuiesceWaiter(QuiesceWaiter waiter) {
        lifecycle.setQuiesceWaiter(waiter);
    }

    /** Returns when no worker uses memory of mappings that are gone; what a client's DMA map calls before it unmaps. */
    @Override
    public void refreshMemory() {
        lifecycle.refreshMemory();
    }

    /** Queues whose rings were nowhere look again; what a client's DMA map calls after it mapped. */
    @Override
    public void memoryAdded() {
        lifecycle.memoryAdded();
    }

    /** Counters of each queue; they survive resets. Any thread may read them. */
    public QueueStatistics[] statistics() {
        return lifecycle.statistics();
    }

    /** Times that a driver named memory which the device may not touch; survives resets. Any thread. */
    public long dmaFaults() {
        return lifecycle.dmaFaults();
    }

    /** Features that both sides agreed on; 0 before FEATURES_OK. */
    public long negotiatedFeatures() {
        return features.negotiated();
    }

    /** Features that are offered to the driver. */
    public long offeredFeatures() {
        return features.offered();
    }

    /** The device status field, as the driver would read it now. Any thread. */
    public int deviceStatus() {
        return common.status().value();
    }

    // ---- PciFunction

    @Override
    public PciRegion region(int index) {
        if (index >= 0 && index < BAR_COUNT) {
            return endpoint.bars().region(index);
        }
        return index == CONFIG_REGION ? PciRegion.trapped(PciRegisters.CONFIG_SIZE) : PciRegion.ABSENT;
    }

    @Override
    public void read(int index, long offset, int length, ByteBuf out) {
        settle();
        switch (index) {
            case RegisterBar.BAR -> registers.read(offset, length, out);
            case PciEndpoint.MSIX_BAR -> readMsix(offset, length, out);
            case CONFIG_REGION -> {
                configWindow.beforeRead(offset, length);
                endpoint.read(offset, length, out);
            }
            case REGION_BAR -> readRegion(offset, length, out);
            default -> out.writeZero(length);
        }
    }

    @Override
    public void write(int index, long offset, int length, ByteBuf in) {
        if (RegisterBar.isNotify(index, offset)) {
            registers.writeNotify(offset, length, in);
            return;
        }
        settle();
        switch (index) {
            case RegisterBar.BAR -> registers.write(offset, length, in, !resetting);
            case PciEndpoint.MSIX_BAR -> writeMsix(offset, length, in);
            case CONFIG_REGION -> writeConfig(offset, length, in);
            case REGION_BAR -> writeRegion(offset, length, in);
            default -> in.skipBytes(length);
        }
    }

    private void writeConfig(long offset, int length, ByteBuf in) {
        long before = regionBase();
        endpoint.write(offset, length, in);
        if (regionBase() != before) {
            lifecycle.memoryAdded(); // the region decodes, or elsewhere than before
        }
        configWindow.afterWrite(offset, length);
    }

    private long regionBase() {
        return region == null ? 0 : endpoint.bars().window(REGION_BAR).base();
    }

    private void readMsix(long offset, int length, ByteBuf out) {
        for (int i = 0; i < length; i++) {
            out.writeByte(endpoint.msix().readByte(offset + i));
        }
    }

    private void writeMsix(long offset, int length, ByteBuf in) {
        for (int i = 0; i < length; i++) {
            endpoint.msix().writeByte(offset + i, in.readUnsignedByte());
        }
    }

    private void readRegion(long offset, int length, ByteBuf out) {
        if (region == null) {
            out.writeZero(length);
            return;
        }
        for (int i = 0; i < length; i++) {
            long at = offset + i;
            ByteBuffer window = region.mapping().window(at);
            out.writeByte(window.get(Mapping.windowOffset(at)));
        }
    }

    private void writeRegion(long offset, int length, ByteBuf in) {
        if (region == null) {
            in.skipBytes(length);
            return;
        }
        for (int i = 0; i < length; i++) {
            long at = offset + i;
            region.mapping().window(at).put(Mapping.windowOffset(at), in.readByte());
        }
    }

    @Override
    public int msixVectors() {
        return endpoint.msix() == null ? 0 : endpoint.msix().vectors();
    }

    @Override
    public void connect(InterruptSink sink) {
        endpoint.connect(sink);
        interrupts.connect(sink);
    }

    @Override
    public void vectorConnected(int vector) {
        if (endpoint.msix() != null) {
            endpoint.msix().vectorConnected(vector);
        }
    }

    @Override
    public boolean intxAsserted() {
        return interrupts.isIntxAsserted();
    }

    @Override
    public void reset() {
        finishReset();
        lifecycle.setBusMaster(false);
        endpoint.reset();
    }

    @Override
    public void close() {
        device.config().onChange(() -> {});
        reset();
        device.close();
    }

    // ---- reset by the driver: over when the workers are (virtio 1.4 4.1.4.3.1)

    private void beginReset() {
        lifecycle.beginStop();
        resetting = true;
        settle();
    }

    /** Completes what waited for chains in work: a reset, the status reads non-zero until then, or a part of the device. */
    private void settle() {
        if (!resetting) {
            common.settle();
        } else if (!lifecycle.isStopping()) {
            finishReset();
        }
    }

    private void finishReset() {
        lifecycle.awaitStopped();
        device.reset();
        common.reset();
        resetting = false;
    }

    /** What the common configuration sets in motion. */
    private final class CommonOwner implements CommonConfig.Owner {
        @Override
        public Supplier<DmaSpace> spaces(long negotiated) {
            BarWindow window = region == null ? null : endpoint.bars().window(REGION_BAR);
            return policy.spaces(negotiated, window);
        }

        @Override
        public void resetByDriver() {
            beginReset();
        }
    }

    /** What the configuration space sets in motion. */
    private final class EndpointOwner implements EndpointListener {
        @Override
        public void busMasterChanged(boolean enabled) {
            lifecycle.setBusMaster(enabled);
        }

        @Override
        public void interruptModeChanged() {
            interrupts.modeChanged();
        }

        @Override
        public void functionLevelReset() {
            reset();
        }
    }

    /** What the PCI_CFG window reaches: the BARs that virtio capabilities name. */
    private final class WindowBars implements PciConfigWindow.Bars {
        @Override
        public PciRegion region(int bar) {
            boolean named = bar == RegisterBar.BAR || bar == REGION_BAR;
            return named ? endpoint.bars().region(bar) : PciRegion.ABSENT;
        }

        @Override
        public void read(int bar, long offset, int length, ByteBuf out) {
            VirtioPciFunction.this.read(bar, offset, length, out);
        }

        @Override
        public void write(int bar, long offset, int length, ByteBuf in) {
            VirtioPciFunction.this.write(bar, offset, length, in);
        }
    }
}
