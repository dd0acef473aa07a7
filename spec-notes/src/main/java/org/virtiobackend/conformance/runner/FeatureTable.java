package org.virtiobackend.conformance.runner;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Names, numbers and prerequisites of feature bits (virtio 1.4 5.1.3, 5.2.3, 5.11.3 and 6). */
public final class FeatureTable {
    private static final Map<String, Integer> COMMON = Map.ofEntries(
            Map.entry("VIRTIO_F_SWIOTLB", 27),
            Map.entry("VIRTIO_F_INDIRECT_DESC", 28),
            Map.entry("VIRTIO_F_EVENT_IDX", 29),
            Map.entry("VIRTIO_F_VERSION_1", 32),
            Map.entry("VIRTIO_F_ACCESS_PLATFORM", 33),
            Map.entry("VIRTIO_F_RING_PACKED", 34),
            Map.entry("VIRTIO_F_IN_ORDER", 35),
            Map.entry("VIRTIO_F_ORDER_PLATFORM", 36),
            Map.entry("VIRTIO_F_SR_IOV", 37),
            Map.entry("VIRTIO_F_NOTIFICATION_DATA", 38),
            Map.entry("VIRTIO_F_NOTIF_CONFIG_DATA", 39),
            Map.entry("VIRTIO_F_RING_RESET", 40),
            Map.entry("VIRTIO_F_ADMIN_VQ", 41),
            Map.entry("VIRTIO_F_SUSPEND", 43),
            Map.entry("VIRTIO_F_DMB", 44));

    private static final Map<String, Integer> BLK = bits(
            "VIRTIO_BLK_F_",
            List.of(
                    "SIZE_MAX 1",
                    "SEG_MAX 2",
                    "GEOMETRY 4",
                    "RO 5",
                    "BLK_SIZE 6",
                    "FLUSH 9",
                    "TOPOLOGY 10",
                    "CONFIG_WCE 11",
                    "MQ 12",
                    "DISCARD 13",
                    "WRITE_ZEROES 14",
                    "LIFETIME 15",
                    "SECURE_ERASE 16",
                    "ZONED 17"));

    private static final Map<String, Integer> NET = bits(
            "VIRTIO_NET_F_",
            List.of(
                    "CSUM 0",
                    "GUEST_CSUM 1",
                    "CTRL_GUEST_OFFLOADS 2",
                    "MTU 3",
                    "MAC 5",
                    "GUEST_TSO4 7",
                    "GUEST_TSO6 8",
                    "GUEST_ECN 9",
                    "GUEST_UFO 10",
                    "HOST_TSO4 11",
                    "HOST_TSO6 12",
                    "HOST_ECN 13",
                    "HOST_UFO 14",
                    "MRG_RXBUF 15",
                    "STATUS 16",
                    "CTRL_VQ 17",
                    "CTRL_RX 18",
                    "CTRL_VLAN 19",
                    "CTRL_RX_EXTRA 20",
                    "GUEST_ANNOUNCE 21",
                    "MQ 22",
                    "CTRL_MAC_ADDR 23",
                    "DEVICE_STATS 50",
                    "HASH_TUNNEL 51",
                    "VQ_NOTF_COAL 52",
                    "NOTF_COAL 53",
                    "GUEST_USO4 54",
                    "GUEST_USO6 55",
                    "HOST_USO 56",
                    "HASH_REPORT 57",
                    "GUEST_HDRLEN 59",
                    "RSS 60",
                    "RSC_EXT 61",
                    "STANDBY 62",
                    "SPEED_DUPLEX 63"));

    private static final Map<String, Integer> FS = bits("VIRTIO_FS_F_", List.of("NOTIFICATION 0"));

    /** Bits 24 to 49 that virtio 1.4 and the proposals define. */
    private static final long KNOWN_COMMON =
            COMMON.values().stream().mapToLong(bit -> 1L << bit).sum();

    /** Feature, then the features of which one must be offered with it; a driver may choose without regard to that. */
    private static final List<List<String>> NEEDS_OFFER = List.of(
            List.of("VIRTIO_F_DMB", "VIRTIO_F_ACCESS_PLATFORM"),
            List.of("VIRTIO_BLK_F_CONFIG_WCE", "VIRTIO_BLK_F_FLUSH"));

