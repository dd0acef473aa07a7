package org.virtiobackend.cli;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Bytes as people write them: a number, and perhaps K, M, G or T (powers of 1024). */
final class SizeConverter implements ITypeConverter<Long> {
    private static final String UNITS = "KMGT";

    @Override
    public Long convert(String text) {
        return parse(text);
    }

    /** @throws TypeConversionException for people */
    static long parse(String text) {
        String value = text.trim().toUpperCase(Locale.ROOT);
        int unit = value.isEmpty() ? -1 : UNITS.indexOf(value.charAt(value.length() - 1));
        String digits = unit < 0 ? value : value.substring(0, value.length() - 1);
        int shift = 10 * (unit + 1);
        try {
            long number = Long.parseLong(digits);
            if (number >= 0 && number <= Long.MAX_VALUE >> shift && !digits.startsWith("+")) {
                return number << shift;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new TypeConversionException("'" + text + "' is not a size such as 512, 64K, 10M or 2G");
    }
}
