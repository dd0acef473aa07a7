package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.net.VirtioNet.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.conformance.checks.NetSession.Received;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Which receive queue a frame goes to, and its hash (virtio 1.4 5.1.9.4.3, 5.1.9.5.6 and 5.1.9.5.7). */
public final class NetQueueChecks implements Chapter {
    private static final int FLOWS = 6;
    private static final int PAIRS = 2;
    private static final int SMALL = 1600;
    private static final int COUNT = 8;
    /** Receive queues of a small indirection table. */
    private static final int[] TABLE = {0, 1, 1, 0};

    private static final int UNCLASSIFIED = 1;
    private static final int ALL_TYPES = 0x3f;

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    /** Null when the device has one pair only. */
    private static NetSession start(Bench bench, String... clauses) throws IOException {
        if (bench.registers().device(CONFIG_MAX_VIRTQUEUE_PAIRS, 2) < PAIRS) {
            for (String clause : clauses) {
                bench.skip(clause, "the device has a single queue pair");
            }
            return null;
        }
        boolean large = !bench.has(VIRTIO_NET_F_MRG_RXBUF);
        return large ? NetSession.start(bench, PAIRS, 0, 0) : NetSession.start(bench, PAIRS, COUNT, SMALL);
    }

    private static byte[] flow(int flow) {
        boolean six = flow % 2 == 1;
        int protocol = flow / 2 % 2 == 1 ? NetFrames.TCP : NetFrames.UDP;
        return NetFrames.ip(six, protocol, flow, NetFrames.TCP_ACK, NetFrames.bytes(64, flow));
    }

