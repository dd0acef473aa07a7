package org.virtiobackend.vfiouser.server;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.vfiouser.wire.DmaUnmapPayload;

/** DMA_MAP and DMA_UNMAP. */
final class DmaCommands {
    private static final Logger LOG = LoggerFactory.getLogger(DmaCommands.class);

    private final DmaMap dmaMap;
    private final DmaMapPayload map = new DmaMapPayload();
    private final DmaUnmapPayload unmap = new DmaUnmapPayload();
    /** A refusal was logged; one line a client is enough. */
    private boolean told;

    DmaCommands(DmaMap dmaMap) {
        this.dmaMap = dmaMap;
    }

    int map(Frame request) throws ErrnoException {
        if (request.payloadLength() != DmaMapPayload.SIZE || request.fdCount() > 1) {
            return Errno.EINVAL;
        }
        map.wrap(request.bytes(), request.payload());
        if (!map.isValid(request.fdCount() == 1)) {
            return Errno.EINVAL;
        }
        boolean read = (map.flags() & DmaMapPayload.FLAG_READ) != 0;
        boolean write = (map.flags() & DmaMapPayload.FLAG_WRITE) != 0;
        Fd fd = request.fdCount() == 1 ? request.takeFd(0) : null;
        try {
            dmaMap.map(map.address(), map.length(), read, write, fd, map.fileOffset());
        } catch (ErrnoException e) {
            if (!told) {
                told = true;
                LOG.warn(
                        "a client's memory at 0x{} + 0x{} cannot be had: {}",
                        Long.toHexString(map.address()),
                        Long.toHexString(map.length()),
                        e.getMessage());
            }
            throw e;
        }
        return 0;
    }

    int unmap(Frame request, Reply reply) throws ErrnoException {
        if (request.payloadLength() != DmaUnmapPayload.SIZE) {
            return Errno.EINVAL;
        }
        unmap.wrap(request.bytes(), request.payload());
        if (!unmap.isValid()) {
            return Errno.EINVAL;
        }
        // The reply echoes the request, which must be read before anything can wait for workers.
        reply.payload(DmaUnmapPayload.SIZE)
                .setBytes(reply.at(), request.bytes(), request.payload(), DmaUnmapPayload.SIZE);
        if (unmap.isAll()) {
            dmaMap.unmapAll();
        } else {
            dmaMap.unmap(unmap.address(), unmap.length());
        }
        return 0;
    }
}
