package org.virtiobackend.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.virtiobackend.devices.net.NetCounters;
import org.virtiobackend.devices.net.NetSettings;
import org.virtiobackend.devices.net.VirtioNetDevice;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.packet.PcapFile;
import org.virtiobackend.virtio.device.VirtioDevice;

/** One network backend, and the device through which a client uses it. */
final class NetExport implements Export {
    private final NetBackend backend;
    private final NetSettings settings;
    private final PcapFile dump;
    private final Set<VirtioNetDevice> devices = ConcurrentHashMap.newKeySet();

    /**
     * @param backend taken over
     * @param dump taken over; null for none
     */
    NetExport(NetBackend backend, NetSettings settings, PcapFile dump) {
        this.dump = dump;
        this.backend = backend;
        this.settings = settings;
    }

    @Override
    public String type() {
        return "net";
    }

    @Override
    public String description() {
        return backend.description();
    }

    @Override
    public int maxClients() {
        return 1; // frames of a link cannot go to two
    }

    @Override
    public Client newClient() {
        VirtioNetDevice device = new VirtioNetDevice(backend, settings, dump);
        devices.add(device);
        return new NetClient(device);
    }

    @Override
    public void lookAfter() {
        backend.lookAfter();
    }

    /** Whoever forwards frames may have lost track of where the guests are. */
    @Override
    public void refresh() {
        devices.forEach(VirtioNetDevice::announce);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        backend.close();
        if (dump != null) {
            dump.close();
        }
    }

    private final class NetClient implements Client {
        private final VirtioNetDevice device;

        NetClient(VirtioNetDevice device) {
            this.device = device;
        }

        @Override
        public VirtioDevice device() {
            return device;
        }

        @Override
        public long errors() {
            NetCounters counters = device.counters();
            return counters.receiveDropped() + counters.transmitDropped() + counters.malformed();
        }

        @Override
        public Map<String, Long> counters() {
            NetCounters counters = device.counters();
            Map<String, Long> all = new LinkedHashMap<>();
            all.put("linkUp", backend.isLinkUp() ? 1L : 0L);
            all.put("filtered", counters.filtered());
            all.put("receiveDropped", counters.receiveDropped());
            all.put("transmitDropped", counters.transmitDropped());
            all.put("malformed", counters.malformed());
            return all;
        }

        @Override
        public void gone() {
            devices.remove(device);
        }
    }
}
