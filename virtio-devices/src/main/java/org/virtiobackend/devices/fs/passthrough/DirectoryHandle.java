package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.NativeBuffer;

/**
 * An open directory and the entries that were read ahead of what the driver has asked for. Its monitor is held while entries are
 * read.
 *
 * <pre>
 * struct linux_dirent64: 0 u64 d_ino  8 u64 d_off  16 u16 d_reclen  18 u8 d_type  19 d_name[]
 * </pre>
 */
final class DirectoryHandle extends Handle {
    private static final int NAME = 19;

    private final BufferPool pool;
    private NativeBuffer buffer;
    private int at;
    private int end;
    /** What the driver says to go on after the entry before {@link #at}. */
    private long position;

    DirectoryHandle(int fd, Inode inode, BufferPool pool) {
        super(fd, inode);
        this.pool = pool;
    }

    /** Goes to where the driver wants to go on; 0 or a negative error number. */
    int seek(long wanted) {
        if (wanted == position) {
            return 0;
        }
        long result = DirectoryIo.seekEntries(fd(), wanted);
        at = 0;
        end = 0;
        position = result < 0 ? -1 : wanted;
        return (int) Math.min(result, 0);
    }

    /** Makes an entry current; 1, or 0 at the end, or a negative error number. */
    int advance() {
        if (at < end) {
            return 1;
        }
        if (buffer == null) {
            buffer = pool.take();
        }
        int result = DirectoryIo.readEntries(fd(), buffer);
        at = 0;
        end = Math.max(result, 0);
        if (result <= 0) {
            giveBack();
        }
        return Math.min(result, 1);
    }

    /** The current entry has been taken. */
    void taken() {
        position = next();
        at += buffer.buffer().getShort(at + 16) & 0xffff;
    }

    long number() {
        return buffer.buffer().getLong(at);
    }

    long next() {
        return buffer.buffer().getLong(at + 8);
    }

    int type() {
        return buffer.buffer().get(at + 18);
    }

    ByteBuffer memory() {
        return buffer.buffer();
    }

    /** Where the current entry's name is in {@link #memory}. */
    int nameOffset() {
        return at + NAME;
    }

    long nameAddress() {
        return buffer.address() + at + NAME;
    }

    int nameLength() {
        ByteBuffer bytes = buffer.buffer();
        int from = at + NAME;
        int to = from;
        while (bytes.get(to) != 0) {
            to++;
        }
        return to - from;
    }

    /** Drops what was read ahead when too many open directories have something: how many there are is up to the driver. */
    void pause() {
        if (buffer != null && pool.lent() > BufferPool.CROWD) {
            giveBack();
            at = 0;
            end = 0;
            position = -1;
        }
    }

    private void giveBack() {
        if (buffer != null) {
            pool.giveBack(buffer);
            buffer = null;
        }
    }

    @Override
    synchronized void dispose() {
        giveBack();
        super.dispose();
    }
}
