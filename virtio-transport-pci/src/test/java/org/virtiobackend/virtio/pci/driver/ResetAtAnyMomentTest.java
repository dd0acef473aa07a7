package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/**
 * Row 15 of the hostile driver list as a random walk: reset by status, FLR, DEVICE_RESET, resets of queues, suspension, bus mastering
 * and power, at any moment, with requests in work that another thread finishes. After each the device works as new.
 */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class ResetAtAnyMomentTest {
    private static final int STEPS = 600;
    private static final int LIVE = 0x0f;

    private FunctionFixture f;
    private VirtioPciDriver driver;
    private Random random;
    private DriverQueue queue;
    private DmaBuffer[] buffers;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void theDeviceWorksAsNewAfterwards(int seed) throws Exception {
        random = new Random(seed);
        f = new FunctionFixture(VirtioPciOptions.defaults().withTransportFeatures(VirtioPciOptions.SUPPORTED_FEATURES));
        Thread finisher = new Thread(this::finishWhatIsHeld);
        finisher.start();
        try {
            driver = VirtioPciDriver.open(f.pci);
            buffers = new DmaBuffer[] {f.memory.allocate(64, 16), f.memory.allocate(64, 16)};
            start();
            for (int step = 0; step < STEPS; step++) {
                act(random.nextInt(14));
            }
            f.device.hold = false;
            restart();
            echo();
            assertTrue(f.device.activations > 50, "the walk led somewhere: " + f.device.activations);
        } finally {
            finisher.interrupt();
            finisher.join();
            f.close();
        }
    }

    private void finishWhatIsHeld() {
        try {
            while (true) {
                DescriptorChain chain = f.device.held.take();
                LockSupport.parkNanos(chain.head() % 3 * 30_000L);
                f.device.finish(chain);
            }
        } catch (InterruptedException e) {
            // the end
        }
    }

    private void act(int choice) throws Exception {
        switch (choice) {
            case 0 -> restart();
            case 1 -> functionLevelReset();
            case 2 -> {
                f.pci.reset();
                VirtioPciDriver.open(f.pci);
                start();
            }
            case 3 -> resetQueue();
            case 4 -> driver.registers().status(LIVE | 0x10);
            case 5 -> driver.registers().status(LIVE);
            case 6 -> f.command(PciRegisters.COMMAND_MEMORY);
            case 7 -> f.enableBusMaster();
            case 8 -> f.device.hold = random.nextBoolean();
            case 9 -> f.device.config().change(c -> c.set(0, 8, random.nextLong()));
            case 10 -> {
                restart();
                f.device.hold = false;
                echo();
            }
            default -> submit();
        }
    }

    private void functionLevelReset() throws Exception {
        int express = f.capability(PciRegisters.CAP_ID_EXPRESS, 0);
        f.pci.configWrite(express + 8, 2, 0x8000);
        assertEquals(0, driver.registers().status());
        VirtioPciDriver.open(f.pci);
        start();
    }

    private void restart() throws Exception {
        f.enableBusMaster();
        driver.reset();
        start();
    }

    /** A driver's initialization, with features at random. */
    private void start() throws Exception {
        release();
        f.enableBusMaster();
        driver.negotiate(
                VIRTIO_F_SUSPEND | VIRTIO_F_RING_RESET | random.nextLong() & VirtioPciOptions.SUPPORTED_FEATURES);
        queue = driver.setupQueue(0, 1 << 2 + random.nextInt(4), f.memory, NO_VECTOR);
        driver.start();
    }

    /** The device has let go of the ring. */
    private void release() {
        if (queue == null) {
            return;
        }
        if (queue.ring() instanceof SplitDriverQueue split) {
            split.release(f.memory);
        } else if (queue.ring() instanceof PackedDriverQueue packed) {
            packed.release(f.memory);
        }
        queue = null;
    }

    private void resetQueue() throws Exception {
        driver.resetQueue(0);
        release();
        queue = driver.setupQueue(0, 1 << 2 + random.nextInt(4), f.memory, NO_VECTOR);
    }

    private void submit() throws Exception {
        while (queue.ring().pollUsed() >= 0) {
            // makes room
        }
        queue.ring().add(buffers, 1, buffers, 1);
        queue.publishAndKick();
    }

    private void echo() throws Exception {
        int token = queue.ring().add(buffers, 1, buffers, 1);
        assertTrue(token >= 0);
        queue.publishAndKick();
        await("used", () -> queue.ring().pollUsed() == token);
        assertEquals(LIVE, driver.registers().status());
    }
}
