package org.virtiobackend.devices.net;

/**
 * What the operator chose for one network device.
 *
 * @param mac address of the device, unicast
 * @param mtu largest MTU to announce, 68 to 65535, or 0 to announce none
 * @param queuePairs 1 to 16
 * @param queueSize entries of each receive and transmit queue, a power of two from 64 to 32768
 */
public record NetSettings(long mac, int mtu, int queuePairs, int queueSize) {
    public static final int MIN_QUEUE_SIZE = 64;
    public static final int MAX_QUEUE_SIZE = 32768;
    /** Entries of the control queue. */
    public static final int CONTROL_QUEUE_SIZE = 64;

    private static final int MIN_MTU = 68;
    private static final int MAX_MTU = 65535;

    /** @throws IllegalArgumentException a value is out of range; the message is for people */
    public NetSettings {
        require(!MacAddress.isMulticast(mac), MacAddress.text(mac) + " is a multicast address");
        require(mac != 0, "a MAC address of zeroes is none");
        // virtio 1.4 5.1.4.1
        require(mtu == 0 || mtu >= MIN_MTU && mtu <= MAX_MTU, "MTU must be 68 to 65535");
        require(
                queuePairs >= 1 && queuePairs <= VirtioNet.MAX_QUEUE_PAIRS,
                "queue pairs must be 1 to " + VirtioNet.MAX_QUEUE_PAIRS);
        require(
                queueSize >= MIN_QUEUE_SIZE && queueSize <= MAX_QUEUE_SIZE && Integer.bitCount(queueSize) == 1,
                "queue size must be a power of two from 64 to 32768");
    }

    /**
     * Pages of a region for the usual request of each queue: a merged receive buffer; a frame and an indirect table; a command's
     * parts, of which one is out at a time.
     */
    public static int[] pagesPerRequest(int queuePairs) {
        int[] pages = new int[2 * queuePairs + 1];
        for (int pair = 0; pair < queuePairs; pair++) {
            pages[2 * pair] = 1;
            pages[2 * pair + 1] = 2;
        }
        pages[2 * queuePairs] = 1;
        return pages;
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
