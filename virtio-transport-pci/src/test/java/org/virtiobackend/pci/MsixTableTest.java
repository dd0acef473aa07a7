package org.virtiobackend.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class MsixTableTest {
    private final MsixTable table = new MsixTable(70);
    private final AtomicIntegerArray sent = new AtomicIntegerArray(70);
    private volatile boolean listening = true;

    MsixTableTest() {
        table.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                if (listening) {
                    sent.incrementAndGet(vector);
                }
                return listening;
            }

            @Override
            public void intx() {}
        });
    }

    private boolean pending(int vector) {
        return (table.readByte(table.pbaOffset() + vector / 8) >>> (vector % 8) & 1) != 0;
    }

    private void mask(int vector, boolean masked) {
        table.writeByte(vector * 16L + 12, masked ? 1 : 0);
    }

    @ParameterizedTest
    @CsvSource({"1, 4096, 8192", "256, 4096, 8192", "257, 8192, 16384", "2048, 32768, 65536"})
    void keepsPendingBitsOnAPageOfTheirOwn(int vectors, int pba, int size) {
        MsixTable sized = new MsixTable(vectors);
        assertEquals(pba, sized.pbaOffset());
        assertEquals(size, sized.barSize());
    }

    @Test
    void hasAtLeastOneAndAtMost2048Vectors() {
        assertThrows(IllegalArgumentException.class, () -> new MsixTable(0));
        assertThrows(IllegalArgumentException.class, () -> new MsixTable(2049));
    }

    @Test
    void sendsAtOnceWhileTheClientLeavesTheTableAlone() {
        assertEquals(1, table.readByte(12), "entries show as masked at power-on");
        table.raise(3);
        assertEquals(1, sent.get(3));
        assertFalse(pending(3));
    }

    @Test
    void honoursEntryMasksOnceTheClientWritesTheTable() {
        table.writeByte(0, 0xaa);
        table.raise(69);
        assertEquals(0, sent.get(69));
        assertTrue(pending(69));
        mask(69, false);
        assertEquals(1, sent.get(69));
        assertFalse(pending(69));
        mask(69, false);
        assertEquals(1, sent.get(69), "sent once");
        assertEquals(0xaa, table.readByte(0));
    }

    @Test
    void latchesUnderTheFunctionMask() {
        table.setFunctionMasked(true);
        table.raise(1);
        table.raise(1);
        table.raise(64);
        assertTrue(pending(1) && pending(64));
        table.setFunctionMasked(false);
        assertEquals(1, sent.get(1));
        assertEquals(1, sent.get(64));
        assertFalse(pending(1) || pending(64));
    }

    @Test
    void latchesWhileNobodyListens() {
        listening = false;
        table.raise(5);
        assertTrue(pending(5));
        table.vectorConnected(5);
        assertTrue(pending(5), "still nobody");
        listening = true;
        table.vectorConnected(4);
        assertEquals(0, sent.get(5));
        table.vectorConnected(5);
        assertEquals(1, sent.get(5));
        assertFalse(pending(5));
        table.vectorConnected(-1);
        table.vectorConnected(70);
    }

    @Test
    void pendingBitsAreReadOnly() {
        table.writeByte(table.pbaOffset(), 0xff);
        assertEquals(0, table.readByte(table.pbaOffset()));
        table.vectorConnected(0);
        assertEquals(0, sent.get(0));
    }

    @Test
    void readsZeroBetweenAndBehind() {
        for (long at = 70 * 16; at < table.barSize(); at++) {
            assertEquals(0, table.readByte(at));
            table.writeByte(at, 0xff);
        }
        assertEquals(0, table.readByte(70 * 16));
        table.raise(2);
        assertEquals(1, sent.get(2), "writes behind the table are none to it");
    }

    @Test
    void resetMasksEntriesAndForgetsWhatIsPending() {
        mask(7, false);
        listening = false;
        table.raise(7);
        table.reset();
        listening = true;
        assertFalse(pending(7));
        assertEquals(1, table.readByte(7 * 16 + 12));
        table.raise(7);
        assertEquals(1, sent.get(7), "the table is not in use again");
    }

    @Test
    void sendsWhenSomebodyConnectsWhileTheBitIsBeingSet() {
        listening = false;
        AtomicInteger calls = new AtomicInteger();
        table.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                return calls.incrementAndGet() > 1;
            }

            @Override
            public void intx() {}
        });
        table.raise(6);
        assertEquals(2, calls.get());
        assertFalse(pending(6));
    }

    /** A worker raises while control masks and unmasks: in the end nothing may be stuck in a pending bit. */
    @Test
    void losesNothingBetweenRaiseAndUnmask() throws Exception {
        table.writeByte(0, 0);
        AtomicInteger raised = new AtomicInteger();
        Thread worker = new Thread(() -> {
            for (int i = 0; i < 20_000; i++) {
                int before = sent.get(9);
                table.raise(9);
                while (sent.get(9) == before) {
                    Thread.onSpinWait();
                }
                raised.incrementAndGet();
            }
        });
        worker.setDaemon(true);
        worker.start();
        while (worker.isAlive()) {
            mask(9, true);
            mask(9, false);
        }
        assertEquals(20_000, raised.get());
        assertFalse(pending(9));
    }
}
