package org.virtiobackend.conformance.runner;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.Map;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.virtio.pci.driver.VirtioStructures;

/** Writes down every register access, with the names of registers once the structures are known. */
final class TracingPciDevice implements PciDevice {
    private static final Map<Integer, String> COMMON_NAMES = Map.ofEntries(
            Map.entry(DEVICE_FEATURE_SELECT, "device_feature_select"),
            Map.entry(DEVICE_FEATURE, "device_feature"),
            Map.entry(DRIVER_FEATURE_SELECT, "driver_feature_select"),
            Map.entry(DRIVER_FEATURE, "driver_feature"),
            Map.entry(CONFIG_MSIX_VECTOR, "config_msix_vector"),
            Map.entry(NUM_QUEUES, "num_queues"),
            Map.entry(DEVICE_STATUS, "device_status"),
            Map.entry(CONFIG_GENERATION, "config_generation"),
            Map.entry(QUEUE_SELECT, "queue_select"),
            Map.entry(QUEUE_SIZE, "queue_size"),
            Map.entry(QUEUE_MSIX_VECTOR, "queue_msix_vector"),
            Map.entry(QUEUE_ENABLE, "queue_enable"),
            Map.entry(QUEUE_NOTIFY_OFF, "queue_notify_off"),
            Map.entry(QUEUE_DESC, "queue_desc"),
            Map.entry(QUEUE_DRIVER, "queue_driver"),
            Map.entry(QUEUE_DEVICE, "queue_device"),
            Map.entry(QUEUE_NOTIF_CONFIG_DATA, "queue_notif_config_data"),
            Map.entry(QUEUE_RESET, "queue_reset"));

    private final PciDevice device;
    private final Trace trace;
    private VirtioStructures structures;

    /** @param device closed with this object */
    TracingPciDevice(PciDevice device, Trace trace) {
        this.device = device;
        this.trace = trace;
    }

    void describe(VirtioStructures known) {
        structures = known;
    }

    private String name(int bar, long offset) {
        if (structures != null) {
            VirtioStructures s = structures;
            String common = in(s.common(), bar, offset)
                    ? COMMON_NAMES.get((int) (offset - s.common().offset()))
                    : null;
            if (common != null) {
                return common;
            } else if (in(s.notification(), bar, offset)) {
                return "notify+0x" + Long.toHexString(offset - s.notification().offset());
            } else if (in(s.isr(), bar, offset)) {
                return "isr";
            } else if (s.device() != null && in(s.device(), bar, offset)) {
                return "config+0x" + Long.toHexString(offset - s.device().offset());
            }
        }
        return "bar" + bar + "+0x" + Long.toHexString(offset);
    }

    private static boolean in(VirtioStructures.Structure structure, int bar, long offset) {
        return bar == structure.bar()
                && offset >= structure.offset()
                && offset - structure.offset() < structure.length();
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }

    @Override
    public long configRead(int offset, int length) throws IOException {
        long value = device.configRead(offset, length);
        trace.add("read  pci+" + hex(offset) + "/" + length + " = " + hex(value));
        return value;
    }

    @Override
    public void configWrite(int offset, int length, long value) throws IOException {
        trace.add("write pci+" + hex(offset) + "/" + length + " = " + hex(value));
        device.configWrite(offset, length, value);
    }

    @Override
    public long barSize(int bar) throws IOException {
        return device.barSize(bar);
    }

    @Override
    public long barRead(int bar, long offset, int length) throws IOException {
        long value = device.barRead(bar, offset, length);
        trace.add("read  " + name(bar, offset) + "/" + length + " = " + hex(value));
        return value;
    }

    @Override
    public void barWrite(int bar, long offset, int length, long value) throws IOException {
        trace.add("write " + name(bar, offset) + "/" + length + " = " + hex(value));
        device.barWrite(bar, offset, length, value);
    }

    @Override
    public void barWritePosted(int bar, long offset, int length, long value) throws IOException {
        trace.add("post  " + name(bar, offset) + "/" + length + " = " + hex(value));
        device.barWritePosted(bar, offset, length, value);
    }

    @Override
    public Mapping mapBar(int bar) throws IOException {
        return device.mapBar(bar);
    }

    @Override
    public int msixVectors() throws IOException {
        return device.msixVectors();
    }

    @Override
    public void connectMsix(int vector, EventFd eventFd) throws IOException {
        trace.add((eventFd == null ? "disconnect" : "connect") + " MSI-X vector " + vector);
        device.connectMsix(vector, eventFd);
    }

    @Override
    public void connectIntx(EventFd eventFd) throws IOException {
        trace.add((eventFd == null ? "disconnect" : "connect") + " INTx");
        device.connectIntx(eventFd);
    }

    @Override
    public void unmaskIntx() throws IOException {
        trace.add("unmask INTx");
        device.unmaskIntx();
    }

    @Override
    public void reset() throws IOException {
        trace.add("DEVICE_RESET");
        device.reset();
    }

    @Override
    public void close() {
        device.close();
    }
}
