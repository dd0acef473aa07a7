package org.virtiobackend.dma;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.FileSpace;

/**
 * What all clients together may take of something that the kernel gives a process only so much of: beyond it no heap, thread or
 * connection of anybody could grow. One client gets a quarter of it at most. Any thread.
 */
final class MappingBudget {
    /** Mappings: half of vm.max_map_count. */
    static final MappingBudget MAPPINGS = new MappingBudget("mappings", maxMapCount() / 2);
    /** Descriptors kept for mapping later: half of RLIMIT_NOFILE. */
    static final MappingBudget FILES = new MappingBudget("descriptors", FileSpace.descriptorLimit() / 2);

    /** The kernel's default. */
    private static final long MAX_MAP_COUNT = 65530;

    private final String what;
    private final int total;
    private final AtomicInteger left;

    MappingBudget(String what, long total) {
        this.what = what;
        this.total = (int) Math.min(total, Integer.MAX_VALUE);
        this.left = new AtomicInteger(this.total);
    }

    /** What one client has of it. Belongs to the client's control thread. */
    Share newShare() {
        return new Share();
    }

    final class Share {
        private int held;

        /** @throws ErrnoException ENOSPC when there is none left for this client */
        void take() throws ErrnoException {
            if (held >= total / 4) {
                throw new ErrnoException("the client has its share of " + what, Errno.ENOSPC);
            }
            if (left.getAndUpdate(n -> Math.max(0, n - 1)) == 0) {
                throw new ErrnoException("all clients together have " + total + " " + what, Errno.ENOSPC);
            }
            held++;
        }

        void giveBack() {
            held--;
            left.incrementAndGet();
        }
    }

    private static long maxMapCount() {
        try {
            // Not readString: that reads byte by byte, and these files give out only the first then.
            return Long.parseLong(
                    Files.readAllLines(Path.of("/proc/sys/vm/max_map_count")).get(0));
        } catch (IOException | RuntimeException e) {
            return MAX_MAP_COUNT;
        }
    }
}
