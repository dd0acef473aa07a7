package org.virtiobackend.virtio.pci;

/**
 * A vendor data capability: bytes that a vendor's tools may read for debugging and reporting (virtio 1.4 4.1.4.8).
 *
 * @param vendorId PCI vendor id that says what the bytes mean; not that of virtio itself
 * @param data 1 to {@link #MAX_BYTES} bytes; copied
 */
public record VendorData(int vendorId, byte[] data) {
    /** What is left of the configuration space when every other capability is there. */
    public static final int MAX_BYTES = 10;

    public VendorData {
        if (vendorId < 0 || vendorId > 0xffff || vendorId == VirtioPciCapability.VENDOR_ID) {
            // virtio 1.4 4.1.4.8.1
            throw new IllegalArgumentException("vendor id 0x" + Integer.toHexString(vendorId) + " of vendor data");
        }
        if (data.length < 1 || data.length > MAX_BYTES) {
            throw new IllegalArgumentException(data.length + " bytes of vendor data, expected 1 to " + MAX_BYTES);
        }
        data = data.clone();
    }

    @Override
    public byte[] data() {
        return data.clone();
    }
}
