package org.virtiobackend.devices.blk.backend;

import java.io.IOException;
import org.virtiobackend.virtio.device.io.IoScratch;

/**
 * The bytes of one disk. Ranges given to it lie inside {@link #sizeBytes} and are multiples of 512 bytes; the caller
 * has checked.
 *
 * <p>All methods may be called from any thread, several at a time. Results are 0 or a negative error number
 * ({@link org.virtiobackend.posix.Errno}), never exceptions, so that no request allocates.
 */
public interface BlockBackend extends AutoCloseable {
    /** Bytes of a sector, the unit of every request (virtio 1.4 5.2.4). */
    int SECTOR_BYTES = 512;

    /** What the disk is, in one short line for people. */
    String description();

    /** Size of the disk as last looked at, a multiple of 512 bytes. */
    long sizeBytes();

    /**
     * Looks whether the disk grew or shrank and takes the new size over, rounded down to what the disk was opened with: whole sectors, or larger blocks.
     *
     * @return whether {@link #sizeBytes} changed
     */
    boolean refreshSize() throws IOException;

    boolean isReadOnly();

    /** The unit in which the storage below works best, a power of two of at least 512 bytes. */
    int physicalBlockBytes();

    /** Nothing survives this process: durable writes and {@link #flush} have nothing to do and return at once. */
    boolean isVolatile();

    /**
     * Reads what is left of {@code transfer}. With {@code mayWait} it ends with nothing left or an error.
     *
     * @param mayWait false on a queue's worker: when the storage would have to be waited for, the call returns 0
     *     early and the rest is asked for again where waiting is allowed
     */
    int read(Transfer transfer, IoScratch scratch, boolean mayWait);

    /**
     * Writes what is left of {@code transfer}; like {@link #read}.
     *
     * @param durable the bytes have to be on the storage when the call ends with nothing left
     */
    int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable);

    /** Makes every finished write durable. Waits for the storage. */
    int flush();

    /**
     * Gives up the storage of a range if it can; what reads find there afterwards is undefined. Waits for the
     * storage.
     */
    int discard(long offset, long length);

    /**
     * Makes a range read as zeroes. Waits for the storage.
     *
     * @param mayUnmap the storage of the range may be given up
     */
    int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch);

    /** Flushes nothing; the caller has done so. */
    @Override
    void close();
}
