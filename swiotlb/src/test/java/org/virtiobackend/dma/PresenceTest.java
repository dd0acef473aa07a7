package org.virtiobackend.dma;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaMap.Presence;
import org.virtiobackend.posix.MemFd;

/** How a range can be reached: a page by messages, one by messages to read only, one from a file, then nothing. */
class PresenceTest {
    private static final long BASE = 1L << 32;
    private static final int PAGE = 4096;

    private final DmaMap map = new DmaMap();
    private MemFd file;

    @BeforeEach
    void map() throws Exception {
        file = MemFd.create("presence", PAGE);
        map.setRemoteMemory(new RemoteMemory() {
            @Override
            public void read(long address, ByteBuffer target, int offset, int length) {}

            @Override
            public void write(long address, ByteBuffer source, int offset, int length) {}
        });
        map.map(BASE, PAGE, true, true, null, 0);
        map.map(BASE + PAGE, PAGE, true, false, null, 0);
        map.map(BASE + 2 * PAGE, PAGE, true, true, file.fd().duplicate(), 0);
    }

    @AfterEach
    void close() {
        map.close();
        file.close();
    }

    private Presence presence(int page, int offset, int length, DmaAccess access) {
        return map.presence(BASE + (long) page * PAGE + offset, length, access);
    }

    @Test
    void tellsHowAllOfARangeIsReached() {
        assertEquals(Presence.REMOTE, presence(0, 0, PAGE, DmaAccess.WRITE));
        assertEquals(Presence.REMOTE, presence(0, 1, 2 * PAGE - 1, DmaAccess.READ));
        assertEquals(Presence.OTHERWISE, presence(0, 1, PAGE, DmaAccess.WRITE));
        assertEquals(Presence.OTHERWISE, presence(1, 0, PAGE + 1, DmaAccess.READ));
        assertEquals(Presence.OTHERWISE, presence(2, 0, PAGE, DmaAccess.WRITE));
        assertEquals(Presence.NONE, presence(2, 0, PAGE + 1, DmaAccess.READ));
        assertEquals(Presence.NONE, presence(3, 0, 1, DmaAccess.READ));
        assertEquals(Presence.NONE, presence(-1, PAGE - 1, 2, DmaAccess.READ));
    }
}
