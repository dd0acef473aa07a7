package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Which frames the device delivers (virtio 1.4 5.1.9.5.1 to 5.1.9.5.4). */
public final class NetFilterChecks implements Chapter {
    private static final int LENGTH = 80;
    private static final int VLAN = 42;
    private static final int OTHER_VLAN = 43;

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    private static void mode(NetSession net, int mode, boolean on) throws IOException {
        net.order(VIRTIO_NET_CTRL_RX, mode, on ? 1 : 0);
    }

    /** Judges the clause in question. */
    private static void expect(Bench bench, NetSession net, boolean delivered, byte[] to, String what)
            throws IOException {
        boolean came = net.isDelivered(net.frame(to, LENGTH));
        bench.that(came == delivered, what + (came ? " is delivered" : " is not delivered"));
    }

    @Check(
            id = "net.filter-all",
            clauses = {"NET-FILTER-DEV-02", "NET-FILTER-DEV-03", "NET-FILTER-DEV-04", "NET-FILTER-DEV-06"},
            scope = Scope.FITTING)
    public void all(Bench bench) throws IOException {
        bench.about("NET-FILTER-DEV-04");
        NetSession net = NetSession.start(bench);
        if (bench.about("NET-FILTER-DEV-04")) {
            mode(net, VIRTIO_NET_CTRL_RX_ALLMULTI, true);
            expect(bench, net, true, NetFrames.GROUP, "with ALLMULTI, multicast");
            mode(net, VIRTIO_NET_CTRL_RX_ALLMULTI, false);
        }
        if (bench.about("NET-FILTER-DEV-06")) {
            mode(net, VIRTIO_NET_CTRL_RX_ALLUNI, true);
            expect(bench, net, true, NetFrames.STRANGER, "with ALLUNI, unicast for another address");
            mode(net, VIRTIO_NET_CTRL_RX_ALLUNI, false);
        }
        if (bench.about("NET-FILTER-DEV-02")) {
            mode(net, VIRTIO_NET_CTRL_RX_PROMISC, true);
            expectEverything(bench, net);
        }
        if (bench.about("NET-FILTER-DEV-03")) {
            for (int no = VIRTIO_NET_CTRL_RX_NOMULTI; no <= VIRTIO_NET_CTRL_RX_NOBCAST; no++) {
                mode(net, no, true);
                expectEverything(bench, net);
            }
        }
    }

    private static void expectEverything(Bench bench, NetSession net) throws IOException {
        expect(bench, net, true, NetFrames.STRANGER, "with PROMISC, unicast for another address");
        expect(bench, net, true, NetFrames.GROUP, "with PROMISC, multicast");
        expect(bench, net, true, NetFrames.BROADCAST, "with PROMISC, broadcast");
    }

    @Check(
            id = "net.filter-none",
            clauses = {
                "NET-FILTER-DEV-07",
                "NET-FILTER-DEV-08",
                "NET-FILTER-DEV-09",
                "NET-FILTER-DEV-10",
                "NET-FILTER-DEV-11",
                "NET-FILTER-DEV-12",
                "NET-FILTER-DEV-13"
            },
            scope = Scope.FITTING)
    public void none(Bench bench) throws IOException {
        bench.about("NET-FILTER-DEV-07");
        NetSession net = NetSession.start(bench);
        mode(net, VIRTIO_NET_CTRL_RX_ALLUNI, true);
        net.sendMarkersTo(NetFrames.STRANGER);
        noMulticast(bench, net);
        bench.about("NET-FILTER-DEV-12");
        mode(net, VIRTIO_NET_CTRL_RX_NOBCAST, true);
        expect(bench, net, false, NetFrames.BROADCAST, "with NOBCAST, broadcast");
        if (bench.has(VIRTIO_NET_F_CTRL_RX)) {
            bench.about("NET-FILTER-DEV-13");
            mode(net, VIRTIO_NET_CTRL_RX_ALLMULTI, true);
            expect(bench, net, false, NetFrames.BROADCAST, "with NOBCAST and ALLMULTI, broadcast");
        }
        bench.about("NET-FILTER-DEV-10");
        mode(net, VIRTIO_NET_CTRL_RX_NOBCAST, false);
        mode(net, VIRTIO_NET_CTRL_RX_ALLUNI, false);
        net.sendMarkersTo(NetFrames.BROADCAST);
        mode(net, VIRTIO_NET_CTRL_RX_NOUNI, true);
        expect(bench, net, false, NetSession.address(bench), "with NOUNI, unicast for the device");
        bench.about("NET-FILTER-DEV-11");
        mode(net, VIRTIO_NET_CTRL_RX_ALLUNI, true);
        expect(bench, net, false, NetSession.address(bench), "with NOUNI and ALLUNI, unicast for the device");
        expect(bench, net, false, NetFrames.STRANGER, "with NOUNI and ALLUNI, unicast for another address");
    }

    private static void noMulticast(Bench bench, NetSession net) throws IOException {
        if (bench.has(VIRTIO_NET_F_CTRL_RX)) {
            net.order(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table(null, NetFrames.GROUP));
        }
        mode(net, VIRTIO_NET_CTRL_RX_NOMULTI, true);
        expect(bench, net, false, NetFrames.GROUP, "with NOMULTI, multicast");
        bench.about("NET-FILTER-DEV-09");
        expect(bench, net, true, NetFrames.BROADCAST, "with NOMULTI, broadcast");
        if (bench.has(VIRTIO_NET_F_CTRL_RX)) {
            bench.about("NET-FILTER-DEV-08");
            mode(net, VIRTIO_NET_CTRL_RX_ALLMULTI, true);
            expect(bench, net, false, NetFrames.GROUP, "with NOMULTI and ALLMULTI, multicast");
            mode(net, VIRTIO_NET_CTRL_RX_ALLMULTI, false);
        }
        mode(net, VIRTIO_NET_CTRL_RX_NOMULTI, false);
    }

