package org.virtiobackend.devices.net.backend;

import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.virtio.queue.ChainReader;

/**
 * One two-way stream of frames. One worker receives and one, perhaps another, transmits. Nothing here waits.
 */
public interface NetChannel {
    /** The result of {@link #transmit} that asks to try again later. */
    int WOULD_BLOCK = -1;
    /** The result of {@link #transmit} for a frame that could not be sent. */
    int DROPPED = -2;
    /** The result of {@link Scattering#receive} when there is no link. */
    int GONE = -3;

    /** What to wait for when nothing was received; null when there is no such descriptor, or none now. */
    Fd readable();

    /** What to wait for after {@link #WOULD_BLOCK}; null as above. */
    Fd writable();

    /**
     * Sends a frame on.
     *
     * @param frame unread bytes are the frame; read when the result is not {@link #WOULD_BLOCK}
     * @return 0 or one of the constants
     */
    int transmit(VnetHeader header, ChainReader frame);

    /** Sends a frame from private memory on. */
    int transmit(Frame frame);

    /**
     * Pushes out what {@link #transmit} has accepted; called after each batch.
     *
     * @return false when something is left: call again when {@link #writable} is
     */
    boolean flush();

    /** Drops everything that has arrived; nobody else receives meanwhile. */
    void dropReceived();

    /** A channel that reads straight into the driver's memory. */
    interface Scattering extends NetChannel {
        /** Whether {@link #receive} is worth a try: cheaper than preparing room for a large frame that is not there. */
        boolean mayReceive();

        /**
         * Reads one frame.
         *
         * @param iov room for the header, {@link VnetHeader#BYTES}, and then for the frame
         * @return bytes of both; 0: none now, wait for {@link #readable}; {@link #DROPPED}: there was one, and it is lost; {@link
         *     #GONE}: none until the link comes back
         */
        long receive(IoVec iov);
    }

    /** A channel whose frames lie in private memory. */
    interface Buffered extends NetChannel {
        /** The oldest frame, valid until {@link #consume}; null when there is none now. */
        Frame peek();

        /** Removes the frame that {@link #peek} shows. */
        void consume();
    }
}
