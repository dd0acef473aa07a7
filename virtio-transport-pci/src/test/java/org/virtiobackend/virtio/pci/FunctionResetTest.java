package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_RESET;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Row 15 of the hostile driver list: resets of every kind, with requests in flight. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class FunctionResetTest {
    private FunctionFixture f;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    private void submit(SplitDriverQueue ring) {
        DmaBuffer[] out = {f.memory.allocate(16, 16)};
        assertTrue(ring.add(out, 1, out, 0) >= 0);
        ring.publish();
        f.kick(ring.index());
    }

    private DescriptorChain heldChain() throws InterruptedException {
        DescriptorChain chain = f.device.held.poll(20, TimeUnit.SECONDS);
        assertTrue(chain != null, "the device took the chain");
        return chain;
    }

    private void echoOnce(SplitDriverQueue ring) {
        submit(ring);
        await("used", () -> ring.pollUsed() >= 0);
    }

    @Test
    void statusReadsNonZeroUntilTheChainInFlightIsBack() throws Exception {
        f.device.hold = true;
        SplitDriverQueue ring = f.goLive(0);
        submit(ring);
        DescriptorChain chain = heldChain();
        f.status(0);
        for (int i = 0; i < 10; i++) {
            assertEquals(0xf, f.status());
        }
        assertEquals(0, f.device.resets);
        f.status(0x80);
        f.common(QUEUE_SELECT, 2, 1);
        f.pci.barWrite(4, 0x2008, 4, 1);
        long kicks = f.function.statistics()[0].kicks();
        f.kick(0);
        assertEquals(0xf, f.status(), "writes do not interfere");
        assertEquals(0, f.common(QUEUE_SELECT, 2));
        assertEquals(0xcafe_f00dL, f.pci.barRead(4, 0x2008, 4));
        assertEquals(kicks, f.function.statistics()[0].kicks());
        f.device.finish(chain);
        await("reset", () -> f.status() == 0);
        assertEquals(1, f.device.resets);
        assertEquals(0, f.common(QUEUE_SELECT, 2));
        f.device.hold = false;
        echoOnce(f.goLive(0));
    }

    /** The write waits for it, but not for ever: on a busy machine it may take more than one attempt. */
    @Test
    void idleDeviceIsResetWhenTheWriteReturns() throws Exception {
        int attempts = 0;
        int status;
        do {
            f.goLive(0);
            f.status(0);
            // EDK2 and SeaBIOS do not read the status back.
            f.status(1);
            f.status(3);
            status = f.status();
            attempts++;
            if (status != 3) {
                await("reset", () -> f.status() == 0);
            }
        } while (status != 3 && attempts < 20);
        assertEquals(3, status);
        assertEquals(attempts, f.device.resets);
    }

    @Test
    void resetBeforeDriverOkIsImmediate() {
        f.negotiate(FunctionFixture.VERSION_1);
        f.status(0);
        assertEquals(0, f.status());
        assertEquals(0, f.function.negotiatedFeatures());
    }

    @Test
    void functionResetWaitsForTheChainInFlight() throws Exception {
        f.device.hold = true;
        submit(f.goLive(0));
        DescriptorChain chain = heldChain();
        Thread completer = new Thread(() -> {
            await("the reset waits", () -> Thread.State.TIMED_WAITING == mainThread.getState());
            f.device.finish(chain);
        });
        mainThread = Thread.currentThread();
        completer.start();
        f.function.reset();
        assertEquals(1, f.device.resets);
        assertEquals(0, f.status());
        assertEquals(0, f.pci.configRead(4, 2));
        completer.join();
    }

    private volatile Thread mainThread;

    @Test
    void functionLevelResetRestoresPowerOn() {
        f.pci.configWrite(0x20, 4, 0xfea0_0000L);
        SplitDriverQueue ring = f.goLive(0);
        echoOnce(ring);
        f.enableMsix(true);
        int express = f.capability(0x10, 0);
        f.pci.configWrite(express + 8, 2, 0x8000 | f.pci.configRead(express + 8, 2));
        assertEquals(0, f.pci.configRead(0x20, 4));
        assertEquals(0, f.pci.configRead(4, 2));
        assertEquals(0, f.pci.configRead(f.capability(0x11, 0) + 2, 2) & 0xc000);
        assertEquals(0, f.status());
        assertEquals(1, f.device.resets);
        echoOnce(f.goLive(0));
    }

    @Test
    void resetStorm() throws Exception {
        f.device.hold = true;
        for (int i = 0; i < 200; i++) {
            SplitDriverQueue ring = f.goLive(0);
            submit(ring);
            if (i % 2 == 0) {
                f.device.finish(heldChain());
            }
            f.status(0);
            f.device.held.forEach(f.device::finish);
            await("reset " + i, () -> {
                // A chain that the worker took after the first look.
                DescriptorChain late = f.device.held.poll();
                if (late != null) {
                    f.device.finish(late);
                }
                return f.status() == 0;
            });
            f.device.held.clear();
            ring.release(f.memory);
        }
        assertEquals(200, f.device.activations);
        assertEquals(200, f.device.resets);
    }

    @Test
    void failedActivationNeedsReset() {
        f.device.failActivation = new DeviceActivationException("no backend");
        f.goLive(0);
        assertEquals(0x4f, f.status());
        assertEquals(2, f.isr(), "and the driver is told");
        f.kick(0);
        f.device.failActivation = null;
        f.status(0);
        assertEquals(0, f.status());
        echoOnce(f.goLive(0));
    }

    @Test
    void deviceThatFailsLaterNeedsResetAndTellsOnce() {
        f.goLive(0);
        f.device.context.fail(new VirtqueueException("made up by a test"));
        await("needs reset", () -> f.status() == 0x4f);
        assertEquals(2, f.isr());
        f.device.context.fail(new VirtqueueException("again"));
        assertEquals(0, f.isr());
        f.status(0);
        await("reset", () -> f.status() == 0);
        echoOnce(f.goLive(0));
    }

    @Test
    void activationWaitsForBusMastering() {
        f.negotiate(FunctionFixture.VERSION_1);
        SplitDriverQueue ring = f.ring(0, 64, 0);
        f.enable(ring);
        submit(ring);
        f.driverOk();
        submit(ring);
        assertEquals(0xf, f.status());
        assertEquals(0, f.device.activations);
        f.enableBusMaster();
        await("first", () -> ring.pollUsed() >= 0);
        await("second", () -> ring.pollUsed() >= 0);
        f.status(0);
        await("reset", () -> f.status() == 0);
        f.command(0);
        f.negotiate(FunctionFixture.VERSION_1);
        f.driverOk();
        f.status(0);
        f.enableBusMaster();
        assertEquals(1, f.device.activations, "a start that waits ends with a reset");
    }

    @Test
    void noMemoryIsTouchedWithoutBusMastering() {
        SplitDriverQueue ring = f.goLive(0);
        echoOnce(ring);
        f.command(2);
        long served = f.function.statistics()[0].requests();
        submit(ring);
        // A round trip to the worker: had it looked at the ring, it would have by now.
        f.function.refreshMemory();
        assertEquals(served, f.function.statistics()[0].requests());
        assertEquals(-1, ring.pollUsed());
        f.enableBusMaster();
        await("used", () -> ring.pollUsed() >= 0);
    }

    @Test
    void d3hotIsAsGoodAsNoBusMastering() {
        SplitDriverQueue ring = f.goLive(0);
        echoOnce(ring);
        int pm = f.capability(1, 0);
        f.pci.configWrite(pm + 4, 2, 3);
        submit(ring);
        f.function.refreshMemory();
        assertEquals(-1, ring.pollUsed());
        f.pci.configWrite(pm + 4, 2, 0);
        await("used", () -> ring.pollUsed() >= 0);
    }

    @Test
    void queueCanBeResetAndSetUpAnew() throws Exception {
        SplitDriverQueue first = f.goLive(VIRTIO_F_RING_RESET);
        echoOnce(first);
        f.common(QUEUE_SELECT, 2, 0);
        f.common(QUEUE_MSIX_VECTOR, 2, 1);
        f.common(QUEUE_RESET, 2, 0);
        assertEquals(1, f.common(QUEUE_ENABLE, 2), "only 1 resets");
        f.common(QUEUE_RESET, 2, 1);
        await("queue reset", () -> f.common(QUEUE_RESET, 2) == 0);
        assertEquals(0, f.common(QUEUE_ENABLE, 2));
        assertEquals(64, f.common(QUEUE_SIZE, 2));
        assertEquals(0, f.common(QUEUE_DESC, 8));
        assertEquals(NO_VECTOR, f.common(QUEUE_MSIX_VECTOR, 2));
        submit(first);
        f.function.refreshMemory();
        assertEquals(-1, first.pollUsed(), "nothing is served any more");
        SplitDriverQueue second = f.ring(0, 16, 0);
        f.enable(second);
        assertEquals(16, f.common(QUEUE_SIZE, 2));
        echoOnce(second);
        f.common(QUEUE_SIZE, 2, 8);
        assertEquals(16, f.common(QUEUE_SIZE, 2), "locked again");
        assertEquals(0xf, f.status());
    }

    @Test
    void queueResetLastsUntilTheChainInFlightIsBack() throws Exception {
        f.device.hold = true;
        SplitDriverQueue ring = f.goLive(VIRTIO_F_RING_RESET);
        submit(ring);
        DescriptorChain chain = heldChain();
        f.common(QUEUE_SELECT, 2, 0);
        f.common(QUEUE_RESET, 2, 1);
        for (int i = 0; i < 5; i++) {
            assertEquals(1, f.common(QUEUE_RESET, 2));
            assertEquals(1, f.common(QUEUE_ENABLE, 2));
        }
        f.common(QUEUE_RESET, 2, 1);
        f.common(QUEUE_SIZE, 2, 8);
        f.common(QUEUE_ENABLE, 2, 1);
        submit(ring);
        f.device.finish(chain);
        await("queue reset", () -> f.common(QUEUE_RESET, 2) == 0);
        assertEquals(0, f.common(QUEUE_ENABLE, 2));
        assertEquals(64, f.common(QUEUE_SIZE, 2));
        f.device.hold = false;
        SplitDriverQueue second = f.ring(0, 16, 0);
        f.enable(second);
        echoOnce(second);
        assertEquals(1, f.device.activations);
    }

    @Test
    void deviceResetEndsAQueueResetThatIsUnderWay() throws Exception {
        f.device.hold = true;
        submit(f.goLive(VIRTIO_F_RING_RESET));
        DescriptorChain chain = heldChain();
        f.common(QUEUE_SELECT, 2, 0);
        f.common(QUEUE_RESET, 2, 1);
        f.status(0);
        assertEquals(0xf, f.status());
        f.device.finish(chain);
        await("reset", () -> f.status() == 0);
        f.common(QUEUE_SELECT, 2, 0);
        assertEquals(0, f.common(QUEUE_RESET, 2));
        f.device.hold = false;
        echoOnce(f.goLive(0));
    }

    @Test
    void queueResetOfAnIdleQueueDoesNothing() {
        SplitDriverQueue ring = f.goLive(VIRTIO_F_RING_RESET);
        f.common(QUEUE_SELECT, 2, 1);
        f.common(QUEUE_RESET, 2, 1);
        f.common(QUEUE_ENABLE, 2, 1);
        assertEquals(0, f.common(QUEUE_ENABLE, 2), "it was not enabled at DRIVER_OK");
        echoOnce(ring);
    }

    @Test
    void queueEnabledAnewOutsideMemoryNeedsReset() throws Exception {
        f.goLive(VIRTIO_F_RING_RESET);
        f.common(QUEUE_SELECT, 2, 0);
        f.common(QUEUE_RESET, 2, 1);
        await("queue reset", () -> f.common(QUEUE_RESET, 2) == 0);
        f.common(QUEUE_ENABLE, 2, 1);
        assertEquals(0x4f, f.status());
    }

    @Test
    void closeClosesTheDevice() throws Exception {
        FunctionFixture other = new FunctionFixture();
        other.goLive(0);
        other.close();
        assertTrue(other.device.closed);
        assertNull(other.device.context);
        assertFalse(f.device.closed);
    }
}
