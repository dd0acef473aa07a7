/** Virtqueues, device side (virtio 1.4 chapter 2.6 to 2.8): chains out of hostile shared memory. */
package org.virtiobackend.virtio.queue;
