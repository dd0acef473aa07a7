package org.virtiobackend.vfiouser.server;

import io.netty.buffer.ByteBuf;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.MemFd;

/**
 * A function that remembers what was done to it. BAR 0 is registers, BAR 1 memory that may be mapped, BAR 2 memory of which two
 * areas may be mapped, BAR 4 is absent.
 */
public final class FakeFunction implements PciFunction {
    public static final int BAR_BYTES = 16 << 10;
    public static final int CONFIG_BYTES = 4096;
    public static final int VECTORS = 8;
    public static final List<PciRegion.Area> AREAS =
            List.of(new PciRegion.Area(4096, 4096), new PciRegion.Area(12288, 4096));

    /** A device that hangs or fails on purpose: runs before a write is stored. */
    public interface WriteHook {
        void before(int region, long offset, int length);
    }

    public final DmaMap dmaMap;
    public final ClientSession session;
    public final AtomicInteger resets = new AtomicInteger();
    public final AtomicInteger connectedVectors = new AtomicInteger();
    public volatile InterruptSink sink = InterruptSink.NONE;
    public volatile boolean intxAsserted;
    public volatile boolean closed;
    public volatile Runnable whenClosed = () -> {};
    public volatile WriteHook hook = (region, offset, length) -> {};

    private final byte[] config = new byte[CONFIG_BYTES];
    private final byte[] registers = new byte[BAR_BYTES];
    private final MemFd memory;
    private final PciRegion[] regions = new PciRegion[REGION_COUNT];

    public FakeFunction(DmaMap dmaMap, ClientSession session) throws ErrnoException {
        this.dmaMap = dmaMap;
        this.session = session;
        this.memory = MemFd.create("fake-bar", BAR_BYTES);
        Arrays.fill(regions, PciRegion.ABSENT);
        regions[0] = PciRegion.trapped(BAR_BYTES);
        regions[1] = new PciRegion(BAR_BYTES, memory.fd());
        regions[2] = new PciRegion(BAR_BYTES, memory.fd(), AREAS);
        regions[CONFIG_REGION] = PciRegion.trapped(CONFIG_BYTES);
    }

    @Override
    public PciRegion region(int index) {
        return regions[index];
    }

    @Override
    public void read(int region, long offset, int length, ByteBuf out) {
        out.writeBytes(bytes(region), (int) offset, length);
    }

    @Override
    public void write(int region, long offset, int length, ByteBuf in) {
        hook.before(region, offset, length);
        in.readBytes(bytes(region), (int) offset, length);
    }

    @Override
    public int msixVectors() {
        return VECTORS;
    }

    @Override
    public void connect(InterruptSink newSink) {
        sink = newSink;
    }

    @Override
    public void vectorConnected(int vector) {
        connectedVectors.incrementAndGet();
    }

    @Override
    public boolean intxAsserted() {
        return intxAsserted;
    }

    @Override
    public void reset() {
        resets.incrementAndGet();
    }

    @Override
    public void close() {
        closed = true;
        whenClosed.run();
        memory.close();
    }

    private byte[] bytes(int region) {
        return region == CONFIG_REGION ? config : registers;
    }
}
