package org.virtiobackend.devices.fs.passthrough;

import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.virtiobackend.posix.FileLocks;

/** Which byte ranges of a file one owner has locked, kept apart and joined as the kernel does. Guarded by its user. */
final class HeldRanges {
    /** Bytes up to {@code end}, which is included. */
    private record Range(long end, int type) {}

    /** By their first byte. */
    private final NavigableMap<Long, Range> ranges = new TreeMap<>();

    int count() {
        return ranges.size();
    }

    /** The owner has locked a range in a way, or unlocked it; what it had there before is replaced. */
    void set(long start, long end, int type) {
        NavigableMap<Long, Range> touched = touched(start, end);
        NavigableMap<Long, Range> now = new TreeMap<>();
        long first = start;
        long last = end;
        for (Map.Entry<Long, Range> each : touched.entrySet()) {
            long from = each.getKey();
            Range range = each.getValue();
            if (range.type == type) {
                first = Math.min(first, from);
                last = Math.max(last, range.end);
                continue;
            }
            if (from < start) {
                now.put(from, new Range(start - 1, range.type));
            }
            if (range.end > end) {
                now.put(Math.max(from, end + 1), range);
            }
        }
        if (type != FileLocks.F_UNLCK) {
            now.put(first, new Range(last, type));
        }
        touched.clear();
        ranges.putAll(now);
    }

    /** How many more there would be after {@link #set}; may be negative. */
    int growth(long start, long end, int type) {
        int growth = type == FileLocks.F_UNLCK ? 0 : 1;
        for (Map.Entry<Long, Range> each : touched(start, end).entrySet()) {
            boolean joined = each.getValue().type == type;
            int left = !joined && each.getKey() < start ? 1 : 0;
            int right = !joined && each.getValue().end > end ? 1 : 0;
            growth += left + right - 1;
        }
        return growth;
    }

    /** Whether another owner cannot have a lock of that type there. */
    boolean areInTheWay(long start, long end, int type) {
        for (Map.Entry<Long, Range> each : touched(start, end).entrySet()) {
            Range range = each.getValue();
            boolean exclusive = type == FileLocks.F_WRLCK || range.type == FileLocks.F_WRLCK;
            if (exclusive && each.getKey() <= end && range.end >= start) {
                return true;
            }
        }
        return false;
    }

    /** Those that overlap with bytes or are next to them. */
    private NavigableMap<Long, Range> touched(long start, long end) {
        Map.Entry<Long, Range> before = ranges.lowerEntry(start);
        boolean reaches = before != null && before.getValue().end >= start - 1;
        return ranges.subMap(reaches ? before.getKey() : start, true, end == Long.MAX_VALUE ? end : end + 1, true);
    }
}
