package org.virtiobackend.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BarSetTest {
    private final ConfigSpace config = new ConfigSpace();
    private final BarSet bars = new BarSet(config);

    private void write(int offset, int length, long value) {
        for (int i = 0; i < length; i++) {
            config.write(offset + i, (int) (value >>> (8 * i)) & 0xff);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {16, 4096, 0x4000, 1 << 20, 1L << 31})
    void sizes32BitBars(long size) {
        bars.addMemory32(4, PciRegion.trapped(size));
        write(0x20, 4, 0xffff_ffffL);
        assertEquals(-size & 0xffff_ffffL, config.get(0x20, 4));
    }

    /** Upper half all ones for sizes up to 4 GiB, low half empty but for the type beyond. */
    @ParameterizedTest
    @ValueSource(longs = {4096, 64 << 20, 1L << 31, 1L << 32, 1L << 33, 1L << 40})
    void sizes64BitBarsInBothHalves(long size) {
        bars.addMemory64(2, PciRegion.trapped(size));
        write(0x18, 4, 0xffff_ffffL);
        assertEquals(-size & 0xffff_ffffL | 0xc, config.get(0x18, 4));
        assertEquals(0, config.get(0x1c, 4));
        write(0x1c, 4, 0xffff_ffffL);
        assertEquals(-size | 0xc, config.get(0x18, 8));
    }

    @Test
    void sizesByteByByte() {
        bars.addMemory32(0, PciRegion.trapped(0x4000));
        for (int i = 3; i >= 0; i--) {
            write(0x10 + i, 1, 0xff);
        }
        assertEquals(0xffff_c000L, config.get(0x10, 4));
    }

    /** The rules of QEMU's PCI core for a 64-bit BAR of 1 MiB. */
    @ParameterizedTest
    @CsvSource({
        "0x100000,           0x100000",
        "0xfea00000,         0xfea00000",
        "0xfffffffffff00000, 0", // ends at all ones
        "0x8000000000000000, 0x8000000000000000",
        "0xfff00000,         0xfff00000", // a 64-bit BAR may end at 4 GiB
        "0x123456789abcdef0, 0x123456789ab00000",
        "0xfffff,            0", // below its own size is address 0
        "0,                  0",
    })
    void decodesA64BitBar(String written, String base) {
        bars.addMemory64(2, PciRegion.trapped(1 << 20));
        write(0x18, 8, Long.parseUnsignedLong(written.replaceFirst("0x", ""), written.startsWith("0x") ? 16 : 10));
        bars.update(true);
        assertEquals(
                Long.toHexString(Long.parseUnsignedLong(base.replaceFirst("0x", ""), 16)),
                Long.toHexString(bars.window(2).base()));
        bars.update(false);
        assertFalse(bars.window(2).decodes());
    }

    @ParameterizedTest
    @CsvSource({
        "0xfea00000, 0xfea00000",
        "0xffffffff, 0",
        "0xffffc000, 0",
        "0xffff8000, 0xffff8000",
        "0, 0",
        "0x3fff, 0"
    })
    void decodesA32BitBar(long written, long base) {
        bars.addMemory32(4, PciRegion.trapped(0x4000));
        write(0x20, 4, written);
        bars.update(true);
        assertEquals(base, bars.window(4).base());
    }

    @Test
    void halfWrittenAddressIsWhatTheRegistersSay() {
        bars.addMemory64(2, PciRegion.trapped(1 << 20));
        write(0x18, 8, 0x12_fea0_0000L);
        bars.update(true);
        assertEquals(0x12_fea0_0000L, bars.window(2).base());
        write(0x18, 4, 0xffff_ffffL);
        bars.update(true);
        assertEquals(0x12_fff0_0000L, bars.window(2).base());
        write(0x18, 4, 0xfea0_0000L);
        bars.update(true);
        assertEquals(0x12_fea0_0000L, bars.window(2).base());
    }

    @Test
    void refusesWhatNoBusCanMap() {
        bars.addMemory64(2, PciRegion.trapped(4096));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory32(3, PciRegion.trapped(4096)));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory32(2, PciRegion.trapped(4096)));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory64(5, PciRegion.trapped(4096)));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory64(1, PciRegion.trapped(4096)));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory32(0, PciRegion.trapped(4097)));
        assertThrows(IllegalArgumentException.class, () -> bars.addMemory32(0, PciRegion.trapped(8)));
        assertSame(PciRegion.ABSENT, bars.region(0));
    }
}
