package org.virtiobackend.cli;

import java.util.HexFormat;
import org.virtiobackend.virtio.pci.VendorData;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A vendor data capability as {@code VENDOR:BYTES}, both hexadecimal. */
final class VendorDataConverter implements ITypeConverter<VendorData> {
    @Override
    public VendorData convert(String text) {
        int colon = text.indexOf(':');
        try {
            if (colon > 0) {
                int vendor = HexFormat.fromHexDigits(text, 0, colon);
                return new VendorData(vendor, HexFormat.of().parseHex(text, colon + 1, text.length()));
            }
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException("'" + text + "': " + e.getMessage());
        }
        throw new TypeConversionException("'" + text + "' is not VENDOR:BYTES, both hexadecimal, such as 1b36:0102");
    }
}
