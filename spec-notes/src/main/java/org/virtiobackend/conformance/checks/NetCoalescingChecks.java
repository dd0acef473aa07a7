package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.net.VirtioNet.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Coalesced notifications (virtio 1.4 5.1.9.5.10). */
public final class NetCoalescingChecks implements Chapter {
    private static final int PACKETS = 0x11121314;
    private static final int MICROS = 0x21222324;
    private static final int OTHER_PACKETS = 0x31323334;
    private static final int OTHER_MICROS = 0x41424344;
    private static final int RECEIVE = 0;
    private static final int TRANSMIT = 1;
    private static final int PARAMETERS = 8;

    /** What VQ_GET answers. */
    private record Parameters(boolean accepted, int packets, int micros) {}

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    private static int[] data(int... numbers) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int number : numbers) {
            bytes.putInt(number);
        }
        int[] data = new int[bytes.capacity()];
        for (int i = 0; i < data.length; i++) {
            data[i] = bytes.get(i) & 0xff;
        }
        return data;
    }

    private static int set(NetSession net, int queueAndReserved, int packets, int micros) throws IOException {
        return net.command(
                VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, data(queueAndReserved, packets, micros));
    }

    private static int setAll(NetSession net, int kind, int packets, int micros) throws IOException {
        int command = kind == TRANSMIT ? VIRTIO_NET_CTRL_NOTF_COAL_TX_SET : VIRTIO_NET_CTRL_NOTF_COAL_RX_SET;
        return net.command(VIRTIO_NET_CTRL_NOTF_COAL, command, data(packets, micros));
    }

    /** 5.1.9.5 leaves open whether the parameters stand before or behind ack. */
    private static Parameters get(NetSession net, int queueAndReserved) throws IOException {
        byte[] in = net.query(
                1 + PARAMETERS, VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET, data(queueAndReserved));
        boolean refused = in[0] == VIRTIO_NET_ERR && in[PARAMETERS] != VIRTIO_NET_OK
                || in[PARAMETERS] == VIRTIO_NET_ERR && in[0] != VIRTIO_NET_OK;
        boolean ackLast = in[0] != VIRTIO_NET_OK;
        ByteBuffer bytes = ByteBuffer.wrap(in).order(ByteOrder.LITTLE_ENDIAN);
        int at = ackLast ? 0 : 1;
        return new Parameters(!refused, bytes.getInt(at), bytes.getInt(at + 4));
    }

    private static void expect(Bench bench, NetSession net, int queue, int packets, int micros) throws IOException {
        Parameters present = get(net, queue);
        bench.that(present.accepted(), "VQ_GET of queue " + queue + " is refused");
        bench.equal(packets & 0xffff_ffffL, present.packets() & 0xffff_ffffL, "max_packets of queue " + queue);
        bench.equal(micros & 0xffff_ffffL, present.micros() & 0xffff_ffffL, "max_usecs of queue " + queue);
    }

    @Check(
            id = "net.coalescing",
            clauses = {"NET-COAL-DEV-01", "NET-COAL-DEV-02", "NET-COAL-DEV-03", "NET-COAL-DEV-04"},
            scope = Scope.FITTING)
    public void parameters(Bench bench) throws IOException {
        bench.about("NET-COAL-DEV-03");
        NetSession net = NetSession.start(bench);
        for (int queue : new int[] {RECEIVE, TRANSMIT}) {
            bench.about("NET-COAL-DEV-03");
            if (set(net, queue, PACKETS, MICROS) == VIRTIO_NET_OK) {
                expect(bench, net, queue, PACKETS, MICROS);
            }
            bench.about("NET-COAL-DEV-01");
            if (set(net, queue, OTHER_PACKETS, OTHER_MICROS) == VIRTIO_NET_OK) {
                bench.equal(
                        VIRTIO_NET_OK,
                        set(net, queue | 0xffff << 16, PACKETS, MICROS),
                        "ack of VQ_SET with something in reserved");
                expect(bench, net, queue | 0xffff << 16, PACKETS, MICROS);
            }
            if (bench.about("NET-COAL-DEV-02") && setAll(net, queue, OTHER_PACKETS, OTHER_MICROS) == VIRTIO_NET_OK) {
                expect(bench, net, queue, OTHER_PACKETS, OTHER_MICROS);
            }
        }
        bench.about("NET-COAL-DEV-04");
        int control = NetSession.controlQueue(bench);
        for (int queue : new int[] {control, control + 1, 0xffff}) {
            bench.equal(VIRTIO_NET_ERR, set(net, queue, PACKETS, MICROS), "ack of VQ_SET of queue " + queue);
            bench.that(!get(net, queue).accepted(), "VQ_GET of queue " + queue + " is answered");
        }
        if (control > 2) {
            bench.equal(VIRTIO_NET_ERR, set(net, 2, PACKETS, MICROS), "ack of VQ_SET of a queue that is not enabled");
        }
    }

    @Check(
            id = "net.coalescing-queue-reset",
            clauses = {"NET-COAL-DEV-05", "NET-COAL-DEV-06"},
            scope = Scope.FITTING)
    public void queueReset(Bench bench) throws IOException {
        bench.about("NET-COAL-DEV-05");
        NetSession net = NetSession.start(bench);
        bench.about("NET-COAL-DEV-05");
        afterReset(bench, net, TRANSMIT);
        bench.about("NET-COAL-DEV-06");
        afterReset(bench, net, RECEIVE);
    }

    private static void afterReset(Bench bench, NetSession net, int queue) throws IOException {
        set(net, queue, OTHER_PACKETS, OTHER_MICROS);
        renew(bench, queue);
        expect(bench, net, queue, 0, 0);
        if (bench.has(VIRTIO_NET_F_NOTF_COAL) && setAll(net, queue, PACKETS, MICROS) == VIRTIO_NET_OK) {
            set(net, queue, OTHER_PACKETS, OTHER_MICROS);
            renew(bench, queue);
            expect(bench, net, queue, PACKETS, MICROS);
        }
    }

    private static void renew(Bench bench, int queue) throws IOException {
        bench.registers().selectQueue(queue);
        bench.registers().common(QUEUE_RESET, 2, 1);
        bench.await("queue_reset reads 0", () -> bench.common(QUEUE_RESET, 2) == 0);
        bench.queue(queue, 16, bench.queueVector());
    }

    @Check(id = "net.coalescing-reset", clauses = "NET-COAL-DEV-09", scope = Scope.FITTING)
    public void deviceReset(Bench bench) throws IOException {
        bench.about("NET-COAL-DEV-09");
        NetSession net = NetSession.start(bench);
        for (int queue : new int[] {RECEIVE, TRANSMIT}) {
            if (bench.has(VIRTIO_NET_F_NOTF_COAL)) {
                setAll(net, queue, PACKETS, MICROS);
            }
            set(net, queue, OTHER_PACKETS, OTHER_MICROS);
        }
        bench.reset();
        net = NetSession.start(bench);
        expect(bench, net, RECEIVE, 0, 0);
        expect(bench, net, TRANSMIT, 0, 0);
    }

    /** More frames than one notification is held back for, and no notification is wanted. */
    @Check(id = "net.coalescing-suppressed", clauses = "NET-COAL-DEV-08", scope = Scope.FITTING, when = "msix")
    public void suppressed(Bench bench) throws IOException {
        bench.about("NET-COAL-DEV-08");
        NetSession net = NetSession.start(bench);
        net.suppressInterrupts(); // before anything is used: no notification can be on its way
        CommonConfigChecks.drain(bench);
        if (bench.has(VIRTIO_NET_F_NOTF_COAL)) {
            setAll(net, RECEIVE, 2, 100);
        } else {
            set(net, RECEIVE, 2, 100);
        }
        for (int i = 0; i < 6; i++) {
            byte[] frame = net.frame(NetFrames.BROADCAST, 100);
            net.arrive(NetPacket.complete(frame));
            net.through(frame);
        }
        bench.that(bench.stays(() -> CommonConfigChecks.drain(bench) > 0), "interrupt although none is wanted");
    }
}
