package org.virtiobackend.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class CapabilityListTest {
    private final ConfigSpace config = new ConfigSpace();
    private final CapabilityList list = new CapabilityList(config);

    @Test
    void linksEntriesInOrderOnDwordBoundaries() {
        assertEquals(0x40, list.add(1, 8));
        assertEquals(0x48, list.add(9, 21));
        assertEquals(0x60, list.add(17, 12));
        assertEquals(0x40, config.get(PciRegisters.CAPABILITIES_POINTER));
        assertEquals(0x4801, config.get(0x40, 2));
        assertEquals(0x6009, config.get(0x48, 2));
        assertEquals(0x0011, config.get(0x60, 2));
    }

    @Test
    void fillsTheConventionalSpaceToTheLastByteAndNoFurther() {
        list.add(9, 192);
        assertThrows(IllegalStateException.class, () -> list.add(9, 4));
    }
}
