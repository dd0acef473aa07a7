package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.virtio.DeviceStatus.*;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.VERSION_1;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class CommonConfigTest {
    private FunctionFixture f;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    @Test
    void powerOnValues() {
        int[][] expected = {
            {DEVICE_FEATURE_SELECT, 4, 0},
            {DRIVER_FEATURE_SELECT, 4, 0},
            {DRIVER_FEATURE, 4, 0},
            {CONFIG_MSIX_VECTOR, 2, 0xffff},
            {NUM_QUEUES, 2, 3},
            {DEVICE_STATUS, 1, 0},
            {CONFIG_GENERATION, 1, 0},
            {QUEUE_SELECT, 2, 0},
            {QUEUE_SIZE, 2, 64},
            {QUEUE_MSIX_VECTOR, 2, 0xffff},
            {QUEUE_ENABLE, 2, 0},
            {QUEUE_NOTIFY_OFF, 2, 0},
            {QUEUE_DESC, 8, 0},
            {QUEUE_DRIVER, 8, 0},
            {QUEUE_DEVICE, 8, 0},
            {QUEUE_NOTIF_CONFIG_DATA, 2, 0},
            {QUEUE_RESET, 2, 0},
            {ADMIN_QUEUE_INDEX, 2, 0},
            {ADMIN_QUEUE_NUM, 2, 0},
            {0x40, 8, 0}
        };
        for (int[] register : expected) {
            assertEquals(register[2], f.common(register[0], register[1]), "at 0x" + Integer.toHexString(register[0]));
        }
    }

    @Test
    void featureWordsFollowTheirSelectors() {
        long offered = f.function.offeredFeatures();
        for (int select = 0; select < 6; select++) {
            f.common(DEVICE_FEATURE_SELECT, 4, select);
            assertEquals(select, f.common(DEVICE_FEATURE_SELECT, 4));
            long word = select < 2 ? offered >>> (32 * select) & 0xffff_ffffL : 0;
            assertEquals(word, f.common(DEVICE_FEATURE, 4));
        }
        f.common(DEVICE_FEATURE_SELECT, 4, 0xffff_ffffL);
        assertEquals(0xffff_ffffL, f.common(DEVICE_FEATURE_SELECT, 4));
        assertEquals(0, f.common(DEVICE_FEATURE, 4));
        f.driverFeatures(1, 1);
        f.driverFeatures(0, 0x10_0001);
        assertEquals(0x10_0001, f.common(DRIVER_FEATURE, 4));
        f.common(DRIVER_FEATURE_SELECT, 4, 1);
        assertEquals(1, f.common(DRIVER_FEATURE, 4));
    }

    @ParameterizedTest
    @ValueSource(ints = {DEVICE_FEATURE, NUM_QUEUES, QUEUE_NOTIFY_OFF, QUEUE_NOTIF_CONFIG_DATA, ADMIN_QUEUE_INDEX})
    void readOnlyRegistersStay(int offset) {
        f.common(QUEUE_SELECT, 2, 1);
        long before = f.common(offset, 2);
        f.common(offset, 2, ~before & 0xffff);
        assertEquals(before, f.common(offset, 2));
        f.common(CONFIG_GENERATION, 1, 77);
        assertEquals(0, f.common(CONFIG_GENERATION, 1));
    }

    @Test
    void queueRegistersBelongToTheSelectedQueue() {
        for (int queue = 0; queue < 3; queue++) {
            f.common(QUEUE_SELECT, 2, queue);
            f.common64(QUEUE_DESC, 0x1111_0000_2222_0000L + queue);
            f.common64(QUEUE_DRIVER, 0x3333_0000_4444_0000L + queue);
            f.common64(QUEUE_DEVICE, 0x5555_0000_6666_0000L + queue);
            f.common(QUEUE_MSIX_VECTOR, 2, 3 - queue);
        }
        int[] sizes = {64, 128, 16};
        for (int queue = 2; queue >= 0; queue--) {
            f.common(QUEUE_SELECT, 2, queue);
            assertEquals(queue, f.common(QUEUE_SELECT, 2));
            assertEquals(sizes[queue], f.common(QUEUE_SIZE, 2));
            assertEquals(queue, f.common(QUEUE_NOTIFY_OFF, 2));
            assertEquals(0x2222_0000L + queue, f.common(QUEUE_DESC, 4));
            assertEquals(0x1111_0000L, f.common(QUEUE_DESC + 4, 4));
            assertEquals(0x3333_0000_4444_0000L + queue, f.common(QUEUE_DRIVER, 8));
            assertEquals(0x5555_0000_6666_0000L + queue, f.common(QUEUE_DEVICE, 8));
            assertEquals(3 - queue, f.common(QUEUE_MSIX_VECTOR, 2));
        }
    }

    @ParameterizedTest
    @CsvSource({"32, 32", "1, 1", "64, 64", "0, 64", "3, 64", "48, 64", "128, 64", "32768, 64", "65535, 64"})
    void takesOnlySizesThatASplitRingCanHave(int written, int readBack) {
        f.common(QUEUE_SIZE, 2, written);
        assertEquals(readBack, f.common(QUEUE_SIZE, 2));
    }

    @Test
    void packedRingsMayHaveAnySizeOnceNegotiated() throws Exception {
        f.close();
        f = new FunctionFixture(VirtioPciOptions.defaults().withTransportFeatures(VIRTIO_F_RING_PACKED));
        f.common(QUEUE_SIZE, 2, 48);
        assertEquals(64, f.common(QUEUE_SIZE, 2));
        f.negotiate(VERSION_1 | VIRTIO_F_RING_PACKED);
        f.common(QUEUE_SIZE, 2, 48);
        assertEquals(48, f.common(QUEUE_SIZE, 2));
        f.common(QUEUE_SIZE, 2, 0);
        f.common(QUEUE_SIZE, 2, 65);
        assertEquals(48, f.common(QUEUE_SIZE, 2));
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "3, 3", "4, 0xffff", "5, 0xffff", "0x7ff, 0xffff", "0x8000, 0xffff", "0xffff, 0xffff"})
    void mapsEventsToExistingVectorsOnly(int written, int readBack) {
        assertEquals(4, f.pci.msixVectors());
        f.common(CONFIG_MSIX_VECTOR, 2, 1);
        f.common(CONFIG_MSIX_VECTOR, 2, written);
        assertEquals(readBack, f.common(CONFIG_MSIX_VECTOR, 2));
        f.common(QUEUE_MSIX_VECTOR, 2, written);
        assertEquals(readBack, f.common(QUEUE_MSIX_VECTOR, 2));
    }

    @Test
    void enableTakesOneOnly() {
        f.common(QUEUE_ENABLE, 2, 2);
        f.common(QUEUE_ENABLE, 2, 0xffff);
        assertEquals(0, f.common(QUEUE_ENABLE, 2));
        f.common(QUEUE_ENABLE, 2, 1);
        f.common(QUEUE_ENABLE, 2, 0);
        assertEquals(1, f.common(QUEUE_ENABLE, 2), "SPDK's initiator writes 0, which a driver must not");
    }

    @Test
    void anyWidthReadsTheSameBytes() {
        f.common(QUEUE_SELECT, 2, 1);
        f.common64(QUEUE_DESC, 0x0102_0304_0506_0708L);
        byte[] whole = new byte[0x60];
        for (int i = 0; i < whole.length; i++) {
            whole[i] = (byte) f.common(i, 1);
        }
        for (int width = 1; width <= 8; width++) {
            for (int at = 0; at + width <= whole.length; at++) {
                long value = 0;
                for (int i = 0; i < width; i++) {
                    value |= (whole[at + i] & 0xffL) << (8 * i);
                }
                assertEquals(value, f.common(at, width), width + " bytes at " + at);
            }
        }
    }

    @Test
    void partialWritesLeaveTheRestOfTheField() {
        f.common(QUEUE_DESC, 8, 0x1111_2222_3333_4444L);
        f.common(QUEUE_DESC + 3, 2, 0xabcd);
        assertEquals(0x1111_22ab_cd33_4444L, f.common(QUEUE_DESC, 8));
        f.common(QUEUE_SELECT + 1, 1, 1);
        assertEquals(0x100, f.common(QUEUE_SELECT, 2));
    }

    @Test
    void writesAcrossFieldsReachEachOfThem() {
        f.common(CONFIG_MSIX_VECTOR, 8, 0x0002_5503_7777_0001L);
        assertEquals(1, f.common(CONFIG_MSIX_VECTOR, 2));
        assertEquals(3, f.common(NUM_QUEUES, 2));
        assertEquals(ACKNOWLEDGE | DRIVER, f.status());
        assertEquals(2, f.common(QUEUE_SELECT, 2));
    }

    @Test
    void notifConfigDataExistsOnceNegotiated() throws Exception {
        f.close();
        f = new FunctionFixture(VirtioPciOptions.defaults().withTransportFeatures(VIRTIO_F_NOTIF_CONFIG_DATA));
        f.common(QUEUE_SELECT, 2, 2);
        assertEquals(0, f.common(QUEUE_NOTIF_CONFIG_DATA, 2));
        f.negotiate(VERSION_1 | VIRTIO_F_NOTIF_CONFIG_DATA);
        assertEquals(2, f.common(QUEUE_NOTIF_CONFIG_DATA, 2));
    }

    @Test
    void featuresStandOnceFeaturesOkIsSet() {
        assertEquals(ACKNOWLEDGE | DRIVER | FEATURES_OK, f.negotiate(VERSION_1 | 1));
        f.driverFeatures(0, 0);
        assertEquals(1, f.common(DRIVER_FEATURE, 4));
        f.driverOk();
        f.driverFeatures(0, -1);
        assertEquals(1, f.common(DRIVER_FEATURE, 4));
        assertEquals(VERSION_1 | 1, f.function.negotiatedFeatures());
    }

    @Test
    void resetRestoresPowerOn() {
        f.goLive(0);
        f.common(CONFIG_MSIX_VECTOR, 2, 1);
        f.common(QUEUE_MSIX_VECTOR, 2, 1);
        f.common(DEVICE_FEATURE_SELECT, 4, 1);
        f.status(0);
        FunctionFixture.await("reset", () -> f.status() == 0);
        powerOnValues();
        f.common(DRIVER_FEATURE_SELECT, 4, 1);
        assertEquals(0, f.common(DRIVER_FEATURE, 4));
        assertEquals(1, f.device.resets);
    }
}
