package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The ones' complement sum of RFC 1071, over private memory. */
public final class InternetChecksum {
    private static final long LOW = 0xffff_ffffL;

    private InternetChecksum() {}

    /** Sum of the 16-bit numbers in network order, folded to 16 bits; an odd last byte counts as the upper half of one. */
    public static int sum(ByteBuffer bytes, int offset, int length) {
        boolean little = bytes.order() == ByteOrder.LITTLE_ENDIAN;
        long sum = 0;
        int at = offset;
        int end = offset + length;
        for (; at + Long.BYTES <= end; at += Long.BYTES) {
            long eight = bytes.getLong(at);
            sum += (eight & LOW) + (eight >>> 32);
        }
        for (; at + 2 <= end; at += 2) {
            sum += bytes.getShort(at) & 0xffff;
        }
        if (at < end) {
            int last = bytes.get(at) & 0xff;
            sum += little ? last : last << 8;
        }
        int folded = fold(sum);
        return little ? (folded & 0xff) << 8 | folded >>> 8 : folded; // the sum does not care which byte comes first
    }

    /** Ones' complement addition of all 16-bit parts. */
    public static int fold(long sum) {
        long folded = (sum & LOW) + (sum >>> 32);
        folded = (folded & 0xffff) + (folded >>> 16);
        folded = (folded & 0xffff) + (folded >>> 16);
        return (int) ((folded & 0xffff) + (folded >>> 16));
    }

    /** What goes into a header for this sum; never 0, which UDP takes for no checksum and which means the same elsewhere. */
    public static int finish(long sum) {
        int checksum = ~fold(sum) & 0xffff;
        return checksum == 0 ? 0xffff : checksum;
    }
}
