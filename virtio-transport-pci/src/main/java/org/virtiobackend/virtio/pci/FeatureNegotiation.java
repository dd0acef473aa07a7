package org.virtiobackend.virtio.pci;

import java.util.Arrays;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.VirtioDevice;

/**
 * What is offered, what the driver wrote, and whether that will do (virtio 1.4 2.2). Words 0 to 3 of 32 bits each: bits
 * 0 to 127. No feature beyond bit 63 is known, so words 2 and 3 of the offer are 0.
 */
final class FeatureNegotiation {
    private static final int WORDS = 4;
    private static final long U32 = 0xffff_ffffL;

    private final VirtioDevice device;
    private final DmaPolicy policy;
    private final long offered;
    private final long[] driver = new long[WORDS];
    private long negotiated;

    FeatureNegotiation(VirtioDevice device, DmaPolicy policy, VirtioPciOptions options) {
        this.device = device;
        this.policy = policy;
        long all = device.offeredFeatures() | options.transportFeatures() | policy.offeredFeatures();
        this.offered = complete(all & ~options.disabledFeatures());
        check(policy);
    }

    /** Nothing is offered without what it needs (virtio 1.4 2.2.2). */
    private long complete(long features) {
        long rest = features;
        for (long wrong = device.withoutNeeds(rest); wrong != 0; wrong = device.withoutNeeds(rest)) {
            rest &= ~wrong;
        }
        return rest;
    }

    private void check(DmaPolicy dmaPolicy) {
        DmaPolicy.Region region = dmaPolicy.region();
        boolean swiotlb = (offered & RestrictedDma.VIRTIO_F_SWIOTLB) != 0;
        boolean dmb = (offered & RestrictedDma.VIRTIO_F_DMB) != 0;
        if (swiotlb && (region == null || !region.swiotlbCapability())) {
            throw new IllegalArgumentException("SWIOTLB offered without a buffer");
        }
        if (dmb && (region == null || !region.sharedMemoryCapability())) {
            throw new IllegalArgumentException("DMB offered without a region");
        }
        if (dmb && (offered & VirtioFeature.VIRTIO_F_ACCESS_PLATFORM) == 0) {
            throw new IllegalArgumentException("DMB offered without ACCESS_PLATFORM");
        }
    }

    long offered() {
        return offered;
    }

    /** What both sides agreed on; 0 before FEATURES_OK. */
    long negotiated() {
        return negotiated;
    }

    /** A word of the offer; 0 for every select beyond the known bits (virtio 1.4 4.1.4.3.1). */
    long deviceWord(long select) {
        return select == 0 ? offered & U32 : select == 1 ? offered >>> 32 : 0;
    }

    long driverWord(long select) {
        return select < WORDS ? driver[(int) select] : 0;
    }

    /**
     * The driver's choice; once FEATURES_OK is set it stands (virtio 1.4 3.1.1), words that do not exist are ignored.
     */
    void setDriverWord(long select, long value, boolean locked) {
        if (!locked && select < WORDS) {
            driver[(int) select] = value & U32;
        }
    }

    /** Settles the features, or refuses: FEATURES_OK stays clear then (virtio 1.4 2.2.2). */
    boolean settle() {
        long wanted = driver[0] | driver[1] << 32;
        boolean known = (wanted & ~offered) == 0 && driver[2] == 0 && driver[3] == 0;
        boolean modern = (wanted & VirtioFeature.VIRTIO_F_VERSION_1) != 0; // virtio 1.4 6.2
        if (!known || !modern || !policy.acceptFeatures(wanted) || !device.acceptFeatures(wanted)) {
            return false;
        }
        negotiated = wanted;
        return true;
    }

    void reset() {
        Arrays.fill(driver, 0);
        negotiated = 0;
    }
}
