package org.virtiobackend.devices.net.backend;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.queue.ChainReader;

/**
 * Frames over a stream: many with one system call, through private memory, so that no chain waits for the rest of a frame. The
 * receiving and the transmitting worker share nothing but the connection, of which each notices by itself when it is another.
 */
final class StreamChannel implements NetChannel.Buffered {
    private static final int BUFFER_BYTES = 1 << 18;
    private static final int LENGTH_BYTES = 4;

    private final StreamBackend backend;
    private final Frame front = new Frame();
    private final NativeBuffer in = NativeBuffer.allocate(BUFFER_BYTES);
    private final ByteBuffer inBytes = in.buffer().order(ByteOrder.BIG_ENDIAN);
    /** The same bytes once more, to move some to the front. */
    private final ByteBuffer inAgain = inBytes.duplicate();

    private final NativeBuffer out = NativeBuffer.allocate(BUFFER_BYTES);
    private final ByteBuffer outBytes = out.buffer().order(ByteOrder.BIG_ENDIAN);

    private final ByteBuffer outAgain = outBytes.duplicate();

    private StreamConnection receiving;
    private int inStart;
    private int inEnd;

    private StreamConnection transmitting;
    private int outStart;
    private int outEnd;

    StreamChannel(StreamBackend backend) {
        this.backend = backend;
    }

    // ---- receive

    @Override
    public Fd readable() {
        return receiving == null ? null : receiving.fd();
    }

    @Override
    public Frame peek() {
        boolean mayRead = true; // once: a peer that sends nothing but short frames would never let go
        for (renew(); receiving != null; renew()) {
            int here = inEnd - inStart - LENGTH_BYTES;
            int length = here < 0 ? 0 : inBytes.getInt(inStart);
            if (length < 0 || length > Ethernet.MAX_FRAME_BYTES) {
                backend.lost(receiving, "the peer announces a frame of " + Integer.toUnsignedLong(length) + " bytes");
            } else if (here < length) {
                if (!mayRead || !read()) {
                    return null;
                }
                mayRead = false;
            } else if (length < Ethernet.HEADER_BYTES) {
                inStart += LENGTH_BYTES + length; // shorter than any frame
            } else {
                front.set(inBytes, inStart + LENGTH_BYTES, length);
                return front;
            }
        }
        return null;
    }

    /** Takes another connection up if there is one, without what is left of the last. */
    private void renew() {
        if (!backend.isCurrent(receiving)) {
            backend.release(receiving);
            receiving = backend.acquire();
            inStart = 0;
            inEnd = 0;
        }
    }

    @Override
    public void consume() {
        inStart += LENGTH_BYTES + front.length();
    }

    @Override
    public void dropReceived() {
        for (int frames = 0; frames < 1 << 16 && peek() != null; frames++) {
            consume();
        }
    }

    /** Reads what has arrived behind what is here; false when that is nothing. */
    private boolean read() {
        if (inStart > 0) {
            inBytes.put(0, inAgain, inStart, inEnd - inStart);
            inEnd -= inStart;
            inStart = 0;
        }
        long done = FileIo.read(receiving.fd(), in.address() + inEnd, BUFFER_BYTES - inEnd);
        if (done > 0) {
            inEnd += (int) done;
            return true;
        }
        if (done != -Errno.EAGAIN && done != -Errno.EINTR) {
            backend.lost(receiving, done == 0 ? "the peer has gone" : Errno.text((int) -done));
        }
        return false;
    }

    // ---- transmit

    @Override
    public Fd writable() {
        return transmitting == null ? null : transmitting.fd();
    }

    @Override
    public int transmit(VnetHeader header, ChainReader frame) {
        int length = (int) frame.remaining();
        int result = makeRoom(length);
        if (result == 0) {
            outBytes.putInt(outEnd, length);
            frame.get(outBytes, outEnd + LENGTH_BYTES, length);
            outEnd += LENGTH_BYTES + length;
        }
        return result;
    }

    @Override
    public int transmit(Frame frame) {
        int result = makeRoom(frame.length());
        if (result == 0) {
            outBytes.putInt(outEnd, frame.length());
            outBytes.put(outEnd + LENGTH_BYTES, frame.bytes(), frame.offset(), frame.length());
            outEnd += LENGTH_BYTES + frame.length();
        }
        return result;
    }

    @Override
    public boolean flush() {
        while (outStart < outEnd && backend.isCurrent(transmitting)) {
            long done = FileIo.write(transmitting.fd(), out.address() + outStart, outEnd - outStart);
            if (done == -Errno.EAGAIN || done == -Errno.EINTR) {
                return false;
            }
            if (done < 0) {
                backend.lost(transmitting, Errno.text((int) -done));
                return true;
            }
            outStart += (int) done;
        }
        if (outStart == outEnd) {
            outStart = 0;
            outEnd = 0;
        }
        return true;
    }

    private int makeRoom(int length) {
        if (!backend.isCurrent(transmitting)) {
            backend.release(transmitting);
            transmitting = backend.acquire();
            outStart = 0;
            outEnd = 0;
        }
        if (transmitting == null) {
            return DROPPED;
        }
        if (BUFFER_BYTES - outEnd < LENGTH_BYTES + length) {
            flush();
            outBytes.put(0, outAgain, outStart, outEnd - outStart);
            outEnd -= outStart;
            outStart = 0;
        }
        return BUFFER_BYTES - outEnd < LENGTH_BYTES + length ? WOULD_BLOCK : 0;
    }

    /** Control only, while no worker is here. */
    void close() {
        backend.release(receiving);
        backend.release(transmitting);
        receiving = null;
        transmitting = null;
    }
}
