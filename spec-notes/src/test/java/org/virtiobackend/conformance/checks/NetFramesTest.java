package org.virtiobackend.conformance.checks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the checks of the network device measure with. */
class NetFramesTest {
    private static final String KEY =
            "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa";

    /** The verification suite that Microsoft has published with receive side scaling. */
    @ParameterizedTest
    @CsvSource({
        "420995bba18e6450, 323e8fc2",
        "420995bba18e64500aea06e6, 51ccc178",
        "c75c6f0241458c53, d718262a",
        "c75c6f0241458c5337961283, c626b0ea",
        "3ffe250102001fff0000000000000007 3ffe2501020000030000000000000001 0aea06e6, 40207d3d"
    })
    void hashesAsPublished(String input, String expected) {
        byte[] bytes = HexFormat.of().parseHex(input.replace(" ", ""));
        assertEquals(
                expected,
                HexFormat.of().toHexDigits(NetHash.toeplitz(HexFormat.of().parseHex(KEY), bytes)));
    }

    @ParameterizedTest
    @CsvSource({"false, 6", "false, 17", "true, 6", "true, 17"})
    void everyCorruptedByteOfAPacketShows(boolean six, int protocol) {
        byte[] frame = NetFrames.ip(six, protocol, 3, NetFrames.TCP_ACK, NetFrames.bytes(33, 1));
        assertNull(NetFrames.problem(frame));
        for (int at = six ? 54 : 24; at < frame.length; at++) {
            byte[] wrong = frame.clone();
            wrong[at] ^= 0x10;
            assertNotNull(NetFrames.problem(wrong), "byte " + at);
        }
    }

    @ParameterizedTest
    @CsvSource({"false, 6", "false, 17", "true, 6", "true, 17"})
    void aPartialPacketIsFinishedToTheWholeOne(boolean six, int protocol) {
        byte[] frame = NetFrames.ip(six, protocol, 4, NetFrames.TCP_ACK, NetFrames.bytes(40, 2));
        NetPacket partial = NetFrames.partial(frame);
        assertNotNull(NetFrames.problem(partial.frame()));
        assertArrayEquals(frame, partial.finished());
    }

    /** RFC 1071, section 3: 0001 f203 f4f5 f6f7 sum up to ddf2. */
    @Test
    void sumsAsInTheRfc() {
        byte[] bytes = HexFormat.of().parseHex("0001f203f4f5f6f7");
        assertEquals(0xddf2, NetFrames.fold(NetFrames.sum(bytes, 0, bytes.length, 0)));
    }
}
