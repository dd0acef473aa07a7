package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;
import static org.virtiobackend.virtio.pci.FunctionFixture.awaitSignal;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import org.virtiobackend.virtio.queue.DescriptorChain;

/** Every feature of queues and transport, driver against device, over registers. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class RingFeaturesTest {
    private static final long[] FEATURES = {
        VIRTIO_F_RING_PACKED,
        VIRTIO_F_IN_ORDER,
        VIRTIO_F_EVENT_IDX,
        VIRTIO_F_INDIRECT_DESC,
        VIRTIO_F_NOTIFICATION_DATA,
        VIRTIO_F_NOTIF_CONFIG_DATA
    };

    private FunctionFixture f;
    private TamperedDevice device;
    private VirtioPciDriver driver;

    private void open(VirtioPciOptions options) throws Exception {
        f = new FunctionFixture(options);
        device = new TamperedDevice(f.pci);
        driver = VirtioPciDriver.open(device);
    }

    private void openWithAll() throws Exception {
        open(VirtioPciOptions.defaults().withTransportFeatures(VirtioPciOptions.SUPPORTED_FEATURES));
    }

    @AfterEach
    void tearDown() throws Exception {
        f.device.finishAll();
        driver.close();
        f.close();
    }

    private int submit(DriverQueue queue, DmaBuffer[] buffers) {
        return queue.ring().add(buffers, 1, buffers, 2);
    }

    private DmaBuffer[] buffers() {
        return new DmaBuffer[] {f.memory.allocate(64, 16), f.memory.allocate(16, 16)};
    }

    static LongStream subsets() {
        return LongStream.range(0, 1 << FEATURES.length).map(bits -> {
            long set = 0;
            for (int i = 0; i < FEATURES.length; i++) {
                set |= (bits >> i & 1) != 0 ? FEATURES[i] : 0;
            }
            return set;
        });
    }

    /** Requests are finished last first; in order they come back first first all the same. */
    @ParameterizedTest
    @MethodSource("subsets")
    void servesEverySubset(long features) throws Exception {
        openWithAll();
        assertEquals(features | VIRTIO_F_VERSION_1, driver.negotiate(features));
        DriverQueue queue = driver.setupQueue(0, 16, f.memory, NO_VECTOR);
        driver.start();
        f.device.hold = true;
        DmaBuffer[] buffers = buffers();
        for (int round = 0; round < 12; round++) {
            List<Integer> tokens = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                tokens.add(submit(queue, buffers));
                queue.publishAndKick();
            }
            List<DescriptorChain> chains = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                chains.add(f.device.held.poll(20, TimeUnit.SECONDS));
            }
            for (int i = 2; i >= 0; i--) {
                f.device.finish(chains.get(i));
            }
            List<Integer> used = new ArrayList<>();
            await("all used", () -> {
                int token = queue.ring().pollUsed();
                if (token >= 0) {
                    used.add(token);
                }
                return used.size() == 3;
            });
            if ((features & VIRTIO_F_IN_ORDER) != 0) {
                assertEquals(tokens, used);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void aQueueComesBackAtAnotherSize(long layout) throws Exception {
        openWithAll();
        driver.negotiate(layout | VIRTIO_F_RING_RESET | VIRTIO_F_IN_ORDER);
        DmaBuffer[] buffers = buffers();
        DriverQueue queue = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
        driver.start();
        int[] sizes = layout == 0 ? new int[] {4, 64, 8} : new int[] {5, 64, 7};
        for (int size : sizes) {
            driver.resetQueue(0);
            DriverQueue again = driver.setupQueue(0, size, f.memory, NO_VECTOR);
            assertEquals(size, again.ring().size());
            for (int i = 0; i < 3 * size; i++) {
                int token = submit(again, buffers);
                again.publishAndKick();
                await("used", () -> again.ring().pollUsed() == token);
            }
        }
        assertEquals(-1, queue.ring().pollUsed());
        assertEquals(1, f.device.activations);
    }

    @Test
    void notificationsCarryConfigDataAndRingPosition() throws Exception {
        openWithAll();
        for (long layout : new long[] {0, VIRTIO_F_RING_PACKED}) {
            driver.negotiate(layout | VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_NOTIF_CONFIG_DATA);
            device.register(QUEUE_NOTIF_CONFIG_DATA, 2, 0x1234);
            DriverQueue queue = driver.setupQueue(1, 8, f.memory, NO_VECTOR);
            driver.start();
            DmaBuffer[] buffers = buffers();
            for (int i = 1; i <= 5; i++) {
                int token = submit(queue, buffers);
                queue.ring().publish();
                queue.kick();
                long position = layout == 0 ? i : 3 * i % 8 | (3 * i / 8 % 2 == 0 ? 0x8000 : 0);
                assertEquals(position << 16 | 0x1234, device.lastPosted());
                assertEquals(4, device.lastPostedLength());
                await("used", () -> queue.ring().pollUsed() == token);
            }
        }
        driver.negotiate(VIRTIO_F_NOTIF_CONFIG_DATA);
        DriverQueue queue = driver.setupQueue(1, 8, f.memory, NO_VECTOR);
        driver.start();
        queue.kick();
        assertEquals(0x1234, device.lastPosted());
        assertEquals(2, device.lastPostedLength());
    }

    @Test
    void suspendsAndResumes() throws Exception {
        openWithAll();
        driver.negotiate(0);
        assertThrows(VirtioDriverException.class, driver::suspend);
        driver.negotiate(VIRTIO_F_SUSPEND | VIRTIO_F_RING_PACKED);
        DriverQueue queue = driver.setupQueue(0, 8, f.memory, NO_VECTOR);
        driver.start();
        DmaBuffer[] buffers = buffers();
        for (int i = 0; i < 20; i++) {
            int token = submit(queue, buffers);
            queue.publishAndKick();
            driver.suspend();
            int used = queue.ring().pollUsed();
            int next = used == token ? submit(queue, buffers) : -1;
            driver.resume();
            queue.publishAndKick();
            if (used != token) {
                await("used", () -> queue.ring().pollUsed() == token);
            } else {
                await("used", () -> queue.ring().pollUsed() == next);
            }
        }
    }

    @Test
    void aDeviceThatNeverSuspendsIsAnException() throws Exception {
        openWithAll();
        driver.negotiate(VIRTIO_F_SUSPEND);
        DriverQueue queue = driver.setupQueue(0, 8, f.memory, NO_VECTOR);
        driver.start();
        f.device.hold = true;
        submit(queue, buffers());
        queue.publishAndKick();
        DescriptorChain chain = f.device.held.poll(20, TimeUnit.SECONDS);
        driver.setResetTimeout(30, TimeUnit.MILLISECONDS);
        assertThrows(VirtioDriverException.class, driver::suspend);
        driver.setResetTimeout(10, TimeUnit.SECONDS);
        f.device.finish(chain);
        driver.suspend();
        driver.resume();
    }

    /** One vector for everything, another one, none, and back, while the device runs. */
    @Test
    void queuesMoveBetweenVectors() throws Exception {
        open(VirtioPciOptions.defaults().withMsixVectors(2));
        driver.negotiate(0);
        try (EventFd first = EventFd.create();
                EventFd second = EventFd.create()) {
            driver.connectVector(0, first);
            driver.connectVector(1, second);
            driver.setConfigVector(0);
            DriverQueue queue = driver.setupQueue(0, 16, f.memory, 0);
            driver.start();
            DmaBuffer[] buffers = buffers();
            for (int i = 0; i < 60; i++) {
                int vector = i % 3 == 2 ? NO_VECTOR : i % 3;
                driver.setQueueVector(0, vector);
                int token = submit(queue, buffers);
                queue.publishAndKick();
                await("used", () -> queue.ring().pollUsed() == token);
                if (vector != NO_VECTOR) {
                    assertEquals(1, awaitSignal(vector == 0 ? first : second));
                }
                // The worker is past its notification when this returns.
                f.function.refreshMemory();
                assertEquals(0, first.drain() + second.drain(), "no other vector, and none without");
            }
            f.device.config().change(c -> c.set(0, 8, 1));
            assertEquals(1, awaitSignal(first));
            assertThrows(VirtioDriverException.class, () -> driver.setQueueVector(0, 2));
            driver.connectVector(0, null);
            driver.connectVector(1, null);
        }
    }

    @Test
    void configurationIsNeverTornWhileItChanges() throws Exception {
        open(VirtioPciOptions.defaults());
        Thread writer = new Thread(() -> {
            for (int i = 0; !Thread.currentThread().isInterrupted(); i++) {
                int value = i;
                f.device.config().change(c -> c.set(0, 8, value * 0x1_0000_0001L));
                LockSupport.parkNanos(20_000);
            }
        });
        writer.start();
        try {
            for (int i = 0; i < 2_000; i++) {
                long value = driver.readConfig(0, 8);
                boolean first = value == 0x1122_3344_5566_7788L;
                assertTrue(first || value >>> 32 == (value & 0xffff_ffffL), Long.toHexString(value));
            }
        } finally {
            writer.interrupt();
            writer.join();
        }
    }
}
