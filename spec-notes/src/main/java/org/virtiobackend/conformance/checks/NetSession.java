package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Buffer;
import org.virtiobackend.conformance.runner.CheckFailure;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.conformance.runner.Probe.Request;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.conformance.runner.RawRing.Used;

/**
 * A live network device: frames go out by its transmit queues, come in by its receive queues, commands are carried out. What does
 * not come is found out without waiting, by a frame that is sent after it. One thread, one run of a check.
 */
final class NetSession {
    /** A frame that was received, and how. */
    record Received(
            int queue,
            NetPacket packet,
            int numBuffers,
            int hash,
            int hashReport,
            List<Integer> sizes,
            List<Long> lengths,
            boolean together) {}

    private static final int RING = 16;
    private static final int NUM_BUFFERS_AT = 10;
    private static final int BEGINNING = 20;
    private static final int LONGEST_UNSEGMENTED = 65562;
    private static final int USUAL_BUFFER = 1600;
    private static final int USUAL_COUNT = 8;
    private static final long RECEIVE_OFFLOADS = VIRTIO_NET_F_GUEST_TSO4
            | VIRTIO_NET_F_GUEST_TSO6
            | VIRTIO_NET_F_GUEST_UFO
            | VIRTIO_NET_F_GUEST_USO4
            | VIRTIO_NET_F_GUEST_USO6;

    private final Bench bench;
    private final int headerBytes;
    private final List<LiveQueue> receive = new ArrayList<>();
    private final List<LiveQueue> transmit = new ArrayList<>();
    private final List<Map<Integer, Buffer>> posted = new ArrayList<>();
    private LiveQueue control;
    private Buffer outgoing;
    private byte[] markersTo = NetFrames.BROADCAST;
    private int number;
    private int strays;

    private NetSession(Bench bench) {
        this.bench = bench;
        this.headerBytes = bench.has(VIRTIO_NET_F_HASH_REPORT) ? 20 : NetPacket.HEADER_BYTES;
    }

    /** One queue pair and usual buffers. */
    static NetSession start(Bench bench) throws IOException {
        return start(bench, 1, 0, 0);
    }

    /** Negotiates, goes live and gives the device receive buffers of so many bytes; 0 for the usual ones. */
    static NetSession start(Bench bench, int pairs, int buffers, int bufferBytes) throws IOException {
        NetSession session = new NetSession(bench);
        bench.negotiate();
        bench.mapConfigVector(bench.configVector());
        for (int pair = 0; pair < pairs; pair++) {
            session.receive.add(bench.queue(2 * pair, RING, bench.queueVector()));
            session.transmit.add(bench.queue(2 * pair + 1, RING, bench.queueVector()));
        }
        if (bench.has(VIRTIO_NET_F_CTRL_VQ)) {
            session.control = bench.queue(controlQueue(bench), RING, bench.queueVector());
        }
        bench.driverOk();
        boolean large = !bench.has(VIRTIO_NET_F_MRG_RXBUF) && bench.has(RECEIVE_OFFLOADS);
        int usual = large ? LONGEST_UNSEGMENTED + session.headerBytes : USUAL_BUFFER;
        int count = buffers > 0 ? buffers : large ? USUAL_COUNT / 2 / pairs : USUAL_COUNT;
        for (int pair = 0; pair < pairs; pair++) {
            session.posted.add(new HashMap<>());
            session.giveBuffers(pair, count, bufferBytes > 0 ? bufferBytes : usual);
        }
        if (bench.peer() != null) {
            bench.await("the device is at the other end of the link", bench.peer()::isConnected);
            bench.peer().clear();
        }
        return session;
    }

    /** Index of the control queue (virtio 1.4 5.1.2). */
    static int controlQueue(Bench bench) throws IOException {
        boolean many = bench.has(VIRTIO_NET_F_MQ) || bench.has(VIRTIO_NET_F_RSS);
        return many ? 2 * pairs(bench) : 2;
    }

    /** max_virtqueue_pairs, or 1. */
    static int pairs(Bench bench) throws IOException {
        boolean many = bench.has(VIRTIO_NET_F_MQ) || bench.has(VIRTIO_NET_F_RSS);
        return many ? (int) bench.registers().device(CONFIG_MAX_VIRTQUEUE_PAIRS, 2) : 1;
    }

    /** The device's address, or one that is not, when it has not told its own. */
    static byte[] address(Bench bench) throws IOException {
        if (!bench.has(VIRTIO_NET_F_MAC)) {
            return NetFrames.STRANGER;
        }
        return Arrays.copyOfRange(DeviceConfig.read(bench), CONFIG_MAC, CONFIG_MAC + NetFrames.MAC_BYTES);
    }

