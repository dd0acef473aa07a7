package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class WriteMultiTest extends CommandTest {
    @Test
    void writesInOrder() throws IOException {
        client.regionWriteMulti(0, 4, new long[] {0, 4, 0}, new long[] {1, 2, 3});
        assertEquals(3, client.regionRead(0, 0, 4));
        assertEquals(2, client.regionRead(0, 4, 4));
    }

    @Test
    void answersTheNumber() throws IOException {
        byte[] request =
                Bytes.of().u64(2).raw(entry(0, 0, 8, 7)).raw(entry(8, 0, 0, 7)).get();
        assertArrayEquals(
                Bytes.of().u64(2).get(), ok(Command.REGION_WRITE_MULTI, request).payload());
        ok(Command.REGION_WRITE_MULTI, Bytes.of().u64(0).get());
    }

    @Test
    void executesNothingWhenOneIsBad() throws IOException {
        byte[][] bad = {
            entry(0, 9, 4, 7), entry(0, 4, 4, 7), entry(-1, 0, 4, 7), entry(0, 0, 9, 7), entry(1 << 20, 0, 1, 7)
        };
        for (byte[] entry : bad) {
            invalid(
                    Command.REGION_WRITE_MULTI,
                    Bytes.of().u64(2).raw(entry(0, 0, 4, 7)).raw(entry).get());
        }
        assertEquals(0, client.regionRead(0, 0, 4));
    }

    @Test
    void refusesANumberThatIsNotWhatWasSent() throws IOException {
        invalidWhenShorter(
                Command.REGION_WRITE_MULTI,
                Bytes.of().u64(1).raw(entry(0, 0, 4, 7)).get());
        invalid(
                Command.REGION_WRITE_MULTI,
                Bytes.of().u64(1).raw(entry(0, 0, 4, 7)).u8(0).get());
        invalid(
                Command.REGION_WRITE_MULTI,
                Bytes.of().u64(2).raw(entry(0, 0, 4, 7)).get());
        invalid(
                Command.REGION_WRITE_MULTI,
                Bytes.of().u64(-1).raw(entry(0, 0, 4, 7)).get());
        invalid(
                Command.REGION_WRITE_MULTI,
                Bytes.of().u64(1L << 32 | 1).raw(entry(0, 0, 4, 7)).get());
        assertEquals(0, client.regionRead(0, 0, 4));
    }

    @Test
    void isNotAdvertised() throws IOException {
        assertEquals(
                -1,
                new String(client.serverCapabilities().text(), java.nio.charset.StandardCharsets.UTF_8)
                        .indexOf("write_multiple"));
    }

    private static byte[] entry(long offset, long region, long count, long value) {
        return Bytes.of().u64(offset).u32(region, count).u64(value).get();
    }
}
