package org.virtiobackend.vfiouser.server;

import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.posix.Errno;

/** Why a DMA message did not bring what it was for. */
enum DmaFailure {
    /** Control waits for the workers, and the client for control: nothing can be answered before both go on. */
    HELD("DMA messages are held back"),
    /** The memory was unmapped before the message could be sent. */
    UNMAPPED("memory was unmapped meanwhile"),
    /** It is there, but mapped from a file now, or not for this access. */
    CHANGED("memory was mapped again in another way meanwhile"),
    REFUSED("client refused a DMA message"),
    BAD_REPLY("bad reply to a DMA message"),
    TIMED_OUT("client did not answer a DMA message in time"),
    TOO_MANY("too many DMA messages at once"),
    LOST("connection to the client lost"),
    CLOSED("session is ending");

    private final String text;

    DmaFailure(String text) {
        this.text = text;
    }

    /** @param errno what the client answered, 0 when it did not */
    DmaFaultException fault(int errno, long address, int length) {
        String reason = errno == 0 ? text : text + " (" + Errno.text(errno) + ")";
        return switch (this) {
            case HELD, UNMAPPED -> DmaFaultException.notNow(reason, address, length);
            case LOST, CLOSED -> DmaFaultException.peerGone(reason, address, length);
            case CHANGED, REFUSED, BAD_REPLY, TIMED_OUT, TOO_MANY -> new DmaFaultException(reason, address, length);
        };
    }
}
