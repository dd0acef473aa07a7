package org.virtiobackend.pci;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.Objects;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;

/** A function in the same process as its driver: the shortest bus there is. */
public final class InProcessPciDevice implements PciDevice {
    private final PciFunction function;
    private final EventFd[] vectors;
    private EventFd intx;
    private int postedWrites;

    public InProcessPciDevice(PciFunction function) {
        this.function = function;
        this.vectors = new EventFd[function.msixVectors()];
        function.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                EventFd eventFd = vectors[vector];
                if (eventFd == null) {
                    return false;
                }
                eventFd.signal();
                return true;
            }

            @Override
            public void intx() {
                EventFd eventFd = intx;
                if (eventFd != null) {
                    eventFd.signal();
                }
            }
        });
    }

    /** Bytes of a region, little-endian, 1 to 8. */
    public long read(int region, long offset, int length) {
        ByteBuf out = Unpooled.buffer(length);
        function.read(region, offset, length, out);
        if (out.readableBytes() != length) {
            throw new IllegalStateException(out.readableBytes() + " bytes read, asked for " + length);
        }
        long value = 0;
        for (int i = 0; i < length; i++) {
            value |= (long) out.readUnsignedByte() << (8 * i);
        }
        return value;
    }

    public void write(int region, long offset, int length, long value) {
        ByteBuf in = Unpooled.buffer(length);
        for (int i = 0; i < length; i++) {
            in.writeByte((int) (value >>> (8 * i)));
        }
        function.write(region, offset, length, in);
        if (in.readableBytes() != 0) {
            throw new IllegalStateException(in.readableBytes() + " bytes left of " + length);
        }
    }

    public int postedWrites() {
        return postedWrites;
    }

    @Override
    public long configRead(int offset, int length) {
        return read(PciFunction.CONFIG_REGION, offset, length);
    }

    @Override
    public void configWrite(int offset, int length, long value) {
        write(PciFunction.CONFIG_REGION, offset, length, value);
    }

    @Override
    public long barSize(int bar) {
        return function.region(Objects.checkIndex(bar, PciFunction.BAR_COUNT)).size();
    }

    @Override
    public long barRead(int bar, long offset, int length) {
        return read(bar, offset, length);
    }

    @Override
    public void barWrite(int bar, long offset, int length, long value) {
        write(bar, offset, length, value);
    }

    @Override
    public void barWritePosted(int bar, long offset, int length, long value) {
        postedWrites++;
        write(bar, offset, length, value);
    }

    @Override
    public Mapping mapBar(int bar) throws IOException {
        PciRegion region = function.region(bar);
        if (!region.isMappable()) {
            return null;
        }
        return Mapping.map(region.memory(), 0, region.size(), Mapping.PROT_READ | Mapping.PROT_WRITE);
    }

    @Override
    public int msixVectors() {
        return function.msixVectors();
    }

    @Override
    public void connectMsix(int vector, EventFd eventFd) {
        vectors[vector] = eventFd;
        if (eventFd != null) {
            function.vectorConnected(vector);
        }
    }

    @Override
    public void connectIntx(EventFd eventFd) {
        intx = eventFd;
        unmaskIntx();
    }

    @Override
    public void unmaskIntx() {
        if (intx != null && function.intxAsserted()) {
            intx.signal();
        }
    }

    @Override
    public void reset() {
        function.reset();
    }

    @Override
    public void close() {}
}
