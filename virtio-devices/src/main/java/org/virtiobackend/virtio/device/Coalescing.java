package org.virtiobackend.virtio.device;

/**
 * How used buffer notifications of one queue are held back: until {@code maxBuffers} buffers were used, or {@code maxMicros} after the
 * first of them. With 0 of either there is one after every batch. Both are unsigned 32-bit numbers.
 */
public record Coalescing(long maxBuffers, long maxMicros) {
    public static final Coalescing NONE = new Coalescing(0, 0);

    /** Whether anything is held back at all. */
    public boolean isOn() {
        return maxBuffers != 0 && maxMicros != 0;
    }
}
