package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.Frame;

/** Looks at the beginning of frames, in private memory: does the driver want it, and where does its hash lead? One thread. */
final class FrameClassifier {
    /** Bytes of a frame that are looked at. */
    static final int BYTES = 128;

    private static final int VLAN_MASK = 0xfff;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(BYTES); // network byte order
    private final FlowHash hash = new FlowHash();

    /** Where the beginning of a frame goes before {@link #classify}. */
    ByteBuffer bytes() {
        return bytes;
    }

    /** Takes the beginning of a frame. */
    boolean classify(ReceiveRules rules, Frame frame) {
        return classify(rules, look(frame));
    }

    /** Takes the beginning of a frame; returns how much of it. */
    int look(Frame frame) {
        int looked = Math.min(frame.length(), BYTES);
        bytes.put(0, frame.bytes(), frame.offset(), looked);
        return looked;
    }

    /**
     * Judges a frame, and hashes it.
     *
     * @param length how much of {@link #bytes} is valid
     * @return false when the driver does not want it
     */
    boolean classify(ReceiveRules rules, int length) {
        if (!passes(rules.filter(), length)) {
            return false;
        }
        HashRules wanted = rules.hash();
        if (wanted != null) {
            hash.calculate(wanted.types(), wanted.toeplitz(), bytes, length);
        }
        return true;
    }

    /** VLAN tags of the frame whose beginning is in {@link #bytes}: 0 to 2. */
    int tags(int length) {
        int tags = 0;
        while (tags < Ethernet.MAX_TAGS && Ethernet.isTag(type(length, tags))) {
            tags++;
        }
        return tags;
    }

    /** The EtherType behind so many tags; 0, which is none, in a frame that ends with it. */
    private int type(int length, int tags) {
        int at = Ethernet.TYPE_AT + tags * Ethernet.TAG_BYTES;
        return length >= at + Ethernet.TAG_BYTES + Short.BYTES ? bytes.getShort(at) & 0xffff : 0;
    }

    /** Of the last frame, where {@link ReceiveRules#hash} is not null. */
    FlowHash hash() {
        return hash;
    }

    private boolean passes(ReceiveFilter filter, int length) {
        if (filter.passesAll()) {
            return true;
        }
        if (length < Ethernet.HEADER_BYTES) {
            return false;
        }
        long destination = bytes.getLong(0) >>> Short.SIZE;
        return filter.passes(destination, vlan(length));
    }

    /** Linux lists no service tag (802.1ad) in the table of virtio 1.4 5.1.9.5.3, and QEMU looks for none. */
    private int vlan(int length) {
        return type(length, 0) == Ethernet.TYPE_VLAN
                ? bytes.getShort(Ethernet.HEADER_BYTES) & VLAN_MASK
                : ReceiveFilter.NO_VLAN;
    }
}
