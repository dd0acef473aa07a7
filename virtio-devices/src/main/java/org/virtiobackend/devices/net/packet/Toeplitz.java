package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;

/** The Toeplitz hash with one key, as tables. Immutable. */
public final class Toeplitz {
    /** Longest key that makes a difference, bytes. */
    public static final int KEY_BYTES = 40;
    /** Longest input, bytes: two IPv6 addresses and two ports. */
    public static final int INPUT_BYTES = 36;

    private final int[] table = new int[INPUT_BYTES << Byte.SIZE];

    /** @param key at most {@link #KEY_BYTES} bytes; a shorter one is continued with zeroes */
    public Toeplitz(byte[] key) {
        byte[] whole = java.util.Arrays.copyOf(key, KEY_BYTES + 1);
        for (int at = 0; at < INPUT_BYTES; at++) {
            long window = ByteBuffer.wrap(whole).getInt(at) & 0xffff_ffffL;
            window = window << Byte.SIZE | whole[at + Integer.BYTES] & 0xff;
            for (int value = 0; value < 1 << Byte.SIZE; value++) {
                int hash = 0;
                for (int bit = 0; bit < Byte.SIZE; bit++) {
                    hash ^= (value & 0x80 >>> bit) != 0 ? (int) (window >>> Byte.SIZE - bit) : 0;
                }
                table[at << Byte.SIZE | value] = hash;
            }
        }
    }

    /** @param length at most {@link #INPUT_BYTES}, from the start of {@code input} */
    public int hash(ByteBuffer input, int length) {
        int hash = 0;
        for (int at = 0; at < length; at++) {
            hash ^= table[at << Byte.SIZE | input.get(at) & 0xff];
        }
        return hash;
    }
}
