package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class FileIoTest {
    /** preadv2(2), BUGS: with these two, 0 bytes may mean that there was nothing in memory. */
    @Test
    void twoKernelsDoNotTellTheEndOfAFileFromWaiting() {
        for (String release : new String[] {"5.9", "5.9.0-5-amd64", "5.10.0-28-amd64", "5.10.209", "5.10-rc1"}) {
            assertFalse(FileIo.nowaitTellsEnd(release), release);
        }
        for (String release :
                new String[] {"5.8.18", "5.11.0", "5.100.1", "5.1.10", "6.5.10", "15.9.1", "6.18.44", ""}) {
            assertTrue(FileIo.nowaitTellsEnd(release), release);
        }
    }
}
