package org.virtiobackend.virtio.pci.driver;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;

/** A device that lies: bytes of its configuration space and of its BARs read as a test says, whatever is behind. */
final class TamperedDevice implements PciDevice {
    private final PciDevice real;
    private final Map<Integer, Integer> config = new HashMap<>();
    private final Map<Long, Integer> registers = new HashMap<>();
    private final Map<Integer, Long> barSizes = new HashMap<>();
    private long reads;
    private long lastPosted;
    private int lastPostedLength;

    TamperedDevice(PciDevice real) {
        this.real = real;
    }

    /** From now on this register of the configuration space reads so. */
    TamperedDevice config(int offset, int length, long value) {
        for (int i = 0; i < length; i++) {
            config.put(offset + i, (int) (value >>> (8 * i)) & 0xff);
        }
        return this;
    }

    /** From now on this register of BAR 4 reads so. */
    TamperedDevice register(int offset, int length, long value) {
        for (int i = 0; i < length; i++) {
            registers.put((long) offset + i, (int) (value >>> (8 * i)) & 0xff);
        }
        return this;
    }

    TamperedDevice barSize(int bar, long size) {
        barSizes.put(bar, size);
        return this;
    }

    long reads() {
        return reads;
    }

    /** Value of the last posted write, and its length. */
    long lastPosted() {
        return lastPosted;
    }

    int lastPostedLength() {
        return lastPostedLength;
    }

    @Override
    public long configRead(int offset, int length) throws IOException {
        reads++;
        long value = 0;
        for (int i = 0; i < length; i++) {
            Integer lie = config.get(offset + i);
            value |= (lie != null ? lie : real.configRead(offset + i, 1)) << (8 * i);
        }
        return value;
    }

    @Override
    public void configWrite(int offset, int length, long value) throws IOException {
        real.configWrite(offset, length, value);
    }

    @Override
    public long barSize(int bar) throws IOException {
        Long lie = barSizes.get(bar);
        return lie != null ? lie : real.barSize(bar);
    }

    @Override
    public long barRead(int bar, long offset, int length) throws IOException {
        reads++;
        long value = real.barRead(bar, offset, length);
        for (int i = 0; bar == 4 && i < length; i++) {
            Integer lie = registers.get(offset + i);
            if (lie != null) {
                value = value & ~(0xffL << (8 * i)) | (long) lie << (8 * i);
            }
        }
        return value;
    }

    @Override
    public void barWrite(int bar, long offset, int length, long value) throws IOException {
        real.barWrite(bar, offset, length, value);
    }

    @Override
    public void barWritePosted(int bar, long offset, int length, long value) throws IOException {
        lastPosted = value;
        lastPostedLength = length;
        real.barWritePosted(bar, offset, length, value);
    }

    @Override
    public Mapping mapBar(int bar) throws IOException {
        return real.mapBar(bar);
    }

    @Override
    public int msixVectors() throws IOException {
        return real.msixVectors();
    }

    @Override
    public void connectMsix(int vector, EventFd eventFd) throws IOException {
        real.connectMsix(vector, eventFd);
    }

    @Override
    public void connectIntx(EventFd eventFd) throws IOException {
        real.connectIntx(eventFd);
    }

    @Override
    public void unmaskIntx() throws IOException {
        real.unmaskIntx();
    }

    @Override
    public void reset() throws IOException {
        real.reset();
    }

    @Override
    public void close() {}
}
