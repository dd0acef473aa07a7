package org.virtiobackend.dma;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class SegmentListTest {
    private static SegmentList listOf(int segments) {
        SegmentList list = new SegmentList();
        add(list, segments);
        return list;
    }

    private static void add(SegmentList list, int segments) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(16);
        for (int i = 0; i < segments; i++) {
            list.add(buffer, i & 7, 1, 0x1000 + i);
        }
    }

    /** Row 9: the room for a chain of 32768 descriptors would stay with every slot of a ring. */
    @Test
    void givesBackTheRoomOfALongRequest() {
        SegmentList list = listOf(20_000);
        assertTrue(list.room() >= 20_000);
        list.release();
        assertTrue(list.room() <= 1024);
        assertEquals(0, list.count());
        assertEquals(0, list.totalBytes());
        add(list, 3_000);
        assertEquals(3_000, list.totalBytes());
        assertEquals(0x1000 + 2_999, list.nativeAddress(2_999));
    }

    @Test
    void keepsTheRoomOfAUsualOne() {
        SegmentList list = listOf(300);
        int room = list.room();
        list.release();
        assertEquals(room, list.room());
    }
}
