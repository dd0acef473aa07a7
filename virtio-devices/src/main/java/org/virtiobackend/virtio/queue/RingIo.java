package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;

/** Brings parts of a ring area in and out when it can only be reached by messages; nothing for mapped memory. */
final class RingIo {
    private RingIo() {}

    static void fetch(RingAccess area, int offset, int length) throws VirtqueueException {
        if (area.isRemote()) {
            try {
                area.fetch(offset, length);
            } catch (DmaFaultException e) {
                throw VirtqueueException.of("ring", e);
            }
        }
    }

    static void flush(RingAccess area, int offset, int length) throws VirtqueueException {
        if (area.isRemote()) {
            try {
                area.flush(offset, length);
            } catch (DmaFaultException e) {
                throw VirtqueueException.of("ring", e);
            }
        }
    }
}
