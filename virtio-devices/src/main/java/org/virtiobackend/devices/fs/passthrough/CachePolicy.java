package org.virtiobackend.devices.fs.passthrough;

/** How long a driver may believe what it was told, and what it does with file data. */
public enum CachePolicy {
    /** Everything is asked for anew; file data goes around the guest's page cache. */
    NONE(0),
    /** Names and attributes hold for a second; opening a file drops data that may be old. */
    AUTO(1),
    /** Nobody but this driver changes the directory. */
    ALWAYS(86_400);

    private static final int FOPEN_DIRECT_IO = 1;
    private static final int FOPEN_KEEP_CACHE = 1 << 1;
    private static final int FOPEN_CACHE_DIR = 1 << 3;
    private static final int FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

    private final long seconds;

    CachePolicy(long seconds) {
        this.seconds = seconds;
    }

    /** Seconds for which a name or an attribute holds. */
    long seconds() {
        return seconds;
    }

    int openFlags() {
        return switch (this) {
            case NONE -> FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
            case AUTO -> 0;
            case ALWAYS -> FOPEN_KEEP_CACHE;
        };
    }

    int openDirectoryFlags() {
        return this == ALWAYS ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : 0;
    }
}
