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

    /** Whether the frame whose beginning is in {@link #bytes} has a VLAN tag. */
    boolean isTagged(int length) {
        return length >= Ethernet.HEADER_BYTES + Ethernet.TAG_BYTES
                && Ethernet.isTag(bytes.getShort(Ethernet.TYPE_AT) & 0xffff);
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
        int vlan = isTagged(length) ? bytes.getShort(Ethernet.HEADER_BYTES) & VLAN_MASK : ReceiveFilter.NO_VLAN;
        return filter.passes(destination, vlan);
    }
}
