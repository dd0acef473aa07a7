package org.virtiobackend.pci.driver;

import java.io.IOException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;

/** One PCI function as a driver sees it, whatever carries the accesses. One thread at a time. */
public interface PciDevice extends AutoCloseable {
    /**
     * Reads the configuration space, little-endian.
     *
     * @param length 1, 2, 4 or 8 bytes
     */
    long configRead(int offset, int length) throws IOException;

    void configWrite(int offset, int length, long value) throws IOException;

    /** Bytes of a BAR, 0 when it does not exist. */
    long barSize(int bar) throws IOException;

    /** Reads a register of a BAR, little-endian, 1 to 8 bytes. */
    long barRead(int bar, long offset, int length) throws IOException;

    /** Writes a register of a BAR; returns when the device has executed it. */
    void barWrite(int bar, long offset, int length, long value) throws IOException;

    /** Writes a register without waiting for the device: the later accesses come after it (a posted write). */
    void barWritePosted(int bar, long offset, int length, long value) throws IOException;

    /** Maps the whole BAR, or null when it can only be reached by messages. The caller closes it. */
    Mapping mapBar(int bar) throws IOException;

    /** Number of MSI-X vectors that the device has. */
    int msixVectors() throws IOException;

    /** Connects a vector to an eventfd, or disconnects it with null. The eventfd stays the caller's. */
    void connectMsix(int vector, EventFd eventFd) throws IOException;

    /** Connects the INTx pin, or disconnects it with null. */
    void connectIntx(EventFd eventFd) throws IOException;

    /** Tells the device that INTx was handled and may fire again. */
    void unmaskIntx() throws IOException;

    /** Resets the whole function. */
    void reset() throws IOException;

    @Override
    void close();
}
