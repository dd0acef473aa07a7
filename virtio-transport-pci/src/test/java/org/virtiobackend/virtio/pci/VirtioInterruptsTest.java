package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class VirtioInterruptsTest {
    private static final int STATUS_INTERRUPT = 8;

    private final AtomicInteger intx = new AtomicInteger();
    private final AtomicIntegerArray msix = new AtomicIntegerArray(8);
    private volatile boolean listening = true;
    private FunctionFixture f;
    private SplitDriverQueue ring;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
        f.function.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                if (listening) {
                    msix.incrementAndGet(vector);
                }
                return listening;
            }

            @Override
            public void intx() {
                intx.incrementAndGet();
            }
        });
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    /** One request; the device has sent its notification when this returns, or sends none. */
    private void request() {
        DmaBuffer[] out = {f.memory.allocate(16, 16)};
        DmaBuffer[] in = {f.memory.allocate(16, 16)};
        long before = f.function.statistics()[0].notifications();
        ring.add(out, 1, in, 1);
        ring.publish();
        f.kick(0);
        await("used", () -> ring.pollUsed() >= 0);
        await("notified", () -> f.function.statistics()[0].notifications() > before);
        // The notification is counted just before it is sent; pausing meets the worker behind it.
        f.function.refreshMemory();
    }

    private boolean statusBit() {
        return (f.pci.configRead(6, 2) & STATUS_INTERRUPT) != 0;
    }

    @Test
    void intxIsALevelThatReadingIsrTakesBack() {
        ring = f.goLive(0);
        assertFalse(f.function.intxAsserted() || statusBit());
        request();
        assertEquals(1, intx.get());
        assertTrue(f.function.intxAsserted() && statusBit());
        request();
        assertEquals(1, intx.get(), "still asserted: no new edge");
        assertEquals(1, f.isr());
        assertFalse(f.function.intxAsserted() || statusBit());
        assertEquals(0, f.isr());
        request();
        assertEquals(2, intx.get());
        assertEquals(0, msix.get(0));
    }

    @Test
    void intxDisableHoldsThePinButNotTheStatus() {
        ring = f.goLive(0);
        f.command(0x406);
        request();
        assertEquals(0, intx.get());
        assertFalse(f.function.intxAsserted());
        assertTrue(statusBit());
        f.command(0x006);
        assertEquals(1, intx.get());
        assertTrue(f.function.intxAsserted());
    }

    @Test
    void configurationChangeSetsBitOneAndNotifies() {
        ring = f.goLive(0);
        f.device.config().change(c -> c.set(0, 8, 5));
        assertEquals(1, intx.get());
        request();
        assertEquals(3, f.isr(), "one interrupt may mean both");
    }

    @Test
    void saysNothingBeforeDriverOkAndAfterReset() {
        f.device.config().change(c -> c.set(0, 8, 5));
        assertEquals(0, intx.get());
        ring = f.goLive(0);
        request();
        f.status(0);
        await("reset", () -> f.status() == 0);
        assertFalse(f.function.intxAsserted());
        f.device.config().change(c -> c.set(0, 8, 6));
        assertEquals(0, f.isr());
        assertEquals(1, intx.get());
    }

    @Test
    void msixGoesToTheVectorOfTheEvent() {
        f.enableMsix(true);
        f.common(CONFIG_MSIX_VECTOR, 2, 2);
        f.common(QUEUE_MSIX_VECTOR, 2, 1);
        ring = f.goLive(0);
        request();
        assertEquals(1, msix.get(1));
        f.device.config().change(c -> c.set(0, 8, 5));
        assertEquals(1, msix.get(2));
        assertEquals(0, intx.get());
        assertFalse(f.function.intxAsserted() || statusBit());
        assertEquals(2, f.isr(), "a queue interrupt leaves no trace in ISR, a change does");
    }

    @Test
    void eventsWithoutVectorAreNotDelivered() {
        f.enableMsix(true);
        ring = f.goLive(0);
        request();
        f.device.config().change(c -> c.set(0, 8, 5));
        for (int vector = 0; vector < 4; vector++) {
            assertEquals(0, msix.get(vector));
        }
        assertEquals(0, intx.get());
    }

    @Test
    void allEventsMayShareAVector() {
        f.enableMsix(true);
        f.common(CONFIG_MSIX_VECTOR, 2, 0);
        f.common(QUEUE_MSIX_VECTOR, 2, 0);
        ring = f.goLive(0);
        request();
        f.device.config().change(c -> c.set(0, 8, 5));
        assertEquals(2, msix.get(0));
    }

    /** Row 12: a vector with nobody behind it, then somebody connects. */
    @Test
    void latchesUntilAVectorIsConnected() {
        listening = false;
        f.enableMsix(true);
        f.common(QUEUE_MSIX_VECTOR, 2, 3);
        ring = f.goLive(0);
        request();
        assertEquals(1 << 3, f.pci.barRead(1, 0x1000, 4), "pending bit");
        listening = true;
        f.function.vectorConnected(3);
        assertEquals(1, msix.get(3));
        assertEquals(0, f.pci.barRead(1, 0x1000, 4));
    }

    /** Row 12: a client that does write the table, masking included. */
    @Test
    void honoursTheTableOfAClientThatWritesIt() {
        f.enableMsix(true);
        f.common(QUEUE_MSIX_VECTOR, 2, 3);
        f.pci.barWrite(1, 3 * 16, 8, 0xfee0_0000L);
        ring = f.goLive(0);
        request();
        assertEquals(0, msix.get(3));
        f.pci.barWrite(1, 3 * 16 + 12, 4, 0);
        assertEquals(1, msix.get(3));
        assertEquals(0xfee0_0000L, f.pci.barRead(1, 3 * 16, 8));
    }

    @Test
    void switchingMsixOffBringsBackWhatIsPendingForIntx() {
        f.enableMsix(true);
        ring = f.goLive(0);
        f.device.config().change(c -> c.set(0, 8, 5));
        f.enableMsix(false);
        assertEquals(1, intx.get());
        assertTrue(f.function.intxAsserted());
    }

    @Test
    void resetUnmapsAllEventsAndForgetsPendingOnes() {
        listening = false;
        f.enableMsix(true);
        f.common(CONFIG_MSIX_VECTOR, 2, 2);
        f.common(QUEUE_MSIX_VECTOR, 2, 3);
        ring = f.goLive(0);
        request();
        f.status(0);
        await("reset", () -> f.status() == 0);
        listening = true;
        f.function.vectorConnected(3);
        assertEquals(0, msix.get(3));
        assertEquals(NO_VECTOR, f.common(CONFIG_MSIX_VECTOR, 2));
        assertEquals(NO_VECTOR, f.common(QUEUE_MSIX_VECTOR, 2));
    }
}
