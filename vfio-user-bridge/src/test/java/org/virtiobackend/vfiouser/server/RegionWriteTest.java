package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

@Timeout(60)
class RegionWriteTest extends CommandTest {
    @Test
    void writesAnyWidthAtAnyOffset() throws IOException {
        client.regionWrite(0, 3, 1, 0xab, false);
        client.regionWrite(0, 5, 2, 0xcdef, false);
        assertEquals(0x00cdef00ab000000L, client.regionRead(0, 0, 8));
    }

    @Test
    void echoesTheRequestWithoutTheData() throws IOException {
        byte[] fixed = fixed(16, 0, 4);
        byte[] reply =
                ok(Command.REGION_WRITE, Bytes.of().raw(fixed).u32(5).get()).payload();
        assertArrayEquals(fixed, reply);
    }

    @Test
    void writesNothing() throws IOException {
        assertArrayEquals(
                fixed(0, 0, 0), ok(Command.REGION_WRITE, fixed(0, 0, 0)).payload());
    }

    @Test
    void executesPostedWritesBeforeWhatFollows() throws IOException {
        for (int i = 1; i <= 200; i++) {
            client.regionWrite(0, 0, 4, i, true);
            client.regionWrite(0, 4, 4, -i, true);
            assertEquals(i, client.regionRead(0, 0, 4));
        }
    }

    @Test
    void neverAnswersAPostedWrite() throws IOException {
        try (RawConnection raw = server.negotiated()) {
            byte[] good = Bytes.of().raw(fixed(0, 0, 4)).u32(5).get();
            byte[] bad = Bytes.of().raw(fixed(-1, 0, 4)).u32(5).get();
            raw.send(RawMessage.encode(1, Command.REGION_WRITE, MessageHeader.FLAG_NO_REPLY, 0, good));
            raw.send(RawMessage.encode(2, Command.REGION_WRITE, MessageHeader.FLAG_NO_REPLY, 0, bad));
            raw.send(RawMessage.encode(3, 77, MessageHeader.FLAG_NO_REPLY, 0, bad));
            raw.send(RawMessage.command(4, Command.DEVICE_RESET, new byte[0]));
            assertEquals(4, raw.receive().id());
        }
    }

    @Test
    void refusesWhatIsOutOfRange() throws IOException {
        long[][] bad = {
            {4096, PciFunction.CONFIG_REGION, 4}, {4094, PciFunction.CONFIG_REGION, 4}, {-4, 0, 4}, {-2, 0, 4},
            {Long.MAX_VALUE, 0, 4}, {0, 4, 4}, {0, 9, 4}, {0, 0xffff_ffffL, 4}
        };
        for (long[] at : bad) {
            invalid(
                    Command.REGION_WRITE,
                    Bytes.of().raw(fixed(at[0], at[1], at[2])).u32(0).get());
        }
    }

    @Test
    void refusesACountThatIsNotTheDataSent() throws IOException {
        invalidWhenShorter(
                Command.REGION_WRITE, Bytes.of().raw(fixed(0, 0, 4)).u32(5).get());
        invalid(Command.REGION_WRITE, Bytes.of().raw(fixed(0, 0, 4)).u64(5).get());
        invalid(
                Command.REGION_WRITE,
                Bytes.of().raw(fixed(0, 0, 0xffff_ffffL)).u64(5).get());
        invalid(
                Command.REGION_WRITE,
                Bytes.of().raw(fixed(0, 0, 0x1000_0004L)).u32(5).get());
        assertEquals(0, client.regionRead(0, 0, 8));
    }

    @Test
    void takesTheLargestTransferOnly() throws IOException {
        byte[] largest = Bytes.of().raw(fixed(0, 0, 1 << 20)).zeros(1 << 20).get();
        invalid(Command.REGION_WRITE, largest); // beyond the region, but a good frame
        assertThrows(
                ErrnoException.class,
                () -> client.exchange(
                        Command.REGION_WRITE, Bytes.of().raw(largest).u8(0).get()));
        client = server.client();
    }

    @Test
    void tellsTheErrorNumber() {
        ErrnoException e = assertThrows(ErrnoException.class, () -> client.regionWrite(4, 0, 4, 0, false));
        assertEquals(Errno.EINVAL, e.errno());
        assertEquals("REGION_WRITE: invalid argument", e.getMessage());
    }

    private static byte[] fixed(long offset, long region, long count) {
        return Bytes.of().u64(offset).u32(region, count).get();
    }
}
