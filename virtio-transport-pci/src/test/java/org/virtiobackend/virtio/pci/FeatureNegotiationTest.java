package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.virtiobackend.virtio.RestrictedDma.*;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.TestDevice.*;

import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciRegion;

class FeatureNegotiationTest {
    private final TestDevice device = new TestDevice(64);
    private final TestPolicy policy = new TestPolicy();

    /** Offers and refuses what a test wants. */
    private static final class TestPolicy implements DmaPolicy {
        private long offers;
        private boolean accepts = true;
        private Region region;

        @Override
        public long offeredFeatures() {
            return offers;
        }

        @Override
        public boolean acceptFeatures(long features) {
            return accepts;
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            throw new AssertionError("not live");
        }

        @Override
        public Region region() {
            return region;
        }
    }

    private FeatureNegotiation negotiation(VirtioPciOptions options) {
        return new FeatureNegotiation(device, policy, options);
    }

    private FeatureNegotiation negotiation() {
        return negotiation(VirtioPciOptions.defaults());
    }

    private static boolean settle(FeatureNegotiation negotiation, long features) {
        negotiation.setDriverWord(0, features & 0xffff_ffffL, false);
        negotiation.setDriverWord(1, features >>> 32, false);
        return negotiation.settle();
    }

    @Test
    void offersDeviceTransportAndPolicyBits() {
        policy.offers = VIRTIO_F_SWIOTLB;
        policy.region = new DmaPolicy.Region(PciRegion.trapped(4096), null, 1, true, false);
        long expected = FEATURE_A
                | FEATURE_B
                | FEATURE_HIGH
                | VIRTIO_F_VERSION_1
                | VIRTIO_F_INDIRECT_DESC
                | VIRTIO_F_EVENT_IDX
                | VIRTIO_F_ACCESS_PLATFORM
                | VIRTIO_F_RING_RESET
                | VIRTIO_F_SWIOTLB;
        assertEquals(expected, negotiation().offered());
        assertEquals(expected & 0xffff_ffffL, negotiation().deviceWord(0));
        assertEquals(expected >>> 32, negotiation().deviceWord(1));
    }

    @Test
    void readsZeroBeyondTheKnownBits() {
        for (long select : new long[] {2, 3, 4, 31, 0x7fff_ffffL, 0x8000_0000L, 0xffff_ffffL}) {
            assertEquals(0, negotiation().deviceWord(select));
        }
    }