    /** Two tables of one address or none. */
    private static int[] table(byte[] unicast, byte[] multicast) {
        int[] data = new int[4 + (unicast == null ? 0 : NetFrames.MAC_BYTES) + 4 + NetFrames.MAC_BYTES];
        int at = 4;
        data[0] = unicast == null ? 0 : 1;
        for (int i = 0; unicast != null && i < NetFrames.MAC_BYTES; i++) {
            data[at++] = unicast[i] & 0xff;
        }
        data[at] = 1;
        at += 4;
        for (int i = 0; i < NetFrames.MAC_BYTES; i++) {
            data[at++] = multicast[i] & 0xff;
        }
        return data;
    }

    @Check(
            id = "net.mac-table",
            clauses = {"NET-MAC-DEV-01", "NET-MAC-DEV-02", "NET-MAC-DEV-04"},
            scope = Scope.FITTING)
    public void macTable(Bench bench) throws IOException {
        bench.about("NET-MAC-DEV-04");
        NetSession net = NetSession.start(bench);
        expect(bench, net, false, NetFrames.STRANGER, "unicast for another address");
        bench.about("NET-MAC-DEV-02");
        int[] table = table(NetFrames.STRANGER, NetFrames.GROUP);
        net.order(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table);
        expect(bench, net, true, NetFrames.STRANGER, "unicast for an address of the table");
        expect(bench, net, true, NetFrames.GROUP, "multicast for an address of the table");
        bench.about("NET-MAC-DEV-01");
        bench.reset();
        net = NetSession.start(bench);
        expect(bench, net, false, NetFrames.STRANGER, "unicast for an address that was in the table before a reset");
    }

    @Check(
            id = "net.vlan",
            clauses = {"NET-VLAN-DEV-01", "NET-VLAN-DEV-02", "NET-VLAN-DEV-03"},
            scope = Scope.FITTING)
    public void vlan(Bench bench) throws IOException {
        bench.about("NET-VLAN-DEV-01");
        NetSession net = NetSession.start(bench);
        for (int vlan : new int[] {1, VLAN, 4094}) {
            bench.that(
                    isTaggedDelivered(net, vlan) || bench.has(VIRTIO_NET_F_CTRL_VLAN), "VLAN " + vlan + " is dropped");
        }
        if (!bench.has(VIRTIO_NET_F_CTRL_VLAN)) {
            return;
        }
        bench.about("NET-VLAN-DEV-03");
        bench.that(!isTaggedDelivered(net, OTHER_VLAN), "a VLAN that is not in the table is delivered");
        bench.about("NET-VLAN-DEV-02");
        net.order(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VLAN, 0);
        bench.that(isTaggedDelivered(net, VLAN), "a VLAN of the table is dropped");
        bench.about("NET-VLAN-DEV-03");
        bench.that(!isTaggedDelivered(net, OTHER_VLAN), "a VLAN that is not in the table is delivered");
        net.order(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VLAN, 0);
        bench.that(!isTaggedDelivered(net, VLAN), "a VLAN that was taken out of the table is delivered");
    }

    private static boolean isTaggedDelivered(NetSession net, int vlan) throws IOException {
        return net.isDelivered(NetFrames.tagged(vlan, net.frame(NetFrames.BROADCAST, LENGTH)));
    }

    @Check(id = "net.announce", clauses = "NET-ANNOUNCE-DEV-01", scope = Scope.FITTING)
    public void announce(Bench bench) throws IOException {
        bench.about("NET-ANNOUNCE-DEV-01");
        NetSession net = NetSession.start(bench);
        bench.changeConfiguration();
        if (!bench.reaches(() -> isAsked(bench))) {
            bench.skip(
                    "NET-ANNOUNCE-DEV-01", "the change that was made does not make the device ask for announcements");
            return;
        }
        net.order(VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK);
        bench.that(!isAsked(bench), "VIRTIO_NET_S_ANNOUNCE is set after ANNOUNCE_ACK was used");
    }

    private static boolean isAsked(Bench bench) throws IOException {
        return (bench.registers().device(CONFIG_STATUS, 2) & VIRTIO_NET_S_ANNOUNCE) != 0;
    }

    /** An offload that was switched off is off, whatever is on its way. */
    @Check(id = "net.guest-offloads", clauses = "NET-OFFLOADS-DEV-01", scope = Scope.FITTING)
    public void guestOffloads(Bench bench) throws IOException {
        bench.about("NET-OFFLOADS-DEV-01");
        NetSession net = NetSession.start(bench);
        net.order(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 0, 0, 0, 0, 0, 0, 0, 0);
        byte[] sound = NetFrames.ip(false, NetFrames.UDP, 1, 0, NetFrames.bytes(99, 4));
        boolean partial = net.passes(VIRTIO_NET_F_CSUM);
        NetPacket packet = partial ? NetFrames.partial(sound) : NetPacket.complete(sound);
        for (NetSession.Received received : net.deliver(packet)) {
            NetPacket came = received.packet();
            bench.that(came.flags() == 0 && !came.isSegmented(), "with all offloads off, received: " + came);
            bench.that(Arrays.equals(came.frame(), sound), "with all offloads off, the frame is not complete");
        }
    }
}
