package org.virtiobackend.vfiouser.client;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.vfiouser.wire.Irq;
import org.virtiobackend.vfiouser.wire.SetIrqsPayload;

/** A PCI function behind a vfio-user server. */
public final class VfioUserPciDevice implements PciDevice {
    private static final int NOT_ASKED = -1;
    private static final int CONNECT = SetIrqsPayload.DATA_EVENTFD | SetIrqsPayload.ACTION_TRIGGER;

    private final VfioUserClient client;
    private final long[] barSizes = new long[PciFunction.BAR_COUNT];
    private int msixVectors = NOT_ASKED;

    /** @param client closed with this object */
    public VfioUserPciDevice(VfioUserClient client) {
        this.client = client;
        Arrays.fill(barSizes, NOT_ASKED);
    }

    public VfioUserClient client() {
        return client;
    }

    @Override
    public long configRead(int offset, int length) throws IOException {
        return client.regionRead(PciFunction.CONFIG_REGION, offset, length);
    }

    @Override
    public void configWrite(int offset, int length, long value) throws IOException {
        client.regionWrite(PciFunction.CONFIG_REGION, offset, length, value, false);
    }

    @Override
    public long barSize(int bar) throws IOException {
        if (barSizes[bar] == NOT_ASKED) {
            try (RegionInfo info = client.regionInfo(bar)) {
                barSizes[bar] = info.size();
            }
        }
        return barSizes[bar];
    }

    @Override
    public long barRead(int bar, long offset, int length) throws IOException {
        return client.regionRead(bar, offset, length);
    }

    @Override
    public void barWrite(int bar, long offset, int length, long value) throws IOException {
        client.regionWrite(bar, offset, length, value, false);
    }

    @Override
    public void barWritePosted(int bar, long offset, int length, long value) throws IOException {
        client.regionWrite(bar, offset, length, value, true);
    }

    @Override
    public Mapping mapBar(int bar) throws IOException {
        try (RegionInfo info = client.regionInfo(bar)) {
            if (!info.isWhollyMappable()) {
                return null;
            }
            int protection = Mapping.PROT_READ | Mapping.PROT_WRITE;
            return Mapping.map(info.memory(), info.fileOffset(), info.size(), protection);
        }
    }

    @Override
    public int msixVectors() throws IOException {
        if (msixVectors == NOT_ASKED) {
            msixVectors = (int) client.irqInfo(Irq.MSIX).count();
        }
        return msixVectors;
    }

    @Override
    public void connectMsix(int vector, EventFd eventFd) throws IOException {
        connect(Irq.MSIX, vector, eventFd);
    }

    @Override
    public void connectIntx(EventFd eventFd) throws IOException {
        connect(Irq.INTX, 0, eventFd);
    }

    @Override
    public void unmaskIntx() throws IOException {
        client.setIrqs(SetIrqsPayload.DATA_NONE | SetIrqsPayload.ACTION_UNMASK, Irq.INTX, 0, 1);
    }

    @Override
    public void reset() throws IOException {
        client.deviceReset();
    }

    @Override
    public void close() {
        client.close();
    }

    private void connect(int index, int vector, EventFd eventFd) throws IOException {
        Fd[] fds = eventFd == null ? new Fd[0] : new Fd[] {eventFd.fd()};
        client.setIrqs(CONNECT, index, vector, 1, fds);
    }
}
