package org.virtiobackend.devices.fs.passthrough;

import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.posix.FileLocks;

/** Which byte ranges of a file one owner has locked, as far as is needed to tell who waits for whom. Guarded by its user. */
final class HeldRanges {
    /** An owner with more is left out: what it holds is in nobody's way here, only in the kernel. */
    private static final int MOST = 1024;

    /** Bytes from {@code start} to {@code end}, both included. */
    private record Range(long start, long end, int type) {}

    private List<Range> ranges = new ArrayList<>();

    /** The owner has locked a range in a way, or unlocked it; what it had there before is replaced. */
    void set(long start, long end, int type) {
        List<Range> now = new ArrayList<>();
        for (Range range : ranges) {
            if (range.end < start || range.start > end) {
                now.add(range);
                continue;
            }
            if (range.start < start) {
                now.add(new Range(range.start, start - 1, range.type));
            }
            if (range.end > end) {
                now.add(new Range(end + 1, range.end, range.type));
            }
        }
        if (type != FileLocks.F_UNLCK && now.size() < MOST) {
            now.add(new Range(start, end, type));
        }
        ranges = now;
    }

    /** Whether another owner cannot have a lock of that type there. */
    boolean areInTheWay(long start, long end, int type) {
        for (Range range : ranges) {
            boolean exclusive = type == FileLocks.F_WRLCK || range.type == FileLocks.F_WRLCK;
            if (exclusive && range.start <= end && range.end >= start) {
                return true;
            }
        }
        return false;
    }
}