    @Test
    void neverOffersWhatIsDisabledButVersion1() {
        long offered = negotiation(VirtioPciOptions.defaults()
                        .withDisabledFeatures(VIRTIO_F_EVENT_IDX | FEATURE_A | VIRTIO_F_VERSION_1))
                .offered();
        assertEquals(0, offered & (VIRTIO_F_EVENT_IDX | FEATURE_A));
        assertEquals(VIRTIO_F_VERSION_1, offered & VIRTIO_F_VERSION_1);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "all that is offered,           true,  0,           -1",
        "VERSION_1 alone,               true,  0x100000000, 0",
        "nothing,                       false, 0,           0",
        "all but VERSION_1,             false, 0x1,         0",
        "a device bit not offered,      false, 0x100000002, 0",
        "a reserved bit,                false, 0x140000000, 0",
        "SWIOTLB not offered,           false, 0x108000000, 0",
        "RING_PACKED not offered,       false, 0x500000000, 0",
        "bit 63,                        false, 0x8000000100000000, 0",
    })
    void acceptsSubsetsWithVersion1(String name, boolean good, String hex, long orAllOffered) {
        FeatureNegotiation negotiation = negotiation();
        long features = Long.parseUnsignedLong(hex.replace("0x", ""), 16) | negotiation.offered() & orAllOffered;
        assertEquals(good, settle(negotiation, features));
        assertEquals(good ? features : 0, negotiation.negotiated());
    }

    @ParameterizedTest
    @CsvSource({"2", "3"})
    void refusesBitsBeyond63(int select) {
        FeatureNegotiation negotiation = negotiation();
        negotiation.setDriverWord(select, 1, false);
        assertEquals(1, negotiation.driverWord(select));
        assertEquals(false, settle(negotiation, VIRTIO_F_VERSION_1));
        negotiation.setDriverWord(select, 0, false);
        assertEquals(true, negotiation.settle());
    }

    @Test
    void ignoresWordsThatDoNotExist() {
        FeatureNegotiation negotiation = negotiation();
        negotiation.setDriverWord(4, 1, false);
        negotiation.setDriverWord(0xffff_ffffL, 1, false);
        assertEquals(0, negotiation.driverWord(4));
        assertEquals(0, negotiation.driverWord(0xffff_ffffL));
        assertEquals(true, settle(negotiation, VIRTIO_F_VERSION_1));
    }

    @Test
    void deviceMayRefuse() {
        device.accept = features -> (features & FEATURE_A) != 0;
        assertEquals(false, settle(negotiation(), VIRTIO_F_VERSION_1));
        assertEquals(true, settle(negotiation(), VIRTIO_F_VERSION_1 | FEATURE_A));
    }

    @Test
    void policyMayRefuse() {
        policy.accepts = false;
        assertEquals(false, settle(negotiation(), VIRTIO_F_VERSION_1));
    }

    @Test
    void writesAfterFeaturesOkAreIgnored() {
        FeatureNegotiation negotiation = negotiation();
        settle(negotiation, VIRTIO_F_VERSION_1);
        negotiation.setDriverWord(0, FEATURE_A, true);
        assertEquals(0, negotiation.driverWord(0));
        assertEquals(VIRTIO_F_VERSION_1, negotiation.negotiated());
        negotiation.reset();
        assertEquals(0, negotiation.driverWord(1));
        assertEquals(0, negotiation.negotiated());
    }

    @Test
    void restrictedDmaIsNotOfferedWithoutItsRegion() {
        policy.offers = VIRTIO_F_SWIOTLB;
        assertThrows(IllegalArgumentException.class, this::negotiation);
        policy.region = new DmaPolicy.Region(PciRegion.trapped(4096), null, 1, false, true);
        assertThrows(IllegalArgumentException.class, this::negotiation);
        policy.offers = VIRTIO_F_DMB;
        assertEquals(VIRTIO_F_DMB, negotiation().offered() & VIRTIO_F_DMB);
        VirtioPciOptions plain = VirtioPciOptions.defaults().withDisabledFeatures(VIRTIO_F_ACCESS_PLATFORM);
        assertThrows(IllegalArgumentException.class, () -> negotiation(plain));
        policy.region = new DmaPolicy.Region(PciRegion.trapped(4096), null, 1, true, false);
        assertThrows(IllegalArgumentException.class, this::negotiation);
    }

    @Test
    void takingAFeatureAwayTakesThoseThatNeedItToo() throws Exception {
        VirtioPciOptions plain = VirtioPciOptions.defaults();
        long all = TestDevice.FEATURE_A | TestDevice.FEATURE_B | TestDevice.FEATURE_HIGH;
        long[][] cases = {
            {0, all}, {TestDevice.FEATURE_A, 0}, {TestDevice.FEATURE_B, TestDevice.FEATURE_A},
        };
        for (long[] less : cases) {
            try (FunctionFixture f = new FunctionFixture(plain.withDisabledFeatures(less[0]))) {
                assertEquals(less[1], f.function.offeredFeatures() & all);
            }
        }
    }

    @Test
    void optionsRefuseWhatTheTransportCannotCarry() {
        VirtioPciOptions options = VirtioPciOptions.defaults();
        for (long bit : new long[] {VIRTIO_F_SR_IOV, VIRTIO_F_ADMIN_VQ, VIRTIO_F_SWIOTLB, 1}) {
            assertThrows(IllegalArgumentException.class, () -> options.withTransportFeatures(bit));
        }
        for (int multiplier : new int[] {1, 3, 6, -4}) {
            assertThrows(IllegalArgumentException.class, () -> options.withNotifyMultiplier(multiplier));
        }
    }
}
