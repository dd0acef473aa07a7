package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;

/** Where the addresses and ports of a frame stand, from the beginning of it, which is in private memory. One thread. */
public final class FlowFields {
    private static final int IPV4_HEADER = 20;
    private static final int IPV6_HEADER = 40;
    private static final int IPV6_ADDRESS = 16;
    private static final int HOP_BY_HOP = 0;
    private static final int ROUTING = 43;
    private static final int FRAGMENT = 44;
    private static final int DESTINATION_OPTIONS = 60;
    private static final int ROUTING_TYPE_2 = 2;
    private static final int HOME_ADDRESS = 201;
    private static final int PORTS = 4;

    private ByteBuffer bytes;
    private int length;

    private int addressBytes;
    private int source;
    private int destination;
    private int protocol;
    private int ports;
    private boolean extended;
    private int extendedSource;
    private int extendedDestination;

    /**
     * @param newBytes network byte order
     * @param newLength how much of the frame is there
     */
    public void parse(ByteBuffer newBytes, int newLength) {
        bytes = newBytes;
        length = newLength;
        addressBytes = 0;
        protocol = -1;
        ports = -1;
        extended = false;
        if (length < Ethernet.HEADER_BYTES) {
            return;
        }
        int at = Ethernet.HEADER_BYTES;
        int type = bytes.getShort(Ethernet.TYPE_AT) & 0xffff;
        while (Ethernet.isTag(type) && at + Ethernet.TAG_BYTES <= length) {
            type = bytes.getShort(at + 2) & 0xffff;
            at += Ethernet.TAG_BYTES;
        }
        if (type == Ethernet.TYPE_IPV4) {
            parseIpv4(at);
        } else if (type == Ethernet.TYPE_IPV6) {
            parseIpv6(at);
        }
    }

    /** 4 or 16, or 0 for a frame without IP. */
    int addressBytes() {
        return addressBytes;
    }

    int source() {
        return source;
    }

    int destination() {
        return destination;
    }

    boolean isTcp() {
        return protocol == Ethernet.PROTOCOL_TCP && ports >= 0;
    }

    boolean isUdp() {
        return protocol == Ethernet.PROTOCOL_UDP && ports >= 0;
    }

    /** Where source and destination port stand. */
    int ports() {
        return ports;
    }

    /** Whether IPv6 extension headers are there. */
    boolean isExtended() {
        return extended;
    }

    /** Where the home address stands, or the source if there is none. */
    int extendedSource() {
        return extendedSource;
    }

    /** Where the address of a routing header of type 2 stands, or the destination if there is none. */
    int extendedDestination() {
        return extendedDestination;
    }

    private void parseIpv4(int at) {
        if (at + IPV4_HEADER > length) {
            return;
        }
        addressBytes = 4;
        source = at + 12;
        destination = at + 16;
        boolean fragment = (bytes.getShort(at + 6) & 0x3fff) != 0;
        int headerBytes = (bytes.get(at) & 0xf) * 4;
        if (!fragment && headerBytes >= IPV4_HEADER) {
            setPorts(bytes.get(at + 9) & 0xff, at + headerBytes);
        }
    }

    private void parseIpv6(int at) {
        if (at + IPV6_HEADER > length) {
            return;
        }
        addressBytes = IPV6_ADDRESS;
        source = at + 8;
        destination = at + 24;
        extendedSource = source;
        extendedDestination = destination;
        int header = bytes.get(at + 6) & 0xff;
        int next = at + IPV6_HEADER;
        while (isExtension(header) && next + 8 <= length) {
            extended = true;
            int headerBytes = 8 + (bytes.get(next + 1) & 0xff) * 8;
            if (header == FRAGMENT) {
                return;
            }
            if (next + headerBytes <= length) {
                parseExtension(header, next, headerBytes);
            }
            header = bytes.get(next) & 0xff;
            next += headerBytes;
        }
        setPorts(header, next);
    }

    private void parseExtension(int header, int at, int headerBytes) {
        if (header == ROUTING && bytes.get(at + 2) == ROUTING_TYPE_2 && headerBytes >= 8 + IPV6_ADDRESS) {
            extendedDestination = at + 8;
        } else if (header == DESTINATION_OPTIONS) {
            findHomeAddress(at + 2, at + headerBytes);
        }
    }

    private void findHomeAddress(int start, int end) {
        int at = start;
        while (at + 2 <= end) {
            int option = bytes.get(at) & 0xff;
            if (option == 0) {
                at++; // padding of one byte has no length
                continue;
            }
            int optionBytes = bytes.get(at + 1) & 0xff;
            if (option == HOME_ADDRESS && optionBytes == IPV6_ADDRESS && at + 2 + IPV6_ADDRESS <= end) {
                extendedSource = at + 2;
                return;
            }
            at += 2 + optionBytes;
        }
    }

    private void setPorts(int newProtocol, int at) {
        protocol = newProtocol;
        ports = at + PORTS <= length ? at : -1;
    }

    private static boolean isExtension(int header) {
        return header == HOP_BY_HOP || header == ROUTING || header == FRAGMENT || header == DESTINATION_OPTIONS;
    }
}
