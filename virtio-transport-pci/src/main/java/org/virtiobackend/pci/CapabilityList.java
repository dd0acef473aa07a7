package org.virtiobackend.pci;

/** Places capabilities in the conventional part of a configuration space, one behind the other, and links them. */
public final class CapabilityList {
    private final ConfigSpace config;
    private int next = PciRegisters.FIRST_CAPABILITY;
    private int linkFrom = PciRegisters.CAPABILITIES_POINTER;

    public CapabilityList(ConfigSpace config) {
        this.config = config;
    }

    /**
     * Reserves a capability, writes its id and links it at the end of the list.
     *
     * @param length bytes, the two of the list header included
     * @return its offset
     * @throws IllegalStateException the 192 bytes for capabilities are used up
     */
    public int add(int id, int length) {
        int offset = next;
        if (offset + length > PciRegisters.CONVENTIONAL_SIZE) {
            throw new IllegalStateException("no room for a capability of " + length + " bytes at offset " + offset);
        }
        config.define(offset, 1, id, 0);
        config.define(offset + 1, 1, 0, 0);
        config.define(linkFrom, 1, offset, 0);
        linkFrom = offset + 1;
        next = offset + length + 3 & ~3;
        return offset;
    }
}
