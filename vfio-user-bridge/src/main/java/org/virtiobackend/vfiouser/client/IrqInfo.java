package org.virtiobackend.vfiouser.client;

/**
 * Answer to DEVICE_GET_IRQ_INFO.
 *
 * @param flags see {@link org.virtiobackend.vfiouser.wire.Irq}
 * @param count vectors
 */
public record IrqInfo(int flags, long count) {}
