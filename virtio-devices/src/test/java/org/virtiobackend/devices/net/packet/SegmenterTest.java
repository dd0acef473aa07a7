package org.virtiobackend.devices.net.packet;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.virtiobackend.devices.net.Packets;
import org.virtiobackend.devices.net.Sample;

class SegmenterTest {
    /** Sample of RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 have the sum ddf2. */
    @Test
    void checksumOfThePublishedExample() {
        byte[] words = {0, 1, (byte) 0xf2, 3, (byte) 0xf4, (byte) 0xf5, (byte) 0xf6, (byte) 0xf7};
        assertEquals(0xddf2, InternetChecksum.sum(ByteBuffer.wrap(words), 0, 8));
        assertEquals(0xddf2, InternetChecksum.sum(ByteBuffer.wrap(words).order(ByteOrder.LITTLE_ENDIAN), 0, 8));
    }

    @Test
    void checksumOfAnyLengthAndByteOrderIsThatOfPlainArithmetic() {
        Random random = new Random(1);
        for (int length = 0; length < 200; length++) {
            byte[] bytes = new byte[length + 3];
            random.nextBytes(bytes);
            if (length % 3 == 0) {
                Arrays.fill(bytes, (byte) 0xff);
            }
            int expected = ~Packets.checksum(bytes, 3, bytes.length, 0) & 0xffff;
            assertEquals(expected, InternetChecksum.sum(ByteBuffer.wrap(bytes), 3, length));
            ByteBuffer little = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(expected, InternetChecksum.sum(little, 3, length));
        }
    }

    @ParameterizedTest
    @EnumSource
    void piecesAreCompleteAndHoldThePayloadInOrder(Sample sample) {
        List<byte[]> pieces = cut(sample, ByteOrder.BIG_ENDIAN);
        assertEquals(sample.pieces(), pieces.size());
        byte[] payload = new byte[0];
        for (byte[] piece : pieces) {
            assertTrue(sample.checksumsAreRight(piece), sample + ": checksums");
            payload = concat(payload, Arrays.copyOfRange(piece, sample.headerBytes(), piece.length));
        }
        assertArrayEquals(Arrays.copyOfRange(sample.frame(), sample.headerBytes(), sample.frame().length), payload);
        List<byte[]> again = cut(sample, ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < pieces.size(); i++) {
            assertArrayEquals(pieces.get(i), again.get(i), "memory of the other byte order");
        }
    }

    @Test
    void refusesHeadersThatDoNotFitTheFrame() {
        byte[] tcp = Sample.TCP4.frame();
        assertTrue(begins(tcp, 1, 1, 1460, 34, 16));
        assertFalse(begins(tcp, 0, 1, 1460, 34, 16), "segmentation without a partial checksum");
        assertFalse(begins(tcp, 1, 1, 0, 34, 16), "segments of no size");
        assertFalse(begins(tcp, 1, 4, 1460, 34, 16), "IPv6 said, IPv4 sent");
        assertFalse(begins(tcp, 1, 1, 1460, 30, 16), "headers overlap");
        assertFalse(begins(tcp, 1, 1, 1460, 38, 16), "a hole between headers");
        assertFalse(begins(tcp, 1, 1, 1460, 34, 6), "a checksum elsewhere");
        assertFalse(begins(tcp, 1, 1, 1460, tcp.length - 10, 16), "no room for a header");
        assertFalse(begins(tcp, 1, 0, 0, tcp.length - 1, 0), "a checksum behind the end");
        assertFalse(begins(tcp, 1, 0, 0, 0xffff, 0xffff), "a checksum far behind the end");
        assertFalse(begins(tcp, 1, 3, 1460, 34, 6), "fragments");
        assertFalse(begins(tcp, 1, 0x80, 1460, 34, 16), "congestion without TCP");
        byte[] longHeader = tcp.clone();
        longHeader[46] = (byte) 0x40;
        assertFalse(begins(longHeader, 1, 1, 1460, 34, 16), "a TCP header of 16 bytes");
        byte[] only = Arrays.copyOf(tcp, 54);
        assertFalse(begins(only, 1, 1, 1460, 34, 16), "no payload");
    }

    /** Each piece gets a copy of the headers: with long ones and little behind them they would be copied for ever. */
    @Test
    void refusesHeadersLongerThanAnybodySends() {
        byte[] tcp = Sample.TCP6.frame();
        byte[] extended = new byte[tcp.length + 1000];
        System.arraycopy(tcp, 0, extended, 0, 54);
        extended[20] = 60; // destination options
        extended[54] = 6;
        for (int options : new int[] {0, 256, 1000}) {
            System.arraycopy(tcp, 54, extended, 54 + options, tcp.length - 54);
            byte[] bytes = options == 0 ? tcp : Arrays.copyOf(extended, tcp.length + options);
            assertEquals(options < 1000, begins(bytes, 1, 4, 1, 54 + options, 16), options + " bytes of options");
        }
    }

    @Test
    void anyHeaderOnAnyBytesIsSurvived() {
        Random random = new Random(2);
        Frame frame = new Frame();
        Frame piece = new Frame();
        Segmenter segmenter = new Segmenter();
        int begun = 0;
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = Sample.values()[i % Sample.values().length].frame();
            for (int n = random.nextInt(4); n > 0; n--) {
                bytes[random.nextInt(80)] = (byte) random.nextInt();
            }
            int length = 14 + random.nextInt(bytes.length - 13);
            frame.set(ByteBuffer.wrap(bytes), 0, length);
            long header = random.nextInt(2) | (long) random.nextInt(6) << 8 | (long) random.nextInt(3000) << 32;
            int[] starts = {34, 54, 38, random.nextInt(0x10000)};
            header |= (long) starts[random.nextInt(4)] << 48;
            frame.header().set(header, new int[] {16, 6, random.nextInt(0x10000)}[random.nextInt(3)]);
            if (segmenter.begin(frame)) {
                begun++;
                int pieces = 0;
                while (segmenter.next(piece)) {
                    assertTrue(piece.length() <= length && pieces++ <= length);
                }
            }
        }
        assertTrue(begun > 1000, begun + " frames were cut");
    }

    private static boolean begins(byte[] bytes, int flags, int type, int size, int start, int offset) {
        Frame frame = new Frame();
        frame.set(ByteBuffer.wrap(bytes), 0, bytes.length);
        frame.header().set(flags | type << 8 | (long) size << 32 | (long) start << 48, offset);
        return new Segmenter().begin(frame);
    }

    static List<byte[]> cut(Sample sample, ByteOrder order) {
        byte[] bytes = sample.frame();
        Frame frame = new Frame();
        frame.set(ByteBuffer.wrap(bytes).order(order), 0, bytes.length);
        frame.header().read(ByteBuffer.wrap(sample.header()).order(ByteOrder.LITTLE_ENDIAN), 0);
        Segmenter segmenter = new Segmenter();
        assertTrue(segmenter.begin(frame), sample + " is accepted");
        List<byte[]> pieces = new ArrayList<>();
        Frame piece = new Frame();
        while (segmenter.next(piece)) {
            assertEquals(0, piece.header().undone());
            byte[] copy = new byte[piece.length()];
            piece.bytes().get(piece.offset(), copy);
            pieces.add(copy);
        }
        return pieces;
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }
}
