package org.virtiobackend.vfiouser.server;

import java.util.ArrayDeque;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.DmaTransferPayload;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * DMA_READ and DMA_WRITE on the wire: which may be sent, in what order, and whose an answer is. All methods but
 * {@link #messagesSent} are called with the output's lock held.
 */
final class DmaMessages {
    /**
     * Data of all replies that may be on their way at once: QEMU (seen with 11.1.3) drops what its socket buffer does not take of a
     * reply, and then the stream is lost.
     */
    static final int MAX_READ_UNDERWAY = 128 << 10;

    /** What is known of memory just before the client is asked for it. */
    @FunctionalInterface
    interface Mapped {
        DmaMap.Presence presence(long address, int length, DmaAccess access);
    }

    private final SessionOutput output;
    private final OutgoingMessage message = new OutgoingMessage();
    private final DmaTransferPayload payload = new DmaTransferPayload();
    private final DmaTransferPayload answer = new DmaTransferPayload();

    private final DmaTransfer[] transfers = new DmaTransfer[DmaTransfer.SLOTS];
    private final ArrayDeque<DmaTransfer> free = new ArrayDeque<>();
    private final ArrayDeque<DmaTransfer> queued = new ArrayDeque<>();
    private int created;
    private int readUnderway;
    private Mapped mapped = (address, length, access) -> DmaMap.Presence.REMOTE;
    private volatile long messagesSent;

    DmaMessages(SessionOutput output) {
        this.output = output;
    }

    void setMapped(Mapped check) {
        mapped = check;
    }

    /** Messages sent so far; any thread. */
    long messagesSent() {
        return messagesSent;
    }

    /** A slot for one message, or null: all are in use. */
    DmaTransfer take() {
        DmaTransfer transfer = free.poll();
        if (transfer == null && created < transfers.length) {
            transfer = new DmaTransfer(created);
            transfers[created++] = transfer;
        }
        return transfer;
    }

    /** Sends now, or in its turn when the client waits for nothing and has room. */
    void submit(DmaTransfer transfer) {
        queued.add(transfer);
        if (output.mayRequest()) {
            sendQueued();
        }
    }

    /** The worker is done with it. */
    void release(DmaTransfer transfer) {
        transfer.free();
        if (!transfer.isLate()) {
            free.push(transfer);
        }
    }

    void giveUp(DmaTransfer transfer, DmaFailure reason) {
        if (!transfer.isSettled()) {
            queued.remove(transfer);
            transfer.giveUp(reason);
            if (output.mayRequest()) {
                sendQueued();
            }
        }
    }

    void giveUpAll(DmaFailure reason) {
        queued.clear();
        for (int i = 0; i < created; i++) {
            DmaTransfer transfer = transfers[i];
            if (!transfer.isSettled() && !transfer.isFree()) {
                transfer.giveUp(reason);
            }
        }
    }

    /** The client waits for nothing. */
    void sendQueued() {
        DmaTransfer transfer;
        while ((transfer = queued.peek()) != null && hasRoomFor(transfer)) {
            queued.remove();
            DmaAccess access = transfer.isRead() ? DmaAccess.READ : DmaAccess.WRITE;
            switch (mapped.presence(transfer.address, transfer.length, access)) {
                case REMOTE -> send(transfer);
                case NONE -> transfer.giveUp(DmaFailure.UNMAPPED);
                case OTHERWISE -> transfer.giveUp(DmaFailure.CHANGED);
            }
        }
    }

    /** False when nobody asked for this reply. */
    boolean replyArrived(Frame frame) {
        int id = frame.header().id();
        DmaTransfer transfer = transfers[DmaTransfer.slotOf(id)];
        if (transfer == null || transfer.id() != id || !transfer.isSent() && !transfer.isLate()) {
            return false;
        }
        if (transfer.isRead()) {
            readUnderway -= transfer.length;
        }
        if (transfer.isSent()) {
            settle(transfer, frame);
        } else {
            transfer.lateAnswer();
            if (transfer.isFree()) {
                free.push(transfer);
            }
        }
        if (output.mayRequest()) {
            sendQueued();
        }
        return true;
    }

    private boolean hasRoomFor(DmaTransfer transfer) {
        return !transfer.isRead() || readUnderway + transfer.length <= MAX_READ_UNDERWAY;
    }

    private void send(DmaTransfer transfer) {
        boolean write = !transfer.isRead();
        int payloadLength = DmaTransferPayload.SIZE + (write ? transfer.length : 0);
        payload.wrap(message.reserve(payloadLength), OutgoingMessage.payload());
        payload.set(transfer.address, transfer.length);
        if (write) {
            int data = OutgoingMessage.payload() + DmaTransferPayload.SIZE;
            message.memory().put(data, transfer.buffer, transfer.offset, transfer.length);
        }
        message.setHeader(transfer.id(), transfer.command, payloadLength, MessageHeader.TYPE_COMMAND, 0);
        transfer.sent();
        try {
            output.send(message);
            messagesSent++;
            if (!write) {
                readUnderway += transfer.length;
            }
        } catch (ErrnoException e) {
            // Part of the message may be out.
            transfer.fail(DmaFailure.LOST, 0);
            output.abort();
        }
    }

    private void settle(DmaTransfer transfer, Frame frame) {
        MessageHeader header = frame.header();
        answer.wrap(frame.bytes(), frame.payload());
        if (header.isError()) {
            transfer.fail(DmaFailure.REFUSED, header.errno());
        } else if (!isComplete(transfer, frame)) {
            transfer.fail(DmaFailure.BAD_REPLY, 0);
        } else {
            if (transfer.isRead()) {
                int data = frame.payload() + DmaTransferPayload.SIZE;
                transfer.buffer.put(transfer.offset, frame.memory(), data, transfer.length);
            }
            transfer.done();
        }
    }

    private boolean isComplete(DmaTransfer transfer, Frame frame) {
        return transfer.isRead()
                ? answer.isReadReply(frame.payloadLength(), transfer.address, transfer.length)
                : answer.isWriteReply(frame.payloadLength(), transfer.address, transfer.length);
    }
}
