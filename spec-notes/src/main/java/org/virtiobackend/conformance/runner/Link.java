package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciBus;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.client.BufferDmaTarget;
import org.virtiobackend.vfiouser.client.ClientOptions;
import org.virtiobackend.vfiouser.client.DmaLayout;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.client.VfioUserPciDevice;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/** One connection to the server, with memory of one kind; serves checks until one of them leaves it in doubt. */
final class Link implements AutoCloseable {
    /** Address of the driver's memory in the device's DMA space. */
    static final long GUEST_BASE = 1L << 32;

    static final int GUEST_BYTES = 1 << 20;

    private final Target target;
    private final VfioUserClient client;
    private final TracingPciDevice pci;
    private final DmaLog log;
    private VirtioPciDriver driver;
    private Interrupts interrupts;
    private MemFd memFd;
    private Mapping mapping;
    private Arena arena;
    private MemoryKind arenaKind;
    private boolean spoiled;

    private Link(Target target, VfioUserClient client, DmaLog log, Trace trace) {
        this.target = target;
        this.client = client;
        this.log = log;
        this.pci = new TracingPciDevice(new VfioUserPciDevice(client), trace);
    }

    /** Connects; nothing is asked of the device yet. */
    static Link open(Target target, MemoryKind memory, Trace trace) throws IOException {
        trace.add("connect to " + target.socketPath());
        ClientOptions options = ClientOptions.DEFAULT.withTimeoutMillis(target.timeoutMillis());
        if (memory != MemoryKind.MESSAGES) {
            Link link = new Link(target, VfioUserClient.connect(target.socketPath(), options), null, trace);
            link.arenaKind = memory;
            return link;
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(GUEST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        DmaLog log = new DmaLog(new BufferDmaTarget(GUEST_BASE, bytes), trace);
        options = options.withDmaTarget(log, DmaLayout.SPECIFICATION);
        Link link = new Link(target, VfioUserClient.connect(target.socketPath(), options), log, trace);
        link.arenaKind = memory;
        link.arena = new Arena(bytes, 0, GUEST_BYTES, GUEST_BASE);
        return link;
    }

    TracingPciDevice pci() {
        return pci;
    }

    VfioUserClient client() {
        return client;
    }

    /** Null unless memory is reached by messages. */
    DmaLog log() {
        return log;
    }

    /** The driver, once the device could be opened. */
    VirtioPciDriver driver() throws IOException {
        if (driver == null) {
            VirtioPciDriver opened = VirtioPciDriver.discover(pci);
            pci.describe(opened.structures());
            driver = VirtioPciDriver.open(pci);
            driver.setResetTimeout(target.timeoutMillis(), TimeUnit.MILLISECONDS);
            interrupts = Interrupts.connect(driver);
            giveMemory();
        }
        return driver;
    }

    Interrupts interrupts() {
        return interrupts;
    }

    Arena arena() {
        return arena;
    }

    /** Announces the driver's memory, also to a device that is not to touch it. */
    private void giveMemory() throws IOException {
        int flags = DmaMapPayload.FLAG_READ | DmaMapPayload.FLAG_WRITE;
        if (arenaKind == MemoryKind.MESSAGES) {
            client.dmaMap(GUEST_BASE, GUEST_BYTES, flags, null, 0);
            return;
        }
        memFd = MemFd.create("conformance-guest-ram", GUEST_BYTES);
        client.dmaMap(GUEST_BASE, GUEST_BYTES, flags, memFd.fd(), 0);
        if (arenaKind == MemoryKind.DIRECT) {
            mapping = Mapping.map(memFd.fd(), 0, GUEST_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
            arena = new Arena(mapping.window(0), 0, GUEST_BYTES, GUEST_BASE);
        } else {
            mapRegion();
        }
    }

    private void mapRegion() throws IOException {
        DeviceRegion region = driver.region();
        mapping = region == null ? null : pci.mapBar(region.bar());
        if (mapping == null) {
            throw new IOException("the device's memory cannot be mapped");
        }
        long base = arenaKind == MemoryKind.DMB ? 0 : region.busAddress();
        int size = (int) Math.min(region.length(), GUEST_BYTES);
        arena = new Arena(mapping.window(region.offset()), Mapping.windowOffset(region.offset()), size, base);
    }

    /** First address behind the memory that the device reaches. */
    long endOfMemory() throws IOException {
        return arena.address() + (arenaKind.isRegion() ? driver.region().length() : GUEST_BYTES);
    }

    /** Programs the region's BAR with another address, decoding off meanwhile. */
    void moveRegion() throws IOException {
        DeviceRegion region = driver.region();
        long size = pci.barSize(region.bar());
        long moved = PciBus.address(pci, region.bar()) + 16 * size;
        int register = PciRegisters.BAR0 + 4 * region.bar();
        long command = pci.configRead(PciRegisters.COMMAND, 2);
        pci.configWrite(PciRegisters.COMMAND, 2, command & ~PciRegisters.COMMAND_MEMORY);
        boolean wide = (pci.configRead(register, 4) & PciRegisters.BAR_TYPE_MASK) == PciRegisters.BAR_TYPE_64;
        pci.configWrite(register, 4, moved & 0xffff_ffffL);
        if (wide) {
            pci.configWrite(register + 4, 4, moved >>> 32);
        }
        pci.configWrite(PciRegisters.COMMAND, 2, command);
        if (arenaKind == MemoryKind.SWIOTLB) {
            arena.moveTo(driver.region().busAddress());
        }
        spoiled = true;
    }

    /** Whether no other check may use the connection. */
    boolean isSpoiled() {
        return spoiled;
    }

    /** The driver's memory when the device has its own: nothing in it may ever change. Null otherwise. */
    MemFd guestMemory() {
        return arenaKind.isRegion() ? memFd : null;
    }

    /** Back to where every check begins: reset, bus master, MSI-X on, nothing pending, memory free. */
    void prepare() throws IOException {
        driver().reset();
        long command = pci.configRead(PciRegisters.COMMAND, 2);
        long wanted = command & ~PciRegisters.COMMAND_INTX_DISABLE
                | PciRegisters.COMMAND_MEMORY
                | PciRegisters.COMMAND_MASTER;
        if (wanted != command) {
            pci.configWrite(PciRegisters.COMMAND, 2, wanted);
        }
        if (interrupts.count() > 0) {
            driver.setMsix(true);
        }
        driver.registers().isr();
        interrupts.clear();
        arena.reset();
        if (log != null) {
            log.clear();
        }
    }

    /** Ends the connection at once, also under a call of another thread: that call fails then. */
    @Override
    public void close() {
        client.close();
    }

    /** Frees what the connection used; no other thread may use it any more. */
    void free() {
        close();
        if (interrupts != null) {
            interrupts.close();
        }
        if (mapping != null) {
            mapping.close();
        }
        if (memFd != null) {
            memFd.close();
        }
    }
}