    /** Feature, then the features of which one must be there with it, in an offer and in a choice. */
    private static final List<List<String>> NEEDS = List.of(
            List.of("VIRTIO_NET_F_GUEST_TSO4", "VIRTIO_NET_F_GUEST_CSUM"),
            List.of("VIRTIO_NET_F_GUEST_TSO6", "VIRTIO_NET_F_GUEST_CSUM"),
            List.of("VIRTIO_NET_F_GUEST_ECN", "VIRTIO_NET_F_GUEST_TSO4", "VIRTIO_NET_F_GUEST_TSO6"),
            List.of("VIRTIO_NET_F_GUEST_UFO", "VIRTIO_NET_F_GUEST_CSUM"),
            List.of("VIRTIO_NET_F_GUEST_USO4", "VIRTIO_NET_F_GUEST_CSUM"),
            List.of("VIRTIO_NET_F_GUEST_USO6", "VIRTIO_NET_F_GUEST_CSUM"),
            List.of("VIRTIO_NET_F_HOST_TSO4", "VIRTIO_NET_F_CSUM"),
            List.of("VIRTIO_NET_F_HOST_TSO6", "VIRTIO_NET_F_CSUM"),
            List.of("VIRTIO_NET_F_HOST_ECN", "VIRTIO_NET_F_HOST_TSO4", "VIRTIO_NET_F_HOST_TSO6"),
            List.of("VIRTIO_NET_F_HOST_UFO", "VIRTIO_NET_F_CSUM"),
            List.of("VIRTIO_NET_F_HOST_USO", "VIRTIO_NET_F_CSUM"),
            List.of("VIRTIO_NET_F_CTRL_RX", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_CTRL_VLAN", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_GUEST_ANNOUNCE", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_MQ", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_CTRL_MAC_ADDR", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_NOTF_COAL", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_VQ_NOTF_COAL", "VIRTIO_NET_F_CTRL_VQ"),
            List.of("VIRTIO_NET_F_RSC_EXT", "VIRTIO_NET_F_HOST_TSO4", "VIRTIO_NET_F_HOST_TSO6"),
            List.of("VIRTIO_NET_F_RSS", "VIRTIO_NET_F_CTRL_VQ"));

    private FeatureTable() {}

    private static Map<String, Integer> bits(String prefix, List<String> entries) {
        Map<String, Integer> table = new java.util.LinkedHashMap<>();
        for (String entry : entries) {
            int blank = entry.indexOf(' ');
            table.put(prefix + entry.substring(0, blank), Integer.valueOf(entry.substring(blank + 1)));
        }
        return Map.copyOf(table);
    }

    private static Map<String, Integer> ofType(int deviceType) {
        return switch (deviceType) {
            case VirtioDeviceId.BLOCK -> BLK;
            case VirtioDeviceId.NET -> NET;
            case VirtioDeviceId.FS -> FS;
            default -> Map.of();
        };
    }

    /** Mask of a feature of this device type or of all; 0 when there is none of that name. */
    public static long mask(String name, int deviceType) {
        Integer bit = COMMON.getOrDefault(name, ofType(deviceType).get(name));
        return bit == null ? 0 : 1L << bit;
    }

    /** Bits that mean something for this device type; all of them for a type that this table does not know. */
    public static long known(int deviceType) {
        Map<String, Integer> table = ofType(deviceType);
        if (table.isEmpty()) {
            return KNOWN_COMMON | ~COMMON_MASK;
        }
        return KNOWN_COMMON
                | table.values().stream().mapToLong(bit -> 1L << bit).sum();
    }

    /** Short names of the bits that are set, unknown ones as numbers. */
    public static String names(long features, int deviceType) {
        List<String> names = new ArrayList<>();
        for (int bit = 0; bit < Long.SIZE; bit++) {
            if ((features >>> bit & 1) != 0) {
                names.add(name(bit, deviceType));
            }
        }
        return String.join(" ", names);
    }

    private static String name(int bit, int deviceType) {
        for (Map<String, Integer> table : List.of(COMMON, ofType(deviceType))) {
            for (Map.Entry<String, Integer> entry : table.entrySet()) {
                if (entry.getValue() == bit) {
                    return entry.getKey().replaceFirst("^VIRTIO_([A-Z]+_)?F_", "");
                }
            }
        }
        return "bit" + bit;
    }

    /** A feature that is offered without its prerequisite, or null. */
    public static String orphan(long offered, int deviceType) {
        String orphan = orphan(NEEDS, offered, deviceType);
        return orphan != null ? orphan : orphan(NEEDS_OFFER, offered, deviceType);
    }

    private static String orphan(List<List<String>> needs, long features, int deviceType) {
        for (List<String> need : needs) {
            long mask = mask(need.get(0), deviceType);
            if ((features & mask) != 0 && need.stream().skip(1).noneMatch(n -> (features & mask(n, deviceType)) != 0)) {
                return need.get(0);
            }
        }
        return null;
    }

    /** The set with the first offered prerequisite of each feature that has none in it. */
    static long withNeeds(long features, long offered, int deviceType) {
        long set = features;
        for (boolean changed = true; changed; ) {
            long before = set;
            for (List<String> need : NEEDS) {
                set |= missingNeed(need, set, offered, deviceType);
            }
            changed = set != before;
        }
        return set;
    }

    private static long missingNeed(List<String> need, long set, long offered, int deviceType) {
        boolean missing = (set & mask(need.get(0), deviceType)) != 0
                && need.stream().skip(1).noneMatch(n -> (set & mask(n, deviceType)) != 0);
        return !missing
                ? 0
                : need.stream()
                        .skip(1)
                        .mapToLong(n -> mask(n, deviceType) & offered)
                        .filter(mask -> mask != 0)
                        .findFirst()
                        .orElse(0);
    }

    /** Bits that mean something for this device type and no other. */
    static long ofDeviceType(int deviceType) {
        return ofType(deviceType).values().stream().mapToLong(bit -> 1L << bit).sum();
    }

    /** The set without features whose prerequisites it does not hold. */
    public static long withoutOrphans(long features, int deviceType) {
        long set = features;
        for (String orphan; (orphan = orphan(NEEDS, set, deviceType)) != null; ) {
            set &= ~mask(orphan, deviceType);
        }
        return set;
    }
}
