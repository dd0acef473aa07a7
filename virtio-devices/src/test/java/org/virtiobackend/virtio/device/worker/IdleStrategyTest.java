package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class IdleStrategyTest {
    @Test
    void adaptiveFormPollsAfterShortSleepsAndStopsAfterLongOnes() {
        IdleStrategy idle = IdleStrategy.adaptive();
        for (int i = 0; i < 10; i++) {
            idle.slept(1_000);
        }
        assertEquals(IdleStrategy.ADAPTIVE_MAX_NANOS, idle.spinNanos());
        for (int i = 0; i < 10; i++) {
            idle.slept(1_000_000);
        }
        assertEquals(0, idle.spinNanos());
    }

    @Test
    void adaptiveFormDoesNotPollWhileProcessorsAreScarce() {
        IdleStrategy idle = IdleStrategy.adaptive();
        idle.slept(1_000);
        idle.setCrowded(true);
        assertEquals(0, idle.spinNanos());
        idle.slept(1_000);
        assertEquals(0, idle.spinNanos());
        idle.setCrowded(false);
        assertTrue(idle.spinNanos() > 0);
    }

    @Test
    void timeThatWasAskedForIsKept() {
        IdleStrategy idle = IdleStrategy.fixed(20);
        idle.setCrowded(true);
        idle.slept(1_000_000);
        assertEquals(20_000, idle.spinNanos());
    }
}
