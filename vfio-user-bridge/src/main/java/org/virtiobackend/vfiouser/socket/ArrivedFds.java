package org.virtiobackend.vfiouser.socket;

import java.util.Arrays;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;

/** Descriptors that arrived and whose messages have not been given out yet, in order of arrival. */
final class ArrivedFds {
    /** Of one message: what one system call can bring. */
    static final int MAX = UnixSocket.MAX_FDS;

    private static final int INITIAL = 2 * (MAX + 1);

    /** Stream position of the message that each belongs to. */
    private long[] owners = new long[INITIAL];
    /** Null marks that descriptors of the message were lost. */
    private Fd[] fds = new Fd[INITIAL];

    private int count;

    /** Takes over what one receive brought. */
    void add(long owner, Fd[] arrived, int arrivedCount, boolean truncated) {
        int room = MAX - ownedBy(owner);
        for (int i = 0; i < arrivedCount; i++) {
            if (i < room) {
                append(owner, arrived[i]);
            } else {
                arrived[i].close();
            }
            arrived[i] = null;
        }
        if (truncated || arrivedCount > room) {
            append(owner, null);
        }
    }

    /** Moves the descriptors of a message into its frame. */
    void moveTo(Frame frame, long owner) {
        int taken = 0;
        while (taken < count && owners[taken] == owner) {
            frame.addFd(fds[taken++]);
        }
        if (taken > 0) {
            System.arraycopy(owners, taken, owners, 0, count - taken);
            System.arraycopy(fds, taken, fds, 0, count - taken);
            Arrays.fill(fds, count - taken, count, null);
            count -= taken;
        }
    }

    void closeAll() {
        for (int i = 0; i < count; i++) {
            if (fds[i] != null) {
                fds[i].close();
            }
        }
        Arrays.fill(fds, null);
        count = 0;
    }

    private int ownedBy(long owner) {
        int owned = 0;
        for (int i = 0; i < count; i++) {
            if (owners[i] == owner && fds[i] != null) {
                owned++;
            }
        }
        return owned;
    }

    private void append(long owner, Fd fd) {
        if (count == fds.length) {
            if (fd == null) {
                return;
            }
            owners = Arrays.copyOf(owners, count * 2);
            fds = Arrays.copyOf(fds, count * 2);
        }
        owners[count] = owner;
        fds[count++] = fd;
    }
}
