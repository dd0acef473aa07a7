package org.virtiobackend.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PciEndpointTest {
    private static final int PM = 0x40;
    private static final int EXPRESS = 0x48;
    private static final int MSIX = 0x5c;

    private final PciEndpoint endpoint =
            new PciEndpoint(new PciIdentity(0x1af4, 0x1042, 1, 0x010203, 0x1af4, 0x1100), 5);
    private final List<String> events = new ArrayList<>();
    private boolean interrupt;
    private boolean decodedThen;

    PciEndpointTest() {
        endpoint.bars().addMemory64(2, PciRegion.trapped(1 << 20));
        endpoint.setOwner(
                new EndpointListener() {
                    @Override
                    public void busMasterChanged(boolean enabled) {
                        events.add("master " + enabled);
                        decodedThen = endpoint.bars().window(2).base() != 0;
                    }

                    @Override
                    public void interruptModeChanged() {
                        events.add("mode");
                    }

                    @Override
                    public void functionLevelReset() {
                        events.add("flr");
                        endpoint.reset();
                    }
                },
                () -> interrupt);
    }

    private long read(int offset, int length) {
        ByteBuf out = Unpooled.buffer(8);
        endpoint.read(offset, length, out);
        assertEquals(length, out.readableBytes());
        return out.writeZero(8 - length).readLongLE();
    }

    private void write(int offset, int length, long value) {
        ByteBuf in = Unpooled.buffer(8).writeLongLE(value);
        endpoint.write(offset, length, in);
        assertEquals(length, in.readerIndex());
    }

    @Test
    void showsItsIdentity() {
        assertEquals(0x1042_1af4, read(0, 4));
        assertEquals(0x0102_0301, read(8, 4));
        assertEquals(0x1100_1af4, read(0x2c, 4));
        assertEquals(0, read(0x0e, 1), "header type 0, one function");
        assertEquals(1, read(0x3d, 1), "INTA");
        assertEquals(0x10, read(6, 2), "capability list");
        assertEquals(0, read(0x100, 4), "no extended capabilities");
    }

    @Test
    void memoryIsThereUntilTheOwnerHasLetGoOfIt() {
        write(0x18, 8, 0x10_0000_0000L);
        write(4, 2, 6);
        assertTrue(decodedThen, "on: after the BARs");
        write(4, 2, 0);
        assertTrue(decodedThen, "off: before the BARs");
        assertEquals(0, endpoint.bars().window(2).base());
        write(4, 2, 6);
        write(PM + 4, 2, 3);
        assertTrue(decodedThen, "powered off: before the BARs");
        assertEquals(List.of("master true", "master false", "master true", "master false"), events);
    }

    @Test
    void readOnlyRegistersStay() {
        for (int at :
                new int[] {0, 2, 6, 8, 0x0e, 0x2c, 0x30, 0x34, 0x3d, PM, PM + 2, EXPRESS, EXPRESS + 4, MSIX + 4}) {
            long before = read(at, 2);
            write(at, 2, 0xffff);
            assertEquals(before, read(at, 2), "at " + at);
        }
    }

    @Test
    void romBarReadsZeroWhateverIsWritten() {
        write(0x30, 4, 0xffff_f800L);
        assertEquals(0, read(0x30, 4));
        write(0x30, 4, 1);
        assertEquals(0, read(0x30, 4));
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "6, 6", "7, 7", "0x0400, 0x0400", "0x0547, 0x0547", "0x0103, 0x0103", "0xffff, 0x0547"})
    void keepsEveryCommandBitThatAnEndpointHas(int written, int readBack) {
        write(4, 2, written);
        assertEquals(readBack, read(4, 2));
        assertEquals(0x0010_0000L | readBack, read(4, 4));
    }

    @Test
    void takesAnyWidthAcrossAnyBoundary() {
        write(0x3b, 3, 0xff_ab_ff);
        assertEquals(0x01ab, read(0x3c, 2));
        write(0x0b, 2, 0x10ff);
        assertEquals(0x10, read(0x0c, 1), "cache line size");
        write(5, 1, 4);
        assertEquals(0x0400, read(4, 2));
        assertEquals(read(0, 8) >>> 24 & 0xffff_ffff_ffL, read(3, 5));
        for (int at = 0; at < 4096; at++) {
            int length = 1 + at % 8;
            write(at, length, 0x5a5a_5a5a_5a5a_5a5aL);
            read(at, length);
        }
    }

    @Test
    void capabilityListIsPmThenExpressThenMsix() {
        assertEquals(PM, read(0x34, 1));
        assertEquals(EXPRESS << 8 | 0x01, read(PM, 2));
        assertEquals(MSIX << 8 | 0x10, read(EXPRESS, 2));
        assertEquals(0x11, read(MSIX, 2));
        assertEquals(1, read(EXPRESS + 2, 2), "version 1, endpoint");
        assertTrue((read(EXPRESS + 4, 4) & 1 << 28) != 0, "FLR");
        assertEquals(4, read(MSIX + 2, 2), "5 vectors");
        assertEquals(1, read(MSIX + 4, 4), "table at 0 of BAR 1");
        assertEquals(0x1001, read(MSIX + 8, 4), "PBA on the next page");
    }

    @Test
    void tellsBusMasterChangesOnce() {
        write(4, 2, 6);
        write(4, 2, 6);
        assertTrue(endpoint.isBusMaster());
        write(4, 2, 2);
        assertFalse(endpoint.isBusMaster());
        assertEquals(List.of("master true", "master false"), events);
    }

    @Test
    void leavingD0StopsMasteringAndDecoding() {
        write(0x18, 4, 0xfea0_0000L);
        write(4, 2, 6);
        assertEquals(0xfea0_0000L, endpoint.bars().window(2).base());
        write(PM + 4, 2, 3);
        assertEquals(0xb, read(PM + 4, 2), "D3hot, no soft reset");
        assertFalse(endpoint.bars().window(2).decodes());
        assertFalse(endpoint.isBusMaster());
        write(PM + 4, 2, 0);
        assertEquals(0xfea0_0000L, endpoint.bars().window(2).base());
        assertEquals(List.of("master true", "master false", "master true"), events);
    }

    @Test
    void doesNotEnterPowerStatesItLacks() {
        write(PM + 4, 2, 1);
        assertEquals(8, read(PM + 4, 2));
        write(PM + 4, 2, 3);
        write(PM + 4, 2, 2);
        assertEquals(0xb, read(PM + 4, 2));
    }

    @Test
    void decodesOnlyWithMemoryEnabled() {
        write(0x18, 8, 0x12_fea0_0000L);
        assertFalse(endpoint.bars().window(2).decodes());
        write(4, 1, 2);
        assertEquals(0x12_fea0_0000L, endpoint.bars().window(2).base());
        write(4, 1, 0);
        assertFalse(endpoint.bars().window(2).decodes());
    }

    @Test
    void functionLevelResetByEitherByteWidth() {
        write(EXPRESS + 8, 2, 0xa810);
        assertEquals(List.of("flr"), events);
        assertEquals(0x2810, read(EXPRESS + 8, 2), "initiate bit reads 0");
        write(EXPRESS + 9, 1, 0x80);
        write(EXPRESS + 8, 1, 0x80);
        write(EXPRESS + 6, 4, 0x8000_0000L);
        assertEquals(List.of("flr", "flr", "flr"), events);
        write(EXPRESS + 8, 2, 0x2010);
        assertEquals(0x2010, read(EXPRESS + 8, 2));
    }

    @Test
    void resetPutsEverythingBack() {
        write(0x18, 8, 0x12_fea0_0000L);
        write(4, 2, 0x0406);
        write(MSIX + 2, 2, 0xc000);
        write(PM + 4, 2, 3);
        endpoint.reset();
        assertEquals(0xc, read(0x18, 8), "no address");
        assertEquals(0, read(4, 2));
        assertEquals(4, read(MSIX + 2, 2));
        assertEquals(8, read(PM + 4, 2));
        assertFalse(endpoint.isMsixEnabled());
        assertTrue(endpoint.isIntxEnabled());
        assertFalse(endpoint.isBusMaster());
        assertFalse(endpoint.bars().window(2).decodes());
    }

    @Test
    void interruptStatusShowsWithoutMsixOnly() {
        interrupt = true;
        assertEquals(0x18, read(6, 2));
        assertEquals(0x18, read(4, 4) >>> 16);
        write(4, 2, 0x400);
        assertEquals(0x18, read(6, 2), "INTx disable does not hide it");
        write(MSIX + 2, 2, 0x8000);
        assertEquals(0x10, read(6, 2));
    }

    @Test
    void interruptModeFollowsBothRegisters() {
        assertTrue(endpoint.isIntxEnabled());
        write(4, 2, 0x400);
        assertFalse(endpoint.isIntxEnabled());
        write(4, 2, 0);
        write(MSIX + 3, 1, 0x80);
        assertTrue(endpoint.isMsixEnabled());
        assertFalse(endpoint.isIntxEnabled());
        assertEquals(List.of("mode", "mode", "mode"), events);
    }

    @Test
    void functionMaskHoldsMessagesBack() {
        List<Integer> sent = new ArrayList<>();
        endpoint.connect(new InterruptSink() {
            @Override
            public boolean msix(int vector) {
                return sent.add(vector);
            }

            @Override
            public void intx() {}
        });
        write(MSIX + 2, 2, 0xc000);
        endpoint.msix().raise(4);
        assertEquals(List.of(), sent);
        write(MSIX + 2, 2, 0x8000);
        assertEquals(List.of(4), sent);
    }

    @Test
    void functionWithoutVectorsHasNoMsixCapability() {
        PciEndpoint plain = new PciEndpoint(new PciIdentity(1, 2, 3, 4, 5, 6), 0);
        assertEquals(0, plain.config().get(EXPRESS + 1), "Express is last");
        assertEquals(PciRegion.ABSENT, plain.bars().region(PciEndpoint.MSIX_BAR));
    }
}
