package org.virtiobackend.swiotlb.driver;

import java.nio.ByteBuffer;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;

/**
 * What a guest's RAM is to a driver: one memfd that the driver maps and passes to the device with DMA_MAP. A bump allocator over
 * free lists per size; meant for buffers that live long.
 *
 * <p>Thread-safe. The owner closes it after the device has unmapped it.
 */
public final class SharedMemory implements DriverMemory, AutoCloseable {
    private final MemFd memFd;
    private final Mapping mapping;
    private final long iovaBase;
    private final FreeList freeList;

    private SharedMemory(MemFd memFd, Mapping mapping, long iovaBase) {
        this.memFd = memFd;
        this.mapping = mapping;
        this.iovaBase = iovaBase;
        this.freeList = new FreeList(memFd.size());
    }

    /**
     * @param size bytes, a multiple of the page size
     * @param iovaBase address of the first byte in the device's DMA space
     */
    public static SharedMemory create(String name, long size, long iovaBase) throws ErrnoException {
        MemFd memFd = MemFd.create(name, size);
        try {
            Mapping mapping = Mapping.map(memFd.fd(), 0, size, Mapping.PROT_READ | Mapping.PROT_WRITE);
            return new SharedMemory(memFd, mapping, iovaBase);
        } catch (ErrnoException e) {
            memFd.close();
            throw e;
        }
    }

    public MemFd memFd() {
        return memFd;
    }

    public long iovaBase() {
        return iovaBase;
    }

    public long size() {
        return memFd.size();
    }

    @Override
    public synchronized DmaBuffer allocate(int length, int alignment) {
        long at = freeList.take(length, alignment);
        if (at < 0) {
            return null;
        }
        ByteBuffer window = mapping.window(at);
        int offset = Mapping.windowOffset(at);
        for (int i = 0; i < length; i++) {
            window.put(offset + i, (byte) 0);
        }
        return new DmaBuffer(window, offset, length, iovaBase + at);
    }

    @Override
    public synchronized void free(DmaBuffer buffer) {
        freeList.giveBack(buffer.dmaAddress() - iovaBase, buffer.length());
    }

    @Override
    public void close() {
        mapping.close();
        memFd.close();
    }
}
