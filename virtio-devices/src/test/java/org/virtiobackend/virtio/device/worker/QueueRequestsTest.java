package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Control's questions and the worker's answers, by turns on one thread. */
class QueueRequestsTest {
    private final QueueRequests requests = new QueueRequests();
    private Worker worker;

    @BeforeEach
    void bind() throws Exception {
        worker = new Worker("never started", IdleStrategy.fixed(0));
        requests.bind(worker);
    }

    @AfterEach
    void close() {
        worker.close();
    }

    @Test
    void isUrgentUntilItIsMet() {
        requests.quiet();
        assertFalse(requests.areUrgent());
        requests.hurry();
        assertTrue(requests.areUrgent());
        requests.met(requests.newest());
        assertFalse(requests.areUrgent());
        assertTrue(requests.isQuiet());
    }

    @Test
    void staysUrgentWhenAnEarlierOneIsMet() {
        requests.lookAgain();
        int earlier = requests.newest();
        requests.quiet();
        requests.hurry();
        requests.met(earlier);
        assertTrue(requests.areUrgent());
        assertFalse(requests.isQuiet());
        requests.met(requests.newest());
        assertFalse(requests.areUrgent());
    }

    @Test
    void isNotUrgentWhenNothingIsAsked() {
        requests.hurry();
        assertFalse(requests.areUrgent());
    }
}
