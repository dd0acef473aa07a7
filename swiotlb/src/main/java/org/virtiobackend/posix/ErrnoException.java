package org.virtiobackend.posix;

import java.io.IOException;

/** A system call that failed, with its error number. */
public final class ErrnoException extends IOException {
    private static final long serialVersionUID = 1L;
    private final int errno;

    /** @param what what was tried, as a person would say it ("open /x"), or the name of the call */
    public ErrnoException(String what, int errno) {
        super(what + ": " + Errno.text(errno));
        this.errno = errno;
    }

    /** The positive error number, one of {@link Errno}. */
    public int errno() {
        return errno;
    }

    /** The result of a call, or the exception of its failure when it is negative. */
    static long check(long result, String what) throws ErrnoException {
        if (result < 0) {
            throw new ErrnoException(what, Errno.last());
        }
        return result;
    }
}
