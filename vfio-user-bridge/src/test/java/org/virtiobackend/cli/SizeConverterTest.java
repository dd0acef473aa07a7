package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class SizeConverterTest {
    @ParameterizedTest
    @CsvSource({"0,0", "512,512", "1k,1024", "64K,65536", "10M,10485760", "2g,2147483648", "1T,1099511627776"})
    void understandsUnits(String text, long bytes) {
        assertEquals(bytes, SizeConverter.parse(text));
    }

    @Test
    void takesTheLargest() {
        assertEquals(Long.MAX_VALUE, SizeConverter.parse("9223372036854775807"));
        assertEquals(8388607L << 40, SizeConverter.parse("8388607T"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "K", "-1", "+1", "1.5G", "1KB", "ten", "8388608T", "9223372036854775808", "0x10", "1 K"})
    void refusesTheRest(String text) {
        assertThrows(TypeConversionException.class, () -> SizeConverter.parse(text));
    }
}
