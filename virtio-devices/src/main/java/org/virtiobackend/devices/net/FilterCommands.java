package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import org.virtiobackend.virtio.queue.ChainReader;

/** Control commands about which frames a driver wants (virtio 1.4 5.1.9.5.1 to 5.1.9.5.3). Each returns whether it was obeyed. */
final class FilterCommands {
    private static final int VLANS = 4096;

    private final VirtioNetDevice device;

    FilterCommands(VirtioNetDevice device) {
        this.device = device;
    }

    boolean setMode(int mode, ChainReader data) {
        long feature = mode <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA;
        if (mode > VIRTIO_NET_CTRL_RX_NOBCAST || !device.isNegotiated(feature) || data.remaining() < 1) {
            return false;
        }
        boolean on = data.getU8() != 0;
        device.changeFilter(filter -> filter.withMode(mode, on));
        return true;
    }

    boolean setAddresses(int command, ChainReader data) {
        return switch (command) {
            case VIRTIO_NET_CTRL_MAC_TABLE_SET -> device.isNegotiated(VIRTIO_NET_F_CTRL_RX) && setTables(data);
            case VIRTIO_NET_CTRL_MAC_ADDR_SET -> device.isNegotiated(VIRTIO_NET_F_CTRL_MAC_ADDR) && setMac(data);
            default -> false;
        };
    }

    boolean setVlan(int command, ChainReader data) {
        if (command > VIRTIO_NET_CTRL_VLAN_DEL
                || !device.isNegotiated(VIRTIO_NET_F_CTRL_VLAN)
                || data.remaining() < Short.BYTES) {
            return false;
        }
        int vlan = data.getU16();
        if (vlan >= VLANS) {
            return false;
        }
        device.changeFilter(filter -> filter.withVlan(vlan, command == VIRTIO_NET_CTRL_VLAN_ADD));
        return true;
    }

    /** Two tables, each a count and so many addresses; nothing changes unless both are whole. */
    private boolean setTables(ChainReader data) {
        long[][] tables = new long[2][];
        for (int i = 0; i < tables.length; i++) {
            if (data.remaining() < Integer.BYTES) {
                return false;
            }
            long entries = data.getU32();
            if (entries > data.remaining() / MacAddress.BYTES) {
                return false;
            }
            if (entries > ReceiveFilter.MAX_ADDRESSES) {
                data.skip(entries * MacAddress.BYTES); // too many to look up: everything of this kind passes
            } else {
                tables[i] = new long[(int) entries];
                for (int n = 0; n < entries; n++) {
                    tables[i][n] = readMac(data);
                }
            }
        }
        device.changeFilter(filter -> filter.withTables(tables[0], tables[1])); // virtio 1.4 5.1.9.5.2.1
        return true;
    }

    private boolean setMac(ChainReader data) {
        if (data.remaining() < MacAddress.BYTES) {
            return false;
        }
        long mac = readMac(data);
        if (MacAddress.isMulticast(mac) || mac == 0) {
            return false;
        }
        device.setMac(mac);
        return true;
    }

    private static long readMac(ChainReader data) {
        long mac = 0;
        for (int i = 0; i < MacAddress.BYTES; i++) {
            mac = mac << Byte.SIZE | data.getU8();
        }
        return mac;
    }
}
