package org.virtiobackend.posix;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What a file system knows a file by for ever, its generation included ({@code struct file_handle}): an inode number alone is used
 * again once the file has gone. And which file system, by which mount: roots have equal handles everywhere. One thread at a time.
 */
public final class FileIdentity {
    private static final int MAX_HANDLE = 128;
    private static final int HEADER = 8;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final NativeBuffer EMPTY = NativeBuffer.allocate(8);

    private final NativeBuffer handle = NativeBuffer.allocate(HEADER + MAX_HANDLE);
    private final NativeBuffer mount = NativeBuffer.allocate(8);
    private final ByteBuffer bytes = handle.buffer();
    private final FileAttributes attributes = new FileAttributes();

    /** The identity of what is behind a descriptor, or null when its file system has none to give. */
    public byte[] of(int fd) {
        byte[] known = handleOf(fd);
        if (known == null || attributes.readFd(fd) < 0) {
            return null;
        }
        ByteBuffer identity = ByteBuffer.allocate(known.length + 2 * Long.BYTES);
        identity.put(known).putLong(attributes.device()).putLong(attributes.mountId());
        return identity.array();
    }

    /** The handle alone as it stands in memory, its length and type in front; null when there is none. */
    byte[] handleOf(int fd) {
        bytes.putInt(0, MAX_HANDLE);
        int result = FileCalls.name_to_handle_at(fd, EMPTY.address(), handle.address(), mount.address(), AT_EMPTY_PATH);
        if (result < 0) {
            return null;
        }
        byte[] copy = new byte[HEADER + bytes.getInt(0)];
        bytes.get(0, copy);
        return copy;
    }

    /** Whether a file is the one of this identity. */
    public boolean matches(int fd, byte[] identity) {
        return Arrays.equals(of(fd), identity);
    }
}
