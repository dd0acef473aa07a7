package org.virtiobackend.posix;

/**
 * What a descriptor must be that a peer wants mapped. A page fault in its memory stops a worker that serves others as well, so the
 * file must be in the hands of the kernel alone, not of another program (FUSE) or machine (NFS), which need not answer.
 */
public final class MappableFile {
    private static final int F_GET_SEALS = 1034;

    private MappableFile() {}

    /**
     * Checks a peer's descriptor before {@link Mapping#map}; its file position, which the peer shares, stays.
     *
     * @param end how far the file must reach, in bytes; a character device has no size and says itself what it maps
     * @throws ErrnoException EINVAL, saying what is wrong
     */
    public static void check(Fd fd, long end) throws ErrnoException {
        // Only memfd, tmpfs and hugetlbfs know seals; asking a file system of another kind for its type may take that
        // long.
        if (LibC.fcntl(fd.value(), F_GET_SEALS, 0) < 0) {
            checkFileSystem(fd);
        }
        FileAttributes attributes = attributes(fd);
        switch (attributes.type()) {
            case FileAttributes.S_IFREG -> {
                if (attributes.size() < end) {
                    throw invalid("the file has " + attributes.size() + " bytes, not " + end);
                }
            }
            case FileAttributes.S_IFCHR -> {
                // device-dax
            }
            default -> throw invalid("neither a regular file nor a character device");
        }
    }

    /** What offset and length of a mapping must be multiples of: the huge page's size on hugetlbfs. */
    static long granularity(Fd fd) throws ErrnoException {
        long block = attributes(fd).blockSize() & 0xffff_ffffL;
        return Long.bitCount(block) == 1 && block >= Mapping.PAGE ? block : Mapping.PAGE;
    }

    private static FileAttributes attributes(Fd fd) throws ErrnoException {
        FileAttributes attributes = new FileAttributes();
        int result = attributes.readFd(fd.value());
        if (result < 0) {
            throw new ErrnoException("find the size of " + fd, -result);
        }
        return attributes;
    }

    private static void checkFileSystem(Fd fd) throws ErrnoException {
        long kind = FileSystemKind.of(fd.value(), NativeBuffer.allocate(FileSpace.STATFS_BYTES));
        if (!FileSystemKind.isLocal(kind)) {
            throw invalid("file system of type 0x" + Long.toHexString(kind)
                    + ", whose pages may never come; use memfd, tmpfs, hugetlbfs or a local disk");
        }
    }

    private static ErrnoException invalid(String what) {
        return new ErrnoException(what, Errno.EINVAL);
    }
}
