package org.virtiobackend.conformance.checks;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.FeatureTable;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.Probe.Request;
import org.virtiobackend.virtio.VirtioDeviceId;

/** The network device, as far as its configuration and its control queue tell (virtio 1.4 5.1.4 and 5.1.9.5). */
public final class NetChecks implements Chapter {
    private static final int CONFIG_MAC = 0;
    private static final int CONFIG_STATUS = 6;
    private static final int CONFIG_MAX_PAIRS = 8;
    private static final int CONFIG_MTU = 10;
    private static final int CONFIG_SPEED = 12;
    private static final int CONFIG_DUPLEX = 16;
    private static final int CONFIG_RSS_KEY = 17;
    private static final int CONFIG_RSS_TABLE = 18;
    private static final int MAC_BYTES = 6;
    private static final byte CLASS_RX = 0;
    private static final byte CLASS_MAC = 1;
    private static final byte MAC_ADDR_SET = 1;
    private static final byte OK = 0;

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    private static boolean offers(Bench bench, String feature) throws IOException {
        long mask = FeatureTable.mask("VIRTIO_NET_F_" + feature, VirtioDeviceId.NET);
        return (bench.driver().offeredFeatures() & mask) != 0;
    }

    @Check(
            id = "net.offer",
            clauses = {
                "NET-CONFIG-DEV-01",
                "NET-CONFIG-DEV-02",
                "NET-CONFIG-DEV-03",
                "NET-CONFIG-DEV-07",
                "NET-CONFIG-DEV-08",
                "NET-CONFIG-DEV-13",
                "NET-CONFIG-DEV-14"
            },
            scope = Scope.OFFER)
    public void offer(Bench bench) throws IOException {
        if (bench.about("NET-CONFIG-DEV-01")) {
            long pairs = bench.registers().device(CONFIG_MAX_PAIRS, 2);
            bench.that(pairs >= 1 && pairs <= 0x8000, "max_virtqueue_pairs is " + pairs);
        }
        if (bench.about("NET-CONFIG-DEV-02")) {
            long mtu = bench.registers().device(CONFIG_MTU, 2);
            bench.that(mtu >= 68, "mtu is " + mtu);
            bench.about("NET-CONFIG-DEV-03");
            bench.that(mtu >= 1280, "mtu is " + mtu);
        }
        if (bench.about("NET-CONFIG-DEV-07")) {
            bench.that(bench.registers().device(CONFIG_RSS_KEY, 1) >= 40, "rss_max_key_size is below 40");
        }
        if (bench.about("NET-CONFIG-DEV-08")) {
            long entries = bench.registers().device(CONFIG_RSS_TABLE, 2);
            bench.that(entries >= 128, "rss_max_indirection_table_length is " + entries);
        }
        bench.about("NET-CONFIG-DEV-13");
        bench.that(!offers(bench, "HASH_REPORT") || offers(bench, "CTRL_VQ"), "HASH_REPORT without CTRL_VQ");
        bench.about("NET-CONFIG-DEV-14");
        bench.that(!offers(bench, "CTRL_RX_EXTRA") || offers(bench, "CTRL_VQ"), "CTRL_RX_EXTRA without CTRL_VQ");
    }

    @Check(
            id = "net.speed",
            clauses = {"NET-CONFIG-DEV-10", "NET-CONFIG-DEV-11"})
    public void speed(Bench bench) throws IOException {
        bench.negotiate();
        bench.about("NET-CONFIG-DEV-10");
        long speed = bench.registers().device(CONFIG_SPEED, 4);
        bench.that(speed <= 0x7fff_ffffL || speed == 0xffff_ffffL, "speed is 0x" + Long.toHexString(speed));
        bench.about("NET-CONFIG-DEV-11");
        long duplex = bench.registers().device(CONFIG_DUPLEX, 1);
        bench.that(duplex <= 1 || duplex == 0xff, "duplex is " + duplex);
    }

    /** Over a reset, negotiation, traffic of the control queue, and a change if one can be made. */
    @Check(
            id = "net.configuration-stays",
            clauses = {"NET-CONFIG-DEV-04", "NET-CONFIG-DEV-12"},
            scope = Scope.FITTING)
    public void stays(Bench bench) throws IOException {
        bench.about("NET-CONFIG-DEV-04");
        byte[] before = DeviceConfig.read(bench);
        LiveQueue queue = bench.start();
        byte[] early = DeviceConfig.read(bench);
        command(queue, CLASS_RX, (byte) 0, (byte) 0);
        if (bench.canChangeConfiguration()) {
            bench.changeConfiguration();
            bench.stays(() -> false);
        }
        byte[] late = DeviceConfig.read(bench);
        bench.that(
                Arrays.equals(before, CONFIG_MTU, CONFIG_SPEED, early, CONFIG_MTU, CONFIG_SPEED)
                        && Arrays.equals(before, CONFIG_MTU, CONFIG_SPEED, late, CONFIG_MTU, CONFIG_SPEED),
                "mtu changes");
        bench.about("NET-CONFIG-DEV-12");
        if ((early[CONFIG_STATUS] & late[CONFIG_STATUS] & 1) != 0) {
            bench.that(
                    Arrays.equals(early, CONFIG_SPEED, CONFIG_RSS_KEY, late, CONFIG_SPEED, CONFIG_RSS_KEY),
                    "speed or duplex changes while the link is up");
        }
    }

    @Check(
            id = "net.receive-modes",
            clauses = {"NET-FILTER-DEV-01", "NET-FILTER-DEV-05"})
    public void receiveModes(Bench bench) throws IOException {
        LiveQueue queue = bench.start();
        for (byte mode = 0; mode <= 5; mode++) {
            bench.about(mode < 2 ? "NET-FILTER-DEV-01" : "NET-FILTER-DEV-05");
            for (byte on = 1; on >= 0; on--) {
                bench.equal(OK, command(queue, CLASS_RX, mode, on), "ack of receive mode " + mode + " set to " + on);
            }
        }
    }

    @Check(id = "net.mac-address", clauses = "NET-MAC-DEV-03")
    public void macAddress(Bench bench) throws IOException {
        bench.about("NET-MAC-DEV-03");
        LiveQueue queue = bench.start();
        byte[] before = mac(bench);
        byte[] other = before.clone();
        other[MAC_BYTES - 1] ^= 0x11;
        bench.equal(OK, command(queue, CLASS_MAC, MAC_ADDR_SET, other), "ack of MAC_ADDR_SET");
        bench.that(Arrays.equals(other, mac(bench)), "mac in the configuration is not the address that was set");
        bench.equal(OK, command(queue, CLASS_MAC, MAC_ADDR_SET, before), "ack of MAC_ADDR_SET");
    }

    private static byte[] mac(Bench bench) throws IOException {
        return Arrays.copyOfRange(DeviceConfig.read(bench), CONFIG_MAC, CONFIG_MAC + MAC_BYTES);
    }

    private static int command(LiveQueue queue, byte group, byte number, byte... data) throws IOException {
        byte[] out = new byte[2 + data.length];
        out[0] = group;
        out[1] = number;
        System.arraycopy(data, 0, out, 2, data.length);
        Sent sent = queue.put(new Request(out, 1, (in, used) -> null), Shape.PLAIN, 0xa5);
        queue.go();
        queue.await(sent);
        return sent.in().get()[0] & 0xff;
    }
}