    private void giveBuffers(int pair, int count, int bytes) throws IOException {
        for (int i = 0; i < count; i++) {
            post(pair, bench.buffer(bytes));
        }
        receive.get(pair).go();
    }

    private void post(int pair, Buffer buffer) {
        int token = receive.get(pair).ring().chain(List.of(Piece.writable(buffer)));
        posted.get(pair).put(token, buffer);
    }

    LiveQueue receiveQueue(int pair) {
        return receive.get(pair);
    }

    /** Enables a receive queue again after its reset. */
    void renewReceiveQueue(int pair) throws IOException {
        List<Buffer> buffers = List.copyOf(posted.get(pair).values());
        posted.get(pair).clear();
        receive.set(pair, bench.queue(2 * pair, RING, bench.queueVector()));
        buffers.forEach(buffer -> post(pair, buffer));
        receive.get(pair).go();
    }

    /** Asks for no more used buffer notifications, of any queue. */
    void suppressInterrupts() {
        receive.forEach(queue -> queue.ring().suppressInterrupts());
        transmit.forEach(queue -> queue.ring().suppressInterrupts());
        if (control != null) {
            control.ring().suppressInterrupts();
        }
    }

    /** Whether frames can come in that leave something undone; around a loop as far as they may be transmitted. */
    boolean passes(long transmitFeature) {
        return bench.peer().passesOffloads() && (!bench.peer().isEcho() || bench.has(transmitFeature));
    }

    /** Where the frames go that follow those in question: to an address that is sure to be received. */
    void sendMarkersTo(byte[] mac) {
        markersTo = mac;
    }

    /** A frame unlike any other of this session. */
    byte[] frame(byte[] to, int length) {
        return NetFrames.plain(to, length, ++number);
    }

    // ---- out

    /** Sends a frame and waits for its buffer. */
    void transmit(int pair, NetPacket packet) throws IOException {
        byte[] header = packet.header(headerBytes);
        int length = packet.frame().length;
        if (outgoing == null || outgoing.length() < headerBytes + length) {
            outgoing = bench.buffer(Math.max(8192, headerBytes + length));
        }
        outgoing.put(0, header);
        outgoing.put(headerBytes, packet.frame());
        LiveQueue queue = transmit.get(pair);
        bench.trace().add("transmit " + packet);
        int token = queue.ring()
                .chain(List.of(
                        new Piece(outgoing.address(), headerBytes, false, false),
                        new Piece(outgoing.address() + headerBytes, length, false, false)));
        queue.go();
        queue.await(token);
    }

    /** Transmits frames; returns those that have left the device, as far as they are ours. */
    List<NetPacket> pass(NetPacket... packets) throws IOException {
        byte[] marker = frame(markersTo, 60);
        for (NetPacket packet : packets) {
            transmit(0, packet);
        }
        transmit(0, NetPacket.complete(marker));
        List<NetPacket> passed = new ArrayList<>();
        if (bench.peer().isEcho()) {
            until(marker).forEach(received -> passed.add(received.packet()));
            return passed;
        }
        bench.await("the frame that was transmitted last arrives at the peer", () -> {
            for (NetPeer.Frame frame; (frame = bench.peer().receive()) != null; ) {
                NetPacket packet = NetPacket.read(frame.header(), frame.bytes());
                if (Arrays.equals(frame.bytes(), marker)) {
                    return true;
                } else if (NetFrames.isOurs(frame.bytes())) {
                    bench.trace().add("the peer gets a " + packet);
                    passed.add(packet);
                }
            }
            return false;
        });
        return passed;
    }

    // ---- in

    /** Makes a frame arrive at the device, by the peer or around the loop. */
    void arrive(NetPacket packet) throws IOException {
        if (bench.peer().isEcho()) {
            transmit(0, packet);
        } else {
            bench.trace().add("the peer sends a " + packet);
            bench.peer().send(new NetPeer.Frame(packet.header(NetPeer.Frame.HEADER_BYTES), packet.frame()));
        }
    }

    /** Makes frames arrive; returns those of ours that the device delivers. */
    List<Received> deliver(NetPacket... packets) throws IOException {
        byte[] marker = frame(markersTo, 60);
        for (NetPacket packet : packets) {
            arrive(packet);
        }
        arrive(NetPacket.complete(marker));
        return until(marker);
    }

    /** Whether the device delivers a frame. */
    boolean isDelivered(byte[] frame) throws IOException {
        return deliver(NetPacket.complete(frame)).stream()
                .anyMatch(received -> Arrays.equals(received.packet().frame(), frame));
    }

