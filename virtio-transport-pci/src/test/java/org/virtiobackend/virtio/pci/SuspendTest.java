package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** VIRTIO_F_SUSPEND (virtio 1.4 3.4.2). */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class SuspendTest {
    private static final int LIVE = 0x0f;
    private static final int SUSPENDED = 0x1b;

    private FunctionFixture f;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture(VirtioPciOptions.defaults()
                .withTransportFeatures(VIRTIO_F_SUSPEND | VIRTIO_F_RING_RESET | VIRTIO_F_EVENT_IDX));
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

    private void echoOnce(SplitDriverQueue ring) {
        submit(ring);
        await("used", () -> ring.pollUsed() >= 0);
    }

    private void suspend() {
        f.status(LIVE | 0x10);
        await("suspended", () -> f.status() == SUSPENDED);
    }

    private void resume() {
        f.status(SUSPENDED | 4);
        assertEquals(LIVE, f.status());
    }

    @Test
    void isOnlyForThoseWhoNegotiatedIt() {
        SplitDriverQueue ring = f.goLive(0);
        f.status(0x1f);
        assertEquals(LIVE, f.status());
        echoOnce(ring);
    }

    @Test
    void servesNothingUntilResumed() {
        SplitDriverQueue ring = f.goLive(VIRTIO_F_SUSPEND);
        for (int i = 0; i < 50; i++) {
            echoOnce(ring);
            suspend();
            // What a driver must not do: the device leaves it alone.
            submit(ring);
            f.function.refreshMemory();
            assertEquals(-1, ring.pollUsed());
            resume();
            await("used after resuming", () -> ring.pollUsed() >= 0);
        }
    }

    @Test
    void waitsForTheChainInWorkAndReturnsIt() throws Exception {
        f.device.hold = true;
        SplitDriverQueue ring = f.goLive(VIRTIO_F_SUSPEND);
        submit(ring);
        DescriptorChain chain = f.device.held.poll(20, TimeUnit.SECONDS);
        f.status(0x1f);
        for (int i = 0; i < 5; i++) {
            assertEquals(LIVE, f.status(), "not at rest");
        }
        f.device.finish(chain);
        await("suspended", () -> f.status() == SUSPENDED);
        assertTrue(ring.pollUsed() >= 0, "used before the device shows that it is suspended");
        assertEquals(1, f.isr(), "and the driver was told");
        f.device.hold = false;
        resume();
        echoOnce(ring);
    }

    @Test
    void configurationStandsStillAndTheChangeIsToldOnResume() {
        f.goLive(VIRTIO_F_SUSPEND);
        long before = f.pci.barRead(4, 0x2000, 8);
        suspend();
        long generation = f.common(CONFIG_GENERATION, 1);
        f.device.config().change(c -> c.set(0, 8, 4711));
        f.device.config().change(c -> c.set(0, 8, 4712));
        assertEquals(0, f.isr());
        assertEquals(before, f.pci.barRead(4, 0x2000, 8));
        assertEquals(generation, f.common(CONFIG_GENERATION, 1));
        f.pci.barWrite(4, 0x2008, 4, 0x1234);
        resume();
        assertEquals(2, f.isr());
        assertEquals(4712, f.pci.barRead(4, 0x2000, 8));
        assertEquals(0xcafe_f00dL, f.pci.barRead(4, 0x2008, 4), "written while suspended");
        assertNotEquals(generation, f.common(CONFIG_GENERATION, 1));
        f.device.config().change(c -> c.set(0, 8, 4713));
        assertEquals(2, f.isr(), "as usual again");
    }

    @Test
    void noChangeNoNotificationOnResume() {
        f.goLive(VIRTIO_F_SUSPEND);
        suspend();
        resume();
        assertEquals(0, f.isr());
    }

    @Test
    void resetEndsASuspension() throws Exception {
        for (boolean atRest : new boolean[] {true, false}) {
            f.device.hold = !atRest;
            SplitDriverQueue ring = f.goLive(VIRTIO_F_SUSPEND);
            if (atRest) {
                suspend();
                f.device.config().change(c -> c.set(0, 8, 1));
            } else {
                submit(ring);
                DescriptorChain chain = f.device.held.poll(20, TimeUnit.SECONDS);
                f.status(0x1f);
                f.status(0);
                f.device.finish(chain);
            }
            f.status(0);
            await("reset", () -> f.status() == 0);
            assertEquals(0, f.isr());
            f.device.hold = false;
            SplitDriverQueue again = f.goLive(VIRTIO_F_SUSPEND);
            assertEquals(LIVE, f.status());
            echoOnce(again);
            f.status(0);
            await("reset", () -> f.status() == 0);
        }
    }

    @Test
    void losesBusMasteringAndPowerWhileSuspended() {
        SplitDriverQueue ring = f.goLive(VIRTIO_F_SUSPEND);
        suspend();
        int pm = f.capability(1, 0);
        f.pci.configWrite(pm + 4, 2, 3);
        f.pci.configWrite(pm + 4, 2, 0);
        submit(ring);
        f.function.refreshMemory();
        assertEquals(-1, ring.pollUsed(), "power is back, the driver has not resumed");
        f.command(0);
        resume();
        f.function.refreshMemory();
        assertEquals(-1, ring.pollUsed(), "resumed without bus mastering");
        f.enableBusMaster();
        await("used", () -> ring.pollUsed() >= 0);
    }

    @Test
    void suspensionBeforeTheDeviceCouldStartDelaysTheStart() {
        f.negotiate(VIRTIO_F_SUSPEND | FunctionFixture.VERSION_1);
        SplitDriverQueue ring = f.ring(0, 64, 0);
        f.enable(ring);
        f.driverOk();
        suspend();
        f.enableBusMaster();
        assertEquals(0, f.device.activations);
        submit(ring);
        resume();
        assertEquals(1, f.device.activations);
        await("used", () -> ring.pollUsed() >= 0);
    }

    @Test
    void queueCanBeResetAndSetUpWhileSuspended() {
        SplitDriverQueue ring = f.goLive(VIRTIO_F_SUSPEND | VIRTIO_F_RING_RESET);
        echoOnce(ring);
        suspend();
        f.common(QUEUE_SELECT, 2, 0);
        f.common(QUEUE_RESET, 2, 1);
        await("queue reset", () -> f.common(QUEUE_RESET, 2) == 0);
        SplitDriverQueue second = f.ring(0, 8, 0);
        f.enable(second);
        submit(second);
        f.function.refreshMemory();
        assertEquals(-1, second.pollUsed());
        resume();
        await("used", () -> second.pollUsed() >= 0);
    }

    @Test
    void failureWhileSuspendedShowsAndTellsNothing() {
        f.goLive(VIRTIO_F_SUSPEND);
        suspend();
        f.device.context.fail(new VirtqueueException("made up by a test"));
        await("needs reset", () -> (f.status() & 0x40) != 0);
        assertEquals(0, f.isr());
        f.status(0x1f);
        assertEquals(SUSPENDED | 0x40, f.status(), "it cannot resume");
        f.status(0);
        await("reset", () -> f.status() == 0);
    }
}
