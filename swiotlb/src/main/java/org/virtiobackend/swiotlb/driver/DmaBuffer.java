package org.virtiobackend.swiotlb.driver;

import java.nio.ByteBuffer;

/**
 * Memory that driver and device share.
 *
 * @param memory little-endian; the buffer starts at {@code offset} of it. Use absolute accessors
 * @param offset where the buffer starts in {@code memory}
 * @param length bytes
 * @param dmaAddress what the driver puts into a descriptor for its first byte
 */
public record DmaBuffer(ByteBuffer memory, int offset, int length, long dmaAddress) {}
