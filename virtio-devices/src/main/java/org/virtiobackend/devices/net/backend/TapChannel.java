package org.virtiobackend.devices.net.backend;

import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.posix.TunTap;
import org.virtiobackend.virtio.queue.ChainReader;

/** One queue of a tap: each frame is one system call between the kernel and the driver's memory. */
final class TapChannel implements NetChannel.Scattering {
    /** Frames that are dropped at a time: more keep coming. */
    private static final int STALE_MAX = 1 << 16;

    private final TunTap tap;
    /** Sends what the driver still has in the ring of a queue that was taken out of use. */
    private final TunTap first;

    private final Poller frames = new Poller(1);
    private final IoVec out = new IoVec();
    private final NativeBuffer header = NativeBuffer.allocate(VnetHeader.BYTES);
    private final NativeBuffer copy = NativeBuffer.allocate(1 << 17);

    TapChannel(TunTap tap, TunTap first) {
        this.tap = tap;
        this.first = first;
    }

    TunTap tap() {
        return tap;
    }

    @Override
    public Fd readable() {
        return tap.fd();
    }

    @Override
    public Fd writable() {
        return tap.fd();
    }

    @Override
    public boolean mayReceive() {
        frames.clear();
        int tapIndex = frames.add(tap.fd(), Poller.POLLIN);
        try {
            frames.poll(0);
        } catch (ErrnoException e) {
            return true; // receive finds out
        }
        return frames.events(tapIndex) != 0;
    }

    @Override
    public long receive(IoVec iov) {
        long done = FileIo.readv(tap.fd(), iov);
        if (done >= 0) {
            return done;
        }
        return switch ((int) -done) {
            case Errno.EAGAIN, Errno.EINTR -> 0;
            case Errno.EINVAL, Errno.EFAULT -> DROPPED; // the frame is gone all the same
            default -> GONE;
        };
    }

    @Override
    public void dropReceived() {
        NativeBuffer waste = NativeBuffer.allocate(VnetHeader.BYTES);
        IoVec iov = new IoVec();
        int stale = 0;
        long result;
        do {
            iov.clear();
            iov.add(waste.address(), waste.size());
            stale++;
            result = receive(iov);
        } while (stale < STALE_MAX && (result > 0 || result == DROPPED));
    }

    @Override
    public int transmit(VnetHeader vnetHeader, ChainReader frame) {
        begin(vnetHeader);
        long length = frame.remaining();
        if (frame.segments().addTo(out, frame.position(), length) < length) {
            return transmitCopy(frame, (int) length);
        }
        return write();
    }

    @Override
    public int transmit(Frame frame) {
        begin(frame.header());
        copy.buffer().put(0, frame.bytes(), frame.offset(), frame.length());
        out.add(copy.address(), frame.length());
        return write();
    }

    @Override
    public boolean flush() {
        return true;
    }

    private void begin(VnetHeader vnetHeader) {
        vnetHeader.write(header.buffer(), 0, 0);
        out.clear();
        out.add(header.address(), VnetHeader.BYTES);
    }

    /** More pieces than a system call takes. */
    private int transmitCopy(ChainReader frame, int length) {
        out.clear();
        out.add(header.address(), VnetHeader.BYTES);
        frame.get(copy.buffer(), 0, length);
        out.add(copy.address(), length);
        int result = write();
        return result == WOULD_BLOCK ? DROPPED : result;
    }

    private int write() {
        long done = FileIo.writev(tap.fd(), out);
        if (done == -Errno.EBADFD && tap != first) {
            done = FileIo.writev(first.fd(), out);
        }
        if (done >= 0) {
            return 0;
        }
        return done == -Errno.EAGAIN ? WOULD_BLOCK : DROPPED;
    }
}
