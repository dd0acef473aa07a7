package org.virtiobackend.virtio.queue;

/**
 * What a driver set up for one queue, as the transport collected it: immutable input for a live {@link Virtqueue}.
 *
 * @param index of the queue in its device
 * @param size entries: a power of two for a split ring, at most 32768
 * @param queueDesc address of the descriptor area
 * @param queueDriver address of the driver area (available ring)
 * @param queueDevice address of the device area (used ring)
 */
public record QueueConfig(int index, int size, long queueDesc, long queueDriver, long queueDevice) {}