    /** Waits for a frame; returns it and those of ours before it. */
    List<Received> through(byte[] last) throws IOException {
        List<Received> all = new ArrayList<>();
        bench.await("a frame arrives", () -> {
            for (Received received; (received = poll()) != null; ) {
                if (NetFrames.isOurs(received.packet().frame())) {
                    all.add(received);
                }
                if (Arrays.equals(received.packet().frame(), last)) {
                    return true;
                }
            }
            return false;
        });
        return all;
    }

    /** Waits for a frame, which is known by its beginning: the rest of it may not be what it should. */
    Received begin(byte[] frame) throws IOException {
        Received[] found = new Received[1];
        bench.await("a frame arrives", () -> {
            for (Received received; found[0] == null && (received = poll()) != null; ) {
                byte[] came = received.packet().frame();
                found[0] = came.length >= BEGINNING && Arrays.equals(came, 0, BEGINNING, frame, 0, BEGINNING)
                        ? received
                        : null;
            }
            return found[0] != null;
        });
        return found[0];
    }

    private List<Received> until(byte[] marker) throws IOException {
        List<Received> all = through(marker);
        return all.subList(0, all.size() - 1);
    }

    /** The next frame of any queue, or null. */
    Received poll() throws IOException {
        for (int pair = 0; pair < receive.size(); pair++) {
            Used used = receive.get(pair).ring().poll();
            if (used != null) {
                return take(pair, used);
            }
        }
        return null;
    }

    /** Receive buffers that came back without a frame. */
    int strays() {
        return strays;
    }

    private Received take(int pair, Used first) throws IOException {
        LiveQueue queue = receive.get(pair);
        List<Buffer> buffers = new ArrayList<>();
        List<Long> lengths = new ArrayList<>();
        add(pair, first, buffers, lengths);
        byte[] head = buffers.get(0).get(0, Math.min(buffers.get(0).length(), headerBytes));
        ByteBuffer header = ByteBuffer.wrap(Arrays.copyOf(head, 20)).order(ByteOrder.LITTLE_ENDIAN);
        int numBuffers = header.getShort(NUM_BUFFERS_AT) & 0xffff;
        int count = bench.has(VIRTIO_NET_F_MRG_RXBUF) ? numBuffers : 1;
        boolean together = true;
        while (buffers.size() < count) {
            Used next = queue.ring().poll();
            if (next == null) {
                together = false;
                if (bench.stays(queue.ring()::hasUsed)) {
                    break;
                }
                continue;
            }
            add(pair, next, buffers, lengths);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        List<Integer> sizes = new ArrayList<>();
        for (int i = 0; i < buffers.size(); i++) {
            sizes.add(buffers.get(i).length());
            bytes.writeBytes(buffers.get(i)
                    .get(0, (int) Math.min(lengths.get(i), buffers.get(i).length())));
        }
        byte[] all = bytes.toByteArray();
        byte[] frame = Arrays.copyOfRange(all, Math.min(headerBytes, all.length), all.length);
        strays += frame.length < NetFrames.ETHERNET ? 1 : 0;
        buffers.forEach(buffer -> post(pair, buffer));
        queue.go();
        NetPacket packet = NetPacket.read(head, frame);
        bench.trace()
                .add("received on queue " + queue.index() + ": " + packet + ", num_buffers " + numBuffers
                        + ", used lengths " + lengths);
        return new Received(
                pair, packet, numBuffers, header.getInt(12), header.getShort(16) & 0xffff, sizes, lengths, together);
    }

    /** With IN_ORDER a buffer may be returned without a length: it is full then. */
    private void add(int pair, Used used, List<Buffer> buffers, List<Long> lengths) {
        Buffer buffer = posted.get(pair).remove(used.token());
        buffers.add(buffer);
        lengths.add(used.length() < 0 ? buffer.length() : used.length());
    }

    // ---- commands

    /** Carries a command out; returns its ack. */
    int command(int group, int command, int... data) throws IOException {
        return query(1, group, command, data)[0] & 0xff;
    }

    /** The same for a command with an answer; returns everything that the device may write, filled with 0xa5 before. */
    byte[] query(int room, int group, int command, int... data) throws IOException {
        byte[] out = new byte[2 + data.length];
        out[0] = (byte) group;
        out[1] = (byte) command;
        for (int i = 0; i < data.length; i++) {
            out[2 + i] = (byte) data[i];
        }
        Sent sent = control.put(new Request(out, room, (in, used) -> null), Shape.PLAIN, 0xa5);
        control.go();
        control.await(sent);
        bench.trace()
                .add("command " + group + "." + command + ": ack " + (sent.in().get()[0] & 0xff));
        return sent.in().get();
    }

    /** A command that must work for the check to go on. */
    void order(int group, int command, int... data) throws IOException {
        if (command(group, command, data) != VIRTIO_NET_OK) {
            throw new CheckFailure("command " + group + "." + command + " is refused");
        }
    }
}
