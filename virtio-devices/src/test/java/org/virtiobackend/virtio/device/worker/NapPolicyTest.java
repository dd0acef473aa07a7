package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.virtiobackend.virtio.device.QueueHandler;

class NapPolicyTest {
    private static final long QUICK = 60_000;

    private final NapPolicy policy = new NapPolicy();

    /** Idles until a nap is tried; returns how often. */
    private int idleUntilTrial() {
        for (int i = 1; ; i++) {
            policy.idled(QUICK);
            if (policy.nanos() > 0) {
                return i;
            }
            assertTrue(i < 10_000, "a trial some day");
        }
    }

    @Test
    void doesNotNapWhenWorkComesRarely() {
        for (int i = 0; i < 10_000; i++) {
            policy.idled(policy.rareNanos());
        }
        assertEquals(0, policy.nanos());
    }

    @Test
    void goesOnWhileNapsBringSeveralChains() {
        idleUntilTrial();
        for (int i = 0; i < 10_000; i++) {
            policy.napped(2 + i % 3, false);
            assertTrue(policy.nanos() > 0);
        }
    }

    @Test
    void fewChainsMakeNapsLongerAndManyShorter() {
        idleUntilTrial();
        for (int i = 0; i < 100; i++) {
            policy.napped(2 + i % 2, false);
        }
        assertEquals(QueueHandler.NAP_NANOS, policy.nanos());
        for (int i = 0; i < 4; i++) {
            policy.napped(20 + i, false);
        }
        assertTrue(policy.nanos() < QueueHandler.NAP_NANOS);
    }

    @Test
    void keepsToTheLimit() {
        policy.limit(400_000);
        for (int i = 0; i < 10; i++) {
            policy.idled(policy.rareNanos() - 1);
        }
        assertEquals(400_000, policy.nanos());
        policy.limit(100_000);
        assertEquals(100_000, policy.nanos(), "a queue that cannot wait as long has come");
        for (int i = 0; i < 100; i++) {
            policy.napped(2 + i % 2, false);
        }
        assertEquals(100_000, policy.nanos());
    }

    @Test
    void givesUpWhenNapsBringOneChainOrNone() {
        idleUntilTrial();
        for (int i = 0; policy.nanos() > 0; i++) {
            policy.napped(i % 2, false);
            assertTrue(i < 20);
        }
    }

    @Test
    void goesOnForOneChainOfADriverThatWaitsForEachNotification() {
        idleUntilTrial();
        for (int i = 0; i < 10_000; i++) {
            policy.napped(i % 3 > 0 ? 1 : 0, true);
            assertTrue(policy.nanos() > 0);
        }
    }

    @Test
    void givesUpOnADriverThatWaitsForTheEndOfTheNap() {
        idleUntilTrial();
        int naps = 0;
        while (policy.nanos() > 0) {
            policy.napped(3, false);
            assertTrue(++naps < 100);
        }
    }

    @Test
    void givesUpOnADriverFastEnoughToBePolled() {
        idleUntilTrial();
        int naps = 0;
        while (policy.nanos() > 0) {
            policy.napped(50 + naps % 2, false);
            assertTrue(++naps < 100);
        }
    }

    @Test
    void goesOnForAFastDriverThatWaitsForEachNotification() {
        idleUntilTrial();
        for (int i = 0; i < 10_000; i++) {
            policy.napped(QueueTask.BUDGET, true);
            assertTrue(policy.nanos() >= NapPolicy.MIN_NANOS);
        }
        assertTrue(policy.isShortest());
        policy.napped(1, true);
        assertFalse(policy.isShortest(), "no longer so fast");
    }

    @Test
    void triesLessAndLessOftenAfterFailuresAndAtOnceAfterSuccess() {
        int first = idleUntilTrial();
        for (int trial = 0; trial < 12; trial++) {
            while (policy.nanos() > 0) {
                policy.napped(0, false);
            }
            int next = idleUntilTrial();
            assertTrue(next >= first && next <= 1024, "after " + next);
            assertTrue(next > first || next == 1024, "after " + next);
            first = next;
        }
        for (int i = 0; i < 100; i++) {
            policy.napped(2 + i % 3, false);
        }
        while (policy.nanos() > 0) {
            policy.napped(0, false);
        }
        assertTrue(idleUntilTrial() < 16);
    }
}
