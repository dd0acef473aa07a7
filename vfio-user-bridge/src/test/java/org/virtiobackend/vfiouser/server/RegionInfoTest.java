package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.vfiouser.client.ClientOptions;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.RegionInfo;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class RegionInfoTest extends CommandTest {
    private static final int READ_WRITE = 3;
    private static final int MMAP = 4;
    private static final int CAPS = 8;
    private static final int SPARSE_SIZE = 48 + 2 * 16;

    @Test
    void tellsATrappedRegion() throws IOException {
        RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(32, 0));
        assertArrayEquals(answer(32, READ_WRITE, 0, 0, FakeFunction.BAR_BYTES), reply.payload());
        assertTrue(reply.fds().isEmpty());
    }

    @Test
    void tellsTheConfigurationSpace() throws IOException {
        RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(32, PciFunction.CONFIG_REGION));
        assertArrayEquals(answer(32, READ_WRITE, PciFunction.CONFIG_REGION, 0, 4096), reply.payload());
    }

    @Test
    void tellsAnAbsentRegion() throws IOException {
        for (int index : new int[] {3, 4, 5, PciFunction.ROM_REGION, PciFunction.VGA_REGION}) {
            RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(4096, index));
            assertArrayEquals(answer(32, 0, index, 0, 0), reply.payload());
        }
    }

    @Test
    void answersAWhollyMappableRegionAtOnce() throws IOException {
        try (RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(32, 1))) {
            assertArrayEquals(answer(32, READ_WRITE | MMAP, 1, 0, FakeFunction.BAR_BYTES), reply.payload());
            assertEquals(1, reply.fds().size());
        }
    }

    @Test
    void doesNotPadToALargerArgsz() throws IOException {
        try (RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(1000, 1))) {
            assertEquals(32, reply.payload().length);
        }
    }

    @Test
    void cutsToASmallArgszWithoutCapabilitiesAndDescriptor() throws IOException {
        for (int argsz = 32; argsz < SPARSE_SIZE; argsz++) {
            RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(argsz, 2));
            assertArrayEquals(answer(SPARSE_SIZE, READ_WRITE | MMAP, 2, 0, FakeFunction.BAR_BYTES), reply.payload());
            assertTrue(reply.fds().isEmpty());
        }
    }

    @Test
    void listsTheAreasWhenThereIsRoom() throws IOException {
        byte[] fixed = answer(SPARSE_SIZE, READ_WRITE | MMAP | CAPS, 2, 32, FakeFunction.BAR_BYTES);
        byte[] capability = Bytes.of()
                .u16(1)
                .u16(1)
                .u32(0, 2, 0)
                .u64(4096, 4096, 12288, 4096)
                .get();
        for (int argsz : new int[] {SPARSE_SIZE, SPARSE_SIZE + 100}) {
            try (RawMessage reply = ok(Command.DEVICE_GET_REGION_INFO, request(argsz, 2))) {
                assertArrayEquals(Bytes.of().raw(fixed).raw(capability).get(), reply.payload());
                assertEquals(1, reply.fds().size());
            }
        }
    }

    @Test
    void clientFindsTheAreasByAskingTwice() throws IOException {
        try (RegionInfo info = client.regionInfo(2)) {
            assertEquals(FakeFunction.AREAS, info.areas());
            assertTrue(info.isMappable());
            assertFalse(info.isWhollyMappable());
        }
        assertNewFds(0);
    }

    @Test
    void offersNoMappingToAClientThatTakesNoDescriptor() throws IOException {
        Capabilities none = new Capabilities(0, 4096, 10, 4096);
        try (VfioUserClient poor = server.client(ClientOptions.DEFAULT.withCapabilities(none));
                RegionInfo info = poor.regionInfo(1)) {
            assertEquals(READ_WRITE, info.flags());
            assertNull(info.memory());
        }
    }

    @Test
    void refusesShortPayloadSmallArgszAndBadIndex() throws IOException {
        invalidWhenShorter(Command.DEVICE_GET_REGION_INFO, request(32, 0));
        invalid(Command.DEVICE_GET_REGION_INFO, request(8, 0));
        invalid(Command.DEVICE_GET_REGION_INFO, request(31, 0));
        invalid(Command.DEVICE_GET_REGION_INFO, request(32, 9));
        invalid(Command.DEVICE_GET_REGION_INFO, request(32, 0xffff_ffffL));
    }

    private static byte[] request(long argsz, long index) {
        return Bytes.of().u32(argsz, 0, index, 0).u64(0, 0).get();
    }

    private static byte[] answer(long argsz, int flags, int index, int capabilityOffset, long size) {
        return Bytes.of()
                .u32(argsz, flags, index, capabilityOffset)
                .u64(size, 0)
                .get();
    }
}
