package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** What is asked of the client, and what its answers bring. */
class DmaMessengerTest extends MessengerTest {
    @Test
    void readsIntoTheMiddleOfABuffer() throws Exception {
        ByteBuffer target = ByteBuffer.allocateDirect(100);
        CompletableFuture<Void> read = read(ADDRESS, target, 10, 8);
        RawMessage request = request();
        assertEquals(Command.DMA_READ, request.command());
        assertArrayEquals(Bytes.of().u64(ADDRESS, 8).get(), request.payload());
        reply(request, Bytes.of().u64(ADDRESS, 8).u8(1, 2, 3, 4, 5, 6, 7, 8).get());
        read.get();
        assertEquals(0, target.get(9));
        assertEquals(1, target.get(10));
        assertEquals(8, target.get(17));
        assertEquals(0, target.get(18));
        assertEquals(0, target.position());
        assertEquals(100, target.limit());
        assertEquals(1, messenger.messagesSent());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 12, 16})
    void writesAndTakesEachFormOfReply(int replyLength) throws Exception {
        ByteBuffer source = ByteBuffer.allocate(100).put(10, new byte[] {5, 6, 7});
        CompletableFuture<Void> write = write(ADDRESS, source, 10, 3);
        RawMessage request = request();
        assertEquals(Command.DMA_WRITE, request.command());
        assertArrayEquals(Bytes.of().u64(ADDRESS, 3).u8(5, 6, 7).get(), request.payload());
        reply(request, Bytes.cut(Bytes.of().u64(ADDRESS, 3).get(), replyLength));
        write.get();
    }

    @Test
    void transfersNothingWithoutAMessage() throws Exception {
        read(ADDRESS, ByteBuffer.allocate(1), 0, 0).get();
        assertEquals(0, messenger.messagesSent());
    }

    @Test
    void splitsAtTheLimitOfTheClient() throws Exception {
        messenger.setMaxTransfer(1000);
        ByteBuffer source = ByteBuffer.allocate(2500);
        CompletableFuture<Void> write = write(ADDRESS, source, 0, 2500);
        int[] parts = {1000, 1000, 500};
        long address = ADDRESS;
        for (int part : parts) {
            RawMessage request = request();
            assertEquals(16 + part, request.payload().length);
            assertEquals(address, request.bytes().getLongLE(0));
            reply(request, new byte[0]);
            address += part;
        }
        write.get();
        assertEquals(3, messenger.messagesSent());
    }

    @Test
    void errorReplyIsAFault() throws Exception {
        CompletableFuture<Void> read = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage request = request();
        answer(request, MessageHeader.TYPE_REPLY | MessageHeader.FLAG_ERROR, Errno.EFAULT, new byte[0]);
        DmaFaultException fault = fault(read);
        assertEquals(ADDRESS, fault.address());
        assertEquals(8, fault.length());
    }

    @Test
    void wrongReadReplyIsAFault() throws Exception {
        byte[][] wrong = {
            new byte[0],
            Bytes.of().u64(ADDRESS, 8).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(7).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(9).get(),
            Bytes.of().u64(ADDRESS + 1, 8).zeros(8).get(),
            Bytes.of().u64(ADDRESS, 7).zeros(8).get(),
            // The older layout of QEMU: data stands where the upper half of the count should.
            Bytes.of().u64(ADDRESS).u32(8).u8(1, 2, 3, 4, 5, 6, 7, 8).zeros(4).get()
        };
        for (byte[] payload : wrong) {
            ByteBuffer target = ByteBuffer.allocate(8);
            CompletableFuture<Void> read = read(ADDRESS, target, 0, 8);
            reply(request(), payload);
            fault(read);
            assertEquals(0, target.getLong(0));
        }
    }

    @Test
    void wrongWriteReplyIsAFault() throws Exception {
        byte[][] wrong = {
            new byte[1],
            Bytes.of().u64(ADDRESS).u32(7).get(),
            Bytes.of().u64(ADDRESS, 9).get(),
            Bytes.of().u64(ADDRESS - 8, 8).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(8).get()
        };
        for (byte[] payload : wrong) {
            CompletableFuture<Void> write = write(ADDRESS, ByteBuffer.allocate(8), 0, 8);
            reply(request(), payload);
            fault(write);
        }
    }

    @Test
    void manyWorkersGetTheirOwnAnswers() throws Exception {
        int threads = 8;
        int rounds = 300;
        CompletableFuture<?>[] all = new CompletableFuture<?>[threads];
        for (int t = 0; t < threads; t++) {
            long base = (long) t << 32;
            all[t] = CompletableFuture.runAsync(() -> readMany(base, rounds), workers);
        }
        for (int i = 0; i < threads * rounds; i++) {
            RawMessage request = request();
            long address = request.bytes().getLongLE(0);
            int count = (int) request.bytes().getLongLE(8);
            Bytes answer = Bytes.of().u64(address, count);
            for (int k = 0; k < count; k++) {
                answer.u8((int) (address + k) ^ (int) (address >>> 32));
            }
            reply(request, answer.get());
        }
        for (CompletableFuture<?> each : all) {
            each.get();
        }
        assertEquals((long) threads * rounds, messenger.messagesSent());
    }

    private void readMany(long base, int rounds) {
        ByteBuffer target = ByteBuffer.allocateDirect(64);
        for (int i = 0; i < rounds; i++) {
            long address = base + i * 7L;
            int length = 1 + i % 60;
            try {
                messenger.read(address, target, 2, length);
            } catch (DmaFaultException e) {
                throw new AssertionError(e);
            }
            for (int k = 0; k < length; k++) {
                assertEquals((byte) ((int) (address + k) ^ (int) (address >>> 32)), target.get(2 + k));
            }
        }
    }
}
