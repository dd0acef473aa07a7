package org.virtiobackend.vfiouser.server;

import java.util.ArrayDeque;
import org.virtiobackend.vfiouser.socket.Frame;

/** Commands that arrived while the session's thread was waiting for workers, in order. Bounded: a client
 * can fill neither memory nor the table of descriptors. */
final class ReadAhead {
    private static final int MAX_MESSAGES = 1024;
    private static final long MAX_BYTES = 4 << 20;
    private static final int MAX_FDS = 64;

    private final ArrayDeque<Frame> frames = new ArrayDeque<>();
    private long bytes;
    private int fds;

    boolean isEmpty() {
        return frames.isEmpty();
    }

    boolean isFull() {
        return frames.size() >= MAX_MESSAGES || bytes >= MAX_BYTES || fds >= MAX_FDS;
    }

    /** Keeps a copy of the message and takes its descriptors over. */
    void add(Frame frame) {
        Frame copy = frame.detach();
        frames.add(copy);
        bytes += copy.size();
        fds += copy.fdCount();
    }

    /** The oldest, or null. */
    Frame poll() {
        Frame frame = frames.poll();
        if (frame != null) {
            bytes -= frame.size();
            fds -= frame.fdCount();
        }
        return frame;
    }

    void close() {
        frames.forEach(Frame::closeFds);
        frames.clear();
    }
}
