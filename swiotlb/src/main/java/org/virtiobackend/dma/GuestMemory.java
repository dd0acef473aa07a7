package org.virtiobackend.dma;

/** What happens to the memory that a client maps for its device. */
public enum GuestMemory {
    /** Mapped as soon as the client passes it, or reached by messages. */
    OPEN,
    /** Descriptors are kept, but nothing is mapped and nothing resolves, until it turns {@link #OPEN}. */
    HELD,
    /** Descriptors are closed unmapped and nothing ever resolves. For good: chosen before the first map. */
    REFUSED
}
