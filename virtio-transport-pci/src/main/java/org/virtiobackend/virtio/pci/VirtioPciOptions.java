package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.virtiobackend.virtio.VirtioDeviceId;

/**
 * How a function looks beyond what its device says. Immutable; {@link #defaults} and then the {@code with} methods.
 *
 * @param transportFeatures device-independent bits to offer; VERSION_1 is always among them
 * @param disabledFeatures bits never to offer, whoever brings them
 * @param msixVectors 1 to 2048; 0: one per queue and one for configuration changes, at most
 *     {@link #MAX_DEFAULT_VECTORS}
 * @param notifyMultiplier bytes between the notification addresses of two queues: a power of two from 2 on, from 4 on
 *     with NOTIFICATION_DATA, or 0 for one address for all
 * @param classCode PCI class, 24 bits; -1: by device type
 * @param subsystemVendorId 16 bits
 * @param subsystemId 16 bits; -1: the PCI device id
 * @param vendorData capabilities for debugging and reporting
 */
public record VirtioPciOptions(
        long transportFeatures,
        long disabledFeatures,
        int msixVectors,
        int notifyMultiplier,
        int classCode,
        int subsystemVendorId,
        int subsystemId,
        List<VendorData> vendorData) {
    /** More vectors than this are only made when asked for. */
    public static final int MAX_DEFAULT_VECTORS = 65;

    /** Device-independent bits that this transport can carry; whether the queues can is up to whoever offers them. */
    public static final long SUPPORTED_FEATURES = VIRTIO_F_VERSION_1
            | VIRTIO_F_INDIRECT_DESC
            | VIRTIO_F_EVENT_IDX
            | VIRTIO_F_ACCESS_PLATFORM
            | VIRTIO_F_ORDER_PLATFORM
            | VIRTIO_F_RING_PACKED
            | VIRTIO_F_IN_ORDER
            | VIRTIO_F_NOTIFICATION_DATA
            | VIRTIO_F_NOTIF_CONFIG_DATA
            | VIRTIO_F_RING_RESET
            | VIRTIO_F_SUSPEND;

    private static final long DEFAULT_FEATURES = VIRTIO_F_VERSION_1
            | VIRTIO_F_INDIRECT_DESC
            | VIRTIO_F_EVENT_IDX
            | VIRTIO_F_ACCESS_PLATFORM // virtio 1.4 6.2
            | VIRTIO_F_RING_RESET;

    private static final int CLASS_NETWORK_ETHERNET = 0x020000;
    private static final int CLASS_STORAGE_SCSI = 0x010000;
    private static final int CLASS_STORAGE_OTHER = 0x018000;
    private static final int CLASS_OTHER = 0x00ff00;

    public VirtioPciOptions {
        if ((transportFeatures & ~SUPPORTED_FEATURES) != 0) {
            throw new IllegalArgumentException("not supported by this transport: feature bits 0x"
                    + Long.toHexString(transportFeatures & ~SUPPORTED_FEATURES));
        }
        long offered = transportFeatures & ~disabledFeatures;
        // virtio 1.4 4.1.4.4.1
        int least = (offered & VIRTIO_F_NOTIFICATION_DATA) != 0 ? 4 : 2;
        if (notifyMultiplier != 0 && (notifyMultiplier < least || Integer.bitCount(notifyMultiplier) != 1)) {
            throw new IllegalArgumentException(
                    "notify multiplier " + notifyMultiplier + ", expected 0 or a power of two from " + least + " on");
        }
        vendorData = List.copyOf(vendorData);
        transportFeatures |= VIRTIO_F_VERSION_1; // virtio 1.4 6.2
        disabledFeatures &= ~VIRTIO_F_VERSION_1;
    }

    public static VirtioPciOptions defaults() {
        return new VirtioPciOptions(DEFAULT_FEATURES, 0, 0, 4, -1, VirtioPciCapability.VENDOR_ID, -1, List.of());
    }

    public VirtioPciOptions withTransportFeatures(long features) {
        return with(features, disabledFeatures, msixVectors, notifyMultiplier, vendorData);
    }

    public VirtioPciOptions withDisabledFeatures(long features) {
        return with(transportFeatures, features, msixVectors, notifyMultiplier, vendorData);
    }

    public VirtioPciOptions withMsixVectors(int vectors) {
        return with(transportFeatures, disabledFeatures, vectors, notifyMultiplier, vendorData);
    }

    public VirtioPciOptions withNotifyMultiplier(int multiplier) {
        return with(transportFeatures, disabledFeatures, msixVectors, multiplier, vendorData);
    }

    public VirtioPciOptions withVendorData(List<VendorData> data) {
        return with(transportFeatures, disabledFeatures, msixVectors, notifyMultiplier, data);
    }

    private VirtioPciOptions with(long features, long disabled, int vectors, int multiplier, List<VendorData> data) {
        return new VirtioPciOptions(
                features, disabled, vectors, multiplier, classCode, subsystemVendorId, subsystemId, data);
    }

    public VirtioPciOptions withClassCode(int code) {
        return new VirtioPciOptions(
                transportFeatures,
                disabledFeatures,
                msixVectors,
                notifyMultiplier,
                code,
                subsystemVendorId,
                subsystemId,
                vendorData);
    }

    public VirtioPciOptions withSubsystem(int vendorId, int id) {
        return new VirtioPciOptions(
                transportFeatures,
                disabledFeatures,
                msixVectors,
                notifyMultiplier,
                classCode,
                vendorId,
                id,
                vendorData);
    }

    /**
     * Whether a device of so many queues can look like this.
     *
     * @throws IllegalArgumentException why not
     */
    public void check(int queues) {
        RegisterBar.notifyLength(queues, notifyMultiplier);
    }

    int vectorsFor(int queues) {
        return msixVectors != 0 ? msixVectors : Math.min(queues + 1, MAX_DEFAULT_VECTORS);
    }

    int classCodeFor(int deviceId) {
        if (classCode >= 0) {
            return classCode;
        }
        return switch (deviceId) {
            case VirtioDeviceId.NET -> CLASS_NETWORK_ETHERNET;
            case VirtioDeviceId.BLOCK -> CLASS_STORAGE_SCSI;
            case VirtioDeviceId.FS -> CLASS_STORAGE_OTHER;
            default -> CLASS_OTHER;
        };
    }
}
