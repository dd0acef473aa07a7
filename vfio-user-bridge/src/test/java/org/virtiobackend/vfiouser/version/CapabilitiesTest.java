package org.virtiobackend.vfiouser.version;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;

class CapabilitiesTest {
    /** What QEMU 11.1.3 was seen to send. */
    private static final String QEMU =
            "{\"capabilities\": {\"migration\": {\"max_bitmap_size\": 268435456, \"pgsize\": "
                    + "4096}, \"pgsizes\": 4096, \"max_msg_fds\": 16, \"max_dma_maps\": 65535, "
                    + "\"max_data_xfer_size\": 1048576, \"write_multiple\": true}}";

    @Test
    void readsWhatQemuSends() throws ErrnoException {
        assertEquals(new Capabilities(16, 1 << 20, 65535, 4096), parse(QEMU));
    }

    @Test
    void missingOnesHaveTheirDefaults() throws ErrnoException {
        assertEquals(Capabilities.DEFAULT, parse("{}"));
        assertEquals(Capabilities.DEFAULT, parse("{\"capabilities\":{}}"));
        assertEquals(new Capabilities(1, 1 << 20, 65535, 4096), Capabilities.DEFAULT);
        assertEquals(
                512, parse("{\"capabilities\":{\"max_data_xfer_size\":512}}").maxDataTransfer());
    }

    @Test
    void textIsReadBack() throws ErrnoException {
        Capabilities odd = new Capabilities(0, 12345, 7, 4096 | 2 << 20);
        assertEquals(odd, Capabilities.parse(odd.text()));
    }

    @Test
    void pageSizesAreAMaskOf64Bits() throws ErrnoException {
        Capabilities all = parse("{\"capabilities\":{\"pgsizes\":18446744073709547520}}");
        assertEquals(-4096, all.pageSizes());
        assertEquals(all, Capabilities.parse(all.text()));
        for (String bad : new String[] {"0", "-4096", "18446744073709551616", "4096.0", "\"4096\"", "null"}) {
            ErrnoException e = assertThrows(
                    ErrnoException.class, () -> parse("{\"capabilities\":{\"pgsizes\":" + bad + "}}"), bad);
            assertEquals(Errno.EINVAL, e.errno());
        }
    }

    @Test
    void saysWhatIsWrong() {
        ErrnoException e =
                assertThrows(ErrnoException.class, () -> parse("{\"capabilities\":{\"max_msg_fds\":\"8\"}}"));
        assertEquals(Errno.EINVAL, e.errno());
        assertEquals("max_msg_fds is not a number from 0 to 1024: invalid argument", e.getMessage());
    }

    private static Capabilities parse(String text) throws ErrnoException {
        return Capabilities.parse(text.getBytes(StandardCharsets.UTF_8));
    }
}
