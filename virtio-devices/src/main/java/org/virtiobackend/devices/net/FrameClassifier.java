package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.Frame;

/** Looks at the beginning of frames, in private memory, for a filter. One thread. */
final class FrameClassifier {
    /** Bytes of a frame that are looked at. */
    static final int BYTES = 128;

    private static final int VLAN_MASK = 0xfff;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(BYTES); // network byte order

    /** Where the beginning of a frame goes before {@link #passes(ReceiveFilter, int)}. */
    ByteBuffer bytes() {
        return bytes;
    }

    /** @param length how much of {@link #bytes} is valid */
    boolean passes(ReceiveFilter filter, int length) {
        if (length < Ethernet.HEADER_BYTES) {
            return false;
        }
        long destination = bytes.getLong(0) >>> Short.SIZE;
        boolean tagged = length >= Ethernet.HEADER_BYTES + Ethernet.TAG_BYTES
                && Ethernet.isTag(bytes.getShort(Ethernet.TYPE_AT) & 0xffff);
        int vlan = tagged ? bytes.getShort(Ethernet.HEADER_BYTES) & VLAN_MASK : ReceiveFilter.NO_VLAN;
        return filter.passes(destination, vlan);
    }

    boolean passes(ReceiveFilter filter, Frame frame) {
        if (filter.passesAll()) {
            return true;
        }
        int looked = Math.min(frame.length(), BYTES);
        bytes.put(0, frame.bytes(), frame.offset(), looked);
        return passes(filter, looked);
    }
}
