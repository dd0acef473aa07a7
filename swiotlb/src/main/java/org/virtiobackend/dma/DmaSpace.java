package org.virtiobackend.dma;

/**
 * All the memory that one queue of a device can reach: addresses that a driver put into a virtqueue become segments of mapped
 * memory. Which addresses resolve, and to what, was settled when the driver finished feature negotiation.
 *
 * <p>An instance is used by one thread at a time. What it hands out stays valid until {@link #refresh} is called: the owner of the
 * mappings removes one only after each user has refreshed (see {@link DmaMap}).
 */
public interface DmaSpace {
    /**
     * Appends the memory behind {@code [address, address + length)} to {@code out}: all of it, or nothing and a fault.
     *
     * @param address unsigned
     * @param length bytes, 0 to 2^32; 0 adds nothing and never faults
     */
    void map(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException;

    /**
     * Attaches a ring area, which must lie in one mapping and be aligned to {@code alignment}.
     *
     * @param length bytes, more than 0
     * @param alignment bytes, a power of two
     * @param area gets the memory; detached when a fault is thrown
     */
    void attach(long address, int length, int alignment, DmaAccess access, RingAccess area) throws DmaFaultException;

    /**
     * Takes over the newest state of the mappings. Nothing obtained earlier may be touched afterwards.
     *
     * @return true when something changed, so rings have to be attached again
     */
    boolean refresh();

    /**
     * Touches the last page of every mapping by a system call, which answers where an access would fault. Slow: for finding out whose
     * memory has gone when the JVM reports a fault, which it does late and without saying where.
     *
     * @return false when a file behind it was cut short
     */
    boolean isIntact();
}
