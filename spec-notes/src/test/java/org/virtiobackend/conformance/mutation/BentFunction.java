package org.virtiobackend.conformance.mutation;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegion;

/** Our function with something between it and the bus that changes what passes. */
class BentFunction implements PciFunction {
    static final int REGISTERS = 4;
    static final int ISR = 0x1000;
    static final int DEVICE = 0x2000;
    static final int NOTIFY = 0x3000;

    private final PciFunction function;

    BentFunction(PciFunction function) {
        this.function = function;
    }

    // ---- to be overridden

    /** What the driver reads in place of {@code value}. */
    long read(int region, long offset, int length, long value) {
        return value;
    }

    /** A write of the driver; passed on with {@link #pass}. */
    void write(int region, long offset, int length, long value) {
        pass(region, offset, length, value);
    }

    boolean interrupt(InterruptSink sink, int vector) {
        return sink.msix(vector);
    }

    void intx(InterruptSink sink) {
        sink.intx();
    }

    // ---- for those who override

    void pass(int region, long offset, int length, long value) {
        ByteBuf in = Unpooled.buffer(8);
        in.writeLongLE(value);
        function.write(region, offset, length, in);
    }

    long ask(int region, long offset, int length) {
        ByteBuf out = Unpooled.buffer(8);
        function.read(region, offset, length, out);
        out.writeZero(8 - length);
        return out.readLongLE();
    }

    /** Offset of the first virtio capability of this type. */
    int capability(int type) {
        int at = (int) ask(CONFIG_REGION, 0x34, 1);
        while (at != 0) {
            if (ask(CONFIG_REGION, at, 1) == 9 && ask(CONFIG_REGION, at + 3, 1) == type) {
                return at;
            }
            at = (int) ask(CONFIG_REGION, at + 1, 1);
        }
        throw new IllegalStateException("no capability of type " + type);
    }

    static boolean isRegister(int region, long offset, int register) {
        return region == REGISTERS && offset == register;
    }

    // ---- PciFunction

    @Override
    public PciRegion region(int index) {
        return function.region(index);
    }

    @Override
    public void read(int region, long offset, int length, ByteBuf out) {
        if (length > 8) {
            function.read(region, offset, length, out);
            return;
        }
        long value = read(region, offset, length, ask(region, offset, length));
        for (int i = 0; i < length; i++) {
            out.writeByte((int) (value >>> 8 * i));
        }
    }

    @Override
    public void write(int region, long offset, int length, ByteBuf in) {
        if (length > 8) {
            function.write(region, offset, length, in);
            return;
        }
        long value = 0;
        for (int i = 0; i < length; i++) {
            value |= (in.readByte() & 0xffL) << 8 * i;
        }
        write(region, offset, length, value);
    }

    @Override
    public int msixVectors() {
        return function.msixVectors();
    }

    @Override
    public void connect(InterruptSink sink) {
        function.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                return interrupt(sink, vector);
            }

            @Override
            public void intx() {
                BentFunction.this.intx(sink);
            }
        });
    }

    @Override
    public void vectorConnected(int vector) {
        function.vectorConnected(vector);
    }

    @Override
    public boolean intxAsserted() {
        return function.intxAsserted();
    }

    @Override
    public void reset() {
        function.reset();
    }

    @Override
    public void close() {
        function.close();
    }
}
