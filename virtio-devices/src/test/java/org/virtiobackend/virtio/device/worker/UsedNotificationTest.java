package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import org.junit.jupiter.api.Test;
import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.queue.Virtqueue;

/** When a driver hears of used buffers, by a clock that stands still. */
class UsedNotificationTest {
    private static final long NOT_SOON = 1_000_000_000;

    private long now = 42;
    private final UsedNotification notification = new UsedNotification(0, new QueueStatistics(), () -> now);

    private void use(int buffers, int bytesEach) {
        for (int i = 0; i < buffers; i++) {
            notification.bufferAdded(1, bytesEach);
        }
    }

    @Test
    void isDueAtOnceWhenTheDriverWaitsForItsBuffers() {
        use(1, 60);
        notification.published(true);
        assertTrue(notification.isDue());
    }

    @Test
    void comesALittleLaterWhenTheDriverDoesNotWait() {
        notification.bind(256, true);
        use(20, 60);
        notification.published(true);
        assertFalse(notification.isDue());
        assertTrue(notification.isLate());
        assertEquals(UsedNotification.LATE_NANOS, notification.dueNanos(NOT_SOON));
        now += UsedNotification.LATE_NANOS;
        assertTrue(notification.isDue());
        assertTrue(notification.dueNanos(NOT_SOON) <= 0);
    }

    @Test
    void comesNoLaterForWhatIsUsedMeanwhile() {
        notification.bind(256, true);
        use(1, 60);
        notification.published(true);
        now += UsedNotification.LATE_NANOS - 1;
        use(1, 60);
        notification.published(true);
        assertFalse(notification.isDue());
        now++;
        assertTrue(notification.isDue());
    }

    @Test
    void isDueAtOnceForADriverThatMayHaveFilledTheQueue() {
        notification.bind(256, true);
        use(127, 60);
        notification.published(true);
        assertFalse(notification.isDue());
        use(1, 60);
        notification.published(true);
        assertTrue(notification.isDue());
    }

    @Test
    void comesSoonerWhenTheDriverMayBeWaiting() {
        notification.bind(256, true);
        use(31, 60);
        notification.published(true);
        now += UsedNotification.MANY_LATE_NANOS;
        assertFalse(notification.isDue());
        use(1, 60);
        notification.published(true);
        assertTrue(notification.isDue());
        assertEquals(0, notification.dueNanos(NOT_SOON));
    }

    @Test
    void isDueAtOnceForLargeBuffersOfWhichADriverSendsFewAhead() {
        notification.bind(256, true);
        use(1, 65536);
        notification.published(true);
        assertTrue(notification.isDue());
    }

    @Test
    void isDueAtOnceWhenNobodyLooksAgain() {
        notification.bind(256, true);
        use(1, 60);
        notification.published(false);
        assertTrue(notification.isDue());
    }

    @Test
    void isDroppedWhenTheDriverHasGoneOnAndNoticed() throws Exception {
        notification.bind(256, true);
        use(1, 60);
        notification.published(true);
        notification.reconsider(queue(false));
        assertFalse(notification.isHeld());
        assertEquals(NOT_SOON, notification.dueNanos(NOT_SOON));
    }

    @Test
    void isKeptForADriverThatHasNot() throws Exception {
        notification.bind(256, true);
        use(1, 60);
        notification.published(true);
        notification.reconsider(queue(true));
        assertTrue(notification.isHeld());
        assertFalse(notification.isDue());
        now += UsedNotification.LATE_NANOS;
        assertTrue(notification.isDue());
        notification.send(queue(true), events);
        assertEquals(1, told);
        assertFalse(notification.isHeld());
    }

    @Test
    void isNotLateForLongWhereDriversWaitForIt() throws Exception {
        notification.bind(256, true);
        int late = 0;
        for (int i = 0; i < 1000; i++) {
            use(1, 60);
            notification.published(true);
            if (!notification.isDue()) {
                late++;
                now += UsedNotification.LATE_NANOS;
            }
            notification.send(queue(true), events);
        }
        assertEquals(1000, told);
        assertTrue(late > 8, "it is tried again: " + late);
        assertTrue(late < 40, late + " of 1000 were late");
    }

    private int told;
    private final DeviceEvents events = new DeviceEvents() {
        @Override
        public void usedBufferNotification(int index) {
            told++;
        }

        @Override
        public void needsReset(Throwable cause) {
            throw new AssertionError(cause);
        }
    };

    /** The queue of a driver that wants a notification, or none. */
    private static Virtqueue queue(boolean wanted) {
        return (Virtqueue) Proxy.newProxyInstance(
                Virtqueue.class.getClassLoader(),
                new Class<?>[] {Virtqueue.class},
                (proxy, method, arguments) -> wanted);
    }

    @Test
    void keepsToWhatTheDriverHasAskedFor() {
        notification.bind(256, true);
        notification.coalesce(new Coalescing(1000, 5000));
        use(100, 60);
        notification.published(true);
        assertFalse(notification.isDue());
        assertEquals(5_000_000, notification.dueNanos(NOT_SOON));
        now += 5_000_000;
        assertTrue(notification.isDue());
    }
}