    private static void pairs(NetSession net, int pairs) throws IOException {
        net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, pairs, 0);
    }

    /** Lets frames of several flows arrive; returns how each was received. */
    private static List<Received> flows(NetSession net) throws IOException {
        List<Received> received = new ArrayList<>();
        for (int flow = 0; flow < FLOWS; flow++) {
            byte[] frame = flow(flow);
            net.arrive(NetPacket.complete(frame));
            List<Received> through = net.through(frame);
            received.add(through.get(through.size() - 1));
        }
        return received;
    }

    @Check(
            id = "net.queue-pairs",
            clauses = {"NET-MQ-DEV-01", "NET-MQ-DEV-02"},
            scope = Scope.FITTING)
    public void queuePairs(Bench bench) throws IOException {
        bench.about("NET-MQ-DEV-01");
        NetSession net = start(bench, "NET-MQ-DEV-01", "NET-MQ-DEV-02");
        if (net == null) {
            return;
        }
        for (Received received : flows(net)) {
            bench.equal(0, received.queue(), "after a reset, the pair whose queue receives a frame");
        }
        bench.about("NET-MQ-DEV-02");
        pairs(net, PAIRS);
        flows(net);
        pairs(net, 1);
        for (Received received : flows(net)) {
            bench.equal(0, received.queue(), "with one pair set, the pair whose queue receives a frame");
        }
    }

    private static void resetQueue(Bench bench, int queue) throws IOException {
        bench.registers().selectQueue(queue);
        bench.registers().common(QUEUE_RESET, 2, 1);
        bench.await("queue_reset reads 0", () -> bench.common(QUEUE_RESET, 2) == 0);
    }

    @Check(
            id = "net.queue-reset",
            clauses = {"NET-MQ-DEV-03", "NET-MQ-DEV-04"},
            scope = Scope.FITTING)
    public void queueReset(Bench bench) throws IOException {
        bench.about("NET-MQ-DEV-03");
        NetSession net = start(bench, "NET-MQ-DEV-03", "NET-MQ-DEV-04");
        if (net == null) {
            return;
        }
        pairs(net, PAIRS);
        resetQueue(bench, net.receiveQueue(0).index());
        for (int flow = 0; flow < FLOWS; flow++) {
            net.arrive(NetPacket.complete(flow(flow)));
        }
        int came = 0;
        while (came < FLOWS
                && bench.reachesSoon(() -> net.receiveQueue(1).ring().hasUsed())) {
            came += net.poll() == null ? 0 : 1;
        }
        bench.equal(FLOWS, came, "frames received on the other queue while the first is reset");
        bench.about("NET-MQ-DEV-04");
        resetQueue(bench, net.receiveQueue(1).index());
        for (int i = 0; i < FLOWS; i++) {
            net.arrive(NetPacket.complete(net.frame(NetFrames.BROADCAST, 100 + i)));
        }
        net.renewReceiveQueue(0);
        net.renewReceiveQueue(1);
        bench.that(net.deliver().isEmpty(), "frames that came while all receive queues were reset are delivered later");
    }

    @Check(
            id = "net.rss",
            clauses = {"NET-RSS-DEV-01", "NET-RSS-DEV-02"},
            scope = Scope.FITTING)
    public void rss(Bench bench) throws IOException {
        bench.about("NET-RSS-DEV-01");
        NetSession net = start(bench, "NET-RSS-DEV-01", "NET-RSS-DEV-02");
        if (net == null) {
            return;
        }
        int types = types(bench);
        net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, NetHash.rssConfig(types, TABLE, UNCLASSIFIED, 1));
        int flow = 0;
        for (Received received : flows(net)) {
            byte[] frame = flow(flow++);
            int hash = NetHash.of(frame, types);
            boolean hashed = NetHash.report(frame, types) != 0;
            int expected = hashed ? TABLE[hash & TABLE.length - 1] : UNCLASSIFIED;
            bench.about(hashed ? "NET-RSS-DEV-01" : "NET-RSS-DEV-02");
            bench.equal(expected, received.queue(), "pair whose queue receives a frame with hash " + hash);
        }
        bench.about("NET-RSS-DEV-02");
        byte[] arp = NetFrames.arp(7);
        net.arrive(NetPacket.complete(arp));
        List<Received> through = net.through(arp);
        bench.equal(UNCLASSIFIED, through.get(through.size() - 1).queue(), "pair whose queue receives ARP");
    }

    private static int types(Bench bench) throws IOException {
        return (int) bench.registers().device(CONFIG_SUPPORTED_HASH_TYPES, 4) & ALL_TYPES;
    }

    @Check(id = "net.rss-reset", clauses = "NET-RSS-DEV-03", scope = Scope.FITTING)
    public void rssReset(Bench bench) throws IOException {
        bench.about("NET-RSS-DEV-03");
        NetSession net = start(bench, "NET-RSS-DEV-03");
        if (net == null) {
            return;
        }
        int[] second = {1};
        net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, NetHash.rssConfig(0, second, 0, 1));
        net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, NetHash.rssConfig(types(bench), second, 0, 1));
        resetQueue(bench, net.receiveQueue(1).index());
        byte[] udp = flow(0);
        for (int i = 0; i < FLOWS; i++) {
            net.arrive(NetPacket.complete(udp));
        }
        byte[] arp = NetFrames.arp(8);
        net.arrive(NetPacket.complete(arp));
        bench.equal(1, net.through(arp).size(), "frames received up to one for the queue that is not reset");
        net.renewReceiveQueue(1);
        byte[] last = flow(2);
        net.arrive(NetPacket.complete(last));
        bench.equal(1, net.through(last).size(), "frames received once the queue is enabled again");
    }

    @Check(id = "net.hash-report", clauses = "NET-HASH-DEV-01", scope = Scope.FITTING)
    public void hashReport(Bench bench) throws IOException {
        bench.about("NET-HASH-DEV-01");
        NetSession net = NetSession.start(bench);
        int types = types(bench);
        if (bench.has(VIRTIO_NET_F_RSS)) {
            int[] data = NetHash.rssConfig(types, new int[] {0}, 0, 1);
            net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, data);
        } else {
            net.order(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, NetHash.hashConfig(types));
        }
        int flow = 0;
        for (Received received : flows(net)) {
            byte[] frame = flow(flow++);
            bench.equal(NetHash.of(frame, types) & 0xffff_ffffL, received.hash() & 0xffff_ffffL, "hash_value");
            bench.equal(NetHash.report(frame, types), received.hashReport(), "hash_report");
        }
    }
}
