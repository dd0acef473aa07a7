/** Virtqueues, driver side: for the embedded driver, the benchmark, and tests that break the rules on purpose. */
package org.virtiobackend.virtio.queue.driver;
