package org.virtiobackend.devices.net;

import java.security.SecureRandom;
import java.util.regex.Pattern;

/** Ethernet addresses as 48-bit numbers, the first byte on the wire uppermost. */
public final class MacAddress {
    public static final long BROADCAST = 0xffff_ffff_ffffL;
    public static final int BYTES = 6;

    private static final Pattern FORM = Pattern.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}");
    private static final long MULTICAST_BIT = 1L << 40;
    private static final long LOCAL_BIT = 1L << 41;

    private MacAddress() {}

    /** @throws IllegalArgumentException the text is no address; the message is for people */
    public static long parse(String text) {
        if (!FORM.matcher(text).matches()) {
            throw new IllegalArgumentException(text + " is no MAC address such as 52:54:00:12:34:56");
        }
        return Long.parseLong(text.replace(":", ""), 16);
    }

    /** A random address that is locally administered. */
    public static long random() {
        return new SecureRandom().nextLong() & BROADCAST & ~MULTICAST_BIT | LOCAL_BIT;
    }

    public static boolean isMulticast(long address) {
        return (address & MULTICAST_BIT) != 0;
    }

    public static String text(long address) {
        StringBuilder text = new StringBuilder();
        for (int shift = 40; shift >= 0; shift -= 8) {
            text.append(Character.forDigit((int) (address >>> shift + 4) & 15, 16))
                    .append(Character.forDigit((int) (address >>> shift) & 15, 16))
                    .append(shift == 0 ? "" : ":");
        }
        return text.toString();
    }
}
