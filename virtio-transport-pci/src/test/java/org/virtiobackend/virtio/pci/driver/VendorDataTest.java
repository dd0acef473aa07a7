package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.VendorData;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** Vendor data capabilities (virtio 1.4 4.1.4.8), shown and found. */
class VendorDataTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 6, 10})
    void isShownPaddedAndFound(int bytes) throws Exception {
        byte[] data = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            data[i] = (byte) (0xf0 + i);
        }
        VirtioPciOptions options = VirtioPciOptions.defaults().withVendorData(List.of(new VendorData(0x1b36, data)));
        try (FunctionFixture f = new FunctionFixture(options)) {
            int at = f.capability(PciRegisters.CAP_ID_VENDOR, VIRTIO_PCI_CAP_VENDOR_CFG);
            int length = (int) f.pci.configRead(at + 2, 1);
            assertEquals((6 + bytes + 3) / 4 * 4, length);
            assertEquals(0x1b36, f.pci.configRead(at + 4, 2));
            f.pci.configWrite(at + 6, 1, 0);
            VirtioStructures.Vendor found =
                    VirtioPciDriver.discover(f.pci).structures().vendorData().get(0);
            assertEquals(new VirtioStructures.Vendor(0x1b36, at + 6, length - 6), found);
            for (int i = 0; i < found.length(); i++) {
                assertEquals(i < bytes ? 0xf0 + i : 0, f.pci.configRead(found.offset() + i, 1), "read-only");
            }
        }
    }

    @Test
    void severalMayBeShownAndNoneIsTheDefault() throws Exception {
        VendorData one = new VendorData(0x1b36, new byte[] {1, 2});
        VirtioPciOptions options = VirtioPciOptions.defaults().withVendorData(List.of(one, one, one));
        try (FunctionFixture f = new FunctionFixture(options)) {
            assertEquals(
                    3, VirtioPciDriver.discover(f.pci).structures().vendorData().size());
        }
        try (FunctionFixture f = new FunctionFixture()) {
            assertEquals(List.of(), VirtioPciDriver.discover(f.pci).structures().vendorData());
        }
    }

    @Test
    void thatOfVirtioItselfAndOddSizesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new VendorData(VENDOR_ID, new byte[2]));
        assertThrows(IllegalArgumentException.class, () -> new VendorData(0x1_0000, new byte[2]));
        assertThrows(IllegalArgumentException.class, () -> new VendorData(1, new byte[0]));
        assertThrows(IllegalArgumentException.class, () -> new VendorData(1, new byte[11]));
    }

    @Test
    void oneThatIsTooShortDoesNotCount() throws Exception {
        VirtioPciOptions options =
                VirtioPciOptions.defaults().withVendorData(List.of(new VendorData(0x1b36, new byte[] {1})));
        try (FunctionFixture f = new FunctionFixture(options)) {
            int at = f.capability(PciRegisters.CAP_ID_VENDOR, VIRTIO_PCI_CAP_VENDOR_CFG);
            for (int length : new int[] {0, 4, 6, 255}) {
                TamperedDevice device = new TamperedDevice(f.pci).config(at + 2, 1, length);
                assertEquals(
                        List.of(), VirtioPciDriver.discover(device).structures().vendorData());
            }
        }
    }
}
