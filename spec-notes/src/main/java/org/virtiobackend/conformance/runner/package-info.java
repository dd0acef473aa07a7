/** Runs conformance checks against a vfio-user virtio device: connection, bench, raw rings, verdicts. */
package org.virtiobackend.conformance.runner;
