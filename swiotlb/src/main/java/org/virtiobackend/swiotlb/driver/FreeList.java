package org.virtiobackend.swiotlb.driver;

import java.util.Map;
import java.util.TreeMap;
import org.virtiobackend.posix.Mapping;

/** First-fit allocation of byte ranges, coalescing; no range crosses a mapping window. Not thread-safe. */
final class FreeList {
    private final TreeMap<Long, Long> free = new TreeMap<>();

    FreeList(long size) {
        for (long at = 0; at < size; at += Mapping.WINDOW_BYTES) {
            free.put(at, Math.min(Mapping.WINDOW_BYTES, size - at));
        }
    }

    /** @return offset of the range, or -1 when none is large enough */
    long take(long length, long alignment) {
        for (Map.Entry<Long, Long> range : free.entrySet()) {
            long start = range.getKey();
            long aligned = (start + alignment - 1) & -alignment;
            long end = start + range.getValue();
            if (length <= end - aligned) {
                free.remove(start);
                put(start, aligned - start);
                put(aligned + length, end - aligned - length);
                return aligned;
            }
        }
        return -1;
    }

    void giveBack(long start, long length) {
        long from = start;
        long size = length;
        Map.Entry<Long, Long> before = free.lowerEntry(start);
        if (before != null && before.getKey() + before.getValue() == start && sameWindow(before.getKey(), start)) {
            free.remove(before.getKey());
            from = before.getKey();
            size += before.getValue();
        }
        Long after = free.get(start + length);
        if (after != null && sameWindow(start + length, start)) {
            free.remove(start + length);
            size += after;
        }
        free.put(from, size);
    }

    private void put(long start, long length) {
        if (length > 0) {
            free.put(start, length);
        }
    }

    private static boolean sameWindow(long a, long b) {
        return a / Mapping.WINDOW_BYTES == b / Mapping.WINDOW_BYTES;
    }
}
