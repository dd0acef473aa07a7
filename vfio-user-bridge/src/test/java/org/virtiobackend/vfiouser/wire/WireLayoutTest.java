package org.virtiobackend.vfiouser.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;

/** Every structure byte for byte, at an odd place in a buffer. */
class WireLayoutTest {
    private static final int AT = 3;

    private final ByteBuf bytes = Unpooled.buffer(200, 200);

    @Test
    void header() {
        MessageHeader header = new MessageHeader().wrap(bytes, AT).set(0x8001, 10, 0x80000010, 0x31, 22);
        assertHex("0180" + "0a00" + "10000080" + "31000000" + "16000000");
        assertEquals(0x8001, header.id());
        assertEquals(10, header.command());
        assertEquals(0x80000010L, header.size());
        assertTrue(header.isReply());
        assertFalse(header.isCommand());
        assertTrue(header.isError());
        assertFalse(header.wantsReply());
        assertEquals(22, header.errno());
    }

    @Test
    void headerErrnoThatMakesNoSense() {
        for (int errno : new int[] {-1, 0, 4096, Integer.MIN_VALUE}) {
            assertEquals(
                    0,
                    new MessageHeader()
                            .wrap(bytes, AT)
                            .set(0, 0, 16, 0x21, errno)
                            .errno());
        }
    }

    @Test
    void headerSizes() {
        assertFalse(MessageHeader.isSizeValid(15));
        assertTrue(MessageHeader.isSizeValid(16));
        assertTrue(MessageHeader.isSizeValid((1 << 20) + 32));
        assertFalse(MessageHeader.isSizeValid((1 << 20) + 33));
    }

    @Test
    void version() {
        VersionPayload version = new VersionPayload().wrap(bytes, AT).set(0, 1);
        assertEquals(7, version.setText(new byte[] {'{', '}'}));
        assertHex("0000" + "0100" + "7b7d00");
        assertTrue(version.isTextTerminated(7));
        assertFalse(version.isTextTerminated(6));
        assertEquals("{}", new String(version.text(7)));
    }

    @Test
    void dmaMap() {
        DmaMapPayload map = new DmaMapPayload().wrap(bytes, AT).set(32, 3, 0x1111, 0x2222, 0x3333);
        assertHex("20000000" + "03000000" + "1111000000000000" + "2222000000000000" + "3333000000000000");
        assertEquals(0x1111, map.fileOffset());
        assertEquals(0x2222, map.address());
        assertEquals(0x3333, map.length());
    }

    @Test
    void dmaUnmap() {
        DmaUnmapPayload unmap = new DmaUnmapPayload().wrap(bytes, AT).set(24, 2, 0x2222, 0x3333);
        assertHex("18000000" + "02000000" + "2222000000000000" + "3333000000000000");
        assertTrue(unmap.isAll());
        assertFalse(unmap.isValid());
    }

    @Test
    void deviceInfo() {
        new DeviceInfoPayload().wrap(bytes, AT).set(16, 3, 9, 5);
        assertHex("10000000" + "03000000" + "09000000" + "05000000");
    }

    @Test
    void regionInfoWithAreas() {
        new RegionInfoPayload().wrap(bytes, AT).set(80, 15, 2, 32, 0x4000, 0x1000);
        assertHex("50000000" + "0f000000" + "02000000" + "20000000" + "0040000000000000" + "0010000000000000");
        new SparseMmapCapability().wrap(bytes, AT).set(1).setArea(0, 0x1000, 0x2000);
        assertHex("0100" + "0100" + "00000000" + "01000000" + "00000000" + "0010000000000000" + "0020000000000000");
        assertEquals(32, SparseMmapCapability.size(1));
    }

    @Test
    void ioFdsAndIrqInfo() {
        new IoFdsPayload().wrap(bytes, AT).set(16, 0, 7, 1);
        assertHex("10000000" + "00000000" + "07000000" + "01000000");
        new IrqInfoPayload().wrap(bytes, AT).set(16, 7, 2, 0x800);
        assertHex("10000000" + "07000000" + "02000000" + "00080000");
    }

    @Test
    void setIrqs() {
        SetIrqsPayload set = new SetIrqsPayload().wrap(bytes, AT).set(22, 0x22, 2, 1, 2);
        bytes.setByte(AT + 20, 0).setByte(AT + 21, 1);
        assertHex("16000000" + "22000000" + "02000000" + "01000000" + "02000000" + "0001");
        assertEquals(SetIrqsPayload.DATA_BOOL, set.data());
        assertEquals(SetIrqsPayload.ACTION_TRIGGER, set.action());
        assertFalse(set.isChosen(0));
        assertTrue(set.isChosen(1));
    }

    @Test
    void regionAccess() {
        RegionAccessPayload access = new RegionAccessPayload().wrap(bytes, AT).set(0x1234, 7, 4);
        assertHex("3412000000000000" + "07000000" + "04000000");
        assertTrue(access.isInside(0x1238));
        assertFalse(access.isInside(0x1237));
    }

    @Test
    void dmaTransfer() {
        DmaTransferPayload transfer = new DmaTransferPayload().wrap(bytes, AT).set(0x1_0000_0000L, 8);
        assertHex("0000000001000000" + "0800000000000000");
        bytes.setIntLE(AT + 12, -1);
        transfer.setCount32(2, 9);
        assertHex("0200000000000000" + "09000000" + "ffffffff");
        assertEquals(9, transfer.count32());
        assertEquals(0xffff_ffff_0000_0009L, transfer.count());
    }

    @Test
    void writeMulti() {
        WriteMultiPayload multi = new WriteMultiPayload().wrap(bytes, AT).set(2);
        assertHex("0200000000000000");
        assertTrue(multi.isValid(8 + 2 * 24));
        assertFalse(multi.isValid(8 + 24));
        assertFalse(multi.isValid(8 + 2 * 24 + 1));
        assertEquals(AT + 8 + 24, multi.entryIndex(1));
    }

    @Test
    void featureAndMigrationData() {
        new DeviceFeaturePayload().wrap(bytes, AT).set(16, 0x10001);
        assertHex("10000000" + "01000100");
        new MigrationDataPayload().wrap(bytes, AT).set(4104, 4096);
        assertHex("08100000" + "00100000");
    }

    @Test
    void commandNames() {
        assertEquals("DEVICE_SET_IRQS", Command.name(Command.DEVICE_SET_IRQS));
        assertEquals("command 14", Command.name(14));
        assertEquals("command 500", Command.name(500));
        assertEquals("command 0", Command.name(0));
    }

    private void assertHex(String expected) {
        assertEquals(expected, ByteBufUtil.hexDump(bytes, AT, expected.length() / 2));
    }
}
