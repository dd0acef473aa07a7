package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.PcapFile;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.devices.net.packet.Toeplitz;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.WakeUp;

/**
 * The network device (virtio 1.4 5.1): what it offers, its configuration, its link. Queues are served by {@link ReceiveHandler},
 * {@link TransmitHandler} and {@link ControlHandler}.
 *
 * <p>One instance serves one client. The backend stays the caller's, and serves no other device at the same time.
 */
public final class VirtioNetDevice implements VirtioDevice {
    private static final Logger LOG = LoggerFactory.getLogger(VirtioNetDevice.class);

    /** Frames come at their own pace; TCP's acknowledgements come one in 350 us where an emulated guest is the sender. Decision 0014. */
    static final long LONGEST_NAP_NANOS = 400_000;

    private static final long PLAIN_FEATURES = VIRTIO_NET_F_MAC
            | VIRTIO_NET_F_STATUS
            | VIRTIO_NET_F_SPEED_DUPLEX
            | VIRTIO_NET_F_MRG_RXBUF
            | VIRTIO_NET_F_GUEST_HDRLEN
            | VIRTIO_NET_F_CTRL_VQ
            | VIRTIO_NET_F_CTRL_RX
            | VIRTIO_NET_F_CTRL_RX_EXTRA
            | VIRTIO_NET_F_CTRL_VLAN
            | VIRTIO_NET_F_CTRL_MAC_ADDR
            | VIRTIO_NET_F_GUEST_ANNOUNCE
            | VIRTIO_NET_F_HASH_REPORT
            | VIRTIO_NET_F_NOTF_COAL
            | VIRTIO_NET_F_VQ_NOTF_COAL;

    private final NetBackend backend;
    private final NetSettings settings;
    private final PcapFile dump;
    private final DeviceConfig config = new DeviceConfig(CONFIG_BYTES);
    private final NetCounters counters = new NetCounters();
    /** By pair; null until one was in use. */
    private final ReceiveMemory[] receiveMemory = new ReceiveMemory[MAX_QUEUE_PAIRS];
    /** Asked to announce itself while the driver had not yet answered that it has, as asked before. */
    private final AtomicBoolean announceAgain = new AtomicBoolean();

    private volatile long features;
    private volatile ReceiveRules receiveRules;
    private volatile SteeringRings steering;
    private volatile DeviceContext context;

    /** A device without a capture. */
    public VirtioNetDevice(NetBackend backend, NetSettings settings) {
        this(backend, settings, null);
    }

    /**
     * @param settings with no more queue pairs than {@code backend} has channels
     * @param dump gets every frame as the driver has it, before and after offloads; stays the caller's; null for none
     */
    public VirtioNetDevice(NetBackend backend, NetSettings settings, PcapFile dump) {
        this.backend = backend;
        this.dump = dump;
        this.settings = settings;
        config.set(CONFIG_MAX_VIRTQUEUE_PAIRS, 2, settings.queuePairs());
        config.set(CONFIG_MTU, 2, settings.mtu());
        config.set(CONFIG_RSS_MAX_KEY_SIZE, 1, Toeplitz.KEY_BYTES); // virtio 1.4 5.1.4.1
        config.set(CONFIG_RSS_MAX_INDIRECTION_TABLE_LENGTH, 2, HashRules.MAX_TABLE);
        config.set(CONFIG_SUPPORTED_HASH_TYPES, 4, FlowHash.ALL_TYPES);
        startOver();
    }

    @Override
    public int deviceId() {
        return VirtioDeviceId.NET; // virtio 1.4 5.1.1
    }

    @Override
    public long offeredFeatures() {
        long guest = NetFeatures.guestFeatures(backend.receiveOffloads());
        return PLAIN_FEATURES
                | guest
                | NetFeatures.hostFeatures(backend.transmitOffloads() | Segmenter.OFFLOADS)
                | (guest != 0 ? VIRTIO_NET_F_CTRL_GUEST_OFFLOADS : 0)
                | (settings.mtu() != 0 ? VIRTIO_NET_F_MTU : 0)
                | (settings.queuePairs() > 1 ? VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS : 0);
    }

    @Override
    public long withoutNeeds(long offered) {
        return NetFeatures.withoutNeeds(offered);
    }

    @Override
    public int[] queueMaxSizes() {
        int[] sizes = new int[2 * settings.queuePairs() + 1];
        Arrays.fill(sizes, settings.queueSize());
        sizes[sizes.length - 1] = NetSettings.CONTROL_QUEUE_SIZE;
        return sizes;
    }

    @Override
    public boolean acceptFeatures(long accepted) {
        long wrong = NetFeatures.withoutNeeds(accepted);
        if (wrong != 0) {
            LOG.debug("{}: driver accepts {} without what it needs", backend.description(), featureNames(wrong));
            return false; // virtio 1.4 5.1.3.1
        }
        features = accepted;
        return true;
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext newContext) {
        features = newContext.features();
        receiveRules = initialRules();
        context = newContext;
        steering = new SteeringRings(settings.queuePairs());
        backend.start(pair -> newContext.wake(2 * pair), pair -> newContext.wake(2 * pair + 1));
        backend.setReceiveOffloads(receiveRules.offloads());
        backend.setActiveChannels(1); // virtio 1.4 5.1.9.5.6.2
        int pairs = isMultiqueue() ? settings.queuePairs() : 1;
        for (int pair = 0; pair < pairs; pair++) {
            WakeUp receive = new WakeUp();
            WakeUp transmit = new WakeUp();
            newContext.attach(2 * pair, new ReceiveHandler(this, pair, backend.channel(pair), receive), receive);
            newContext.attach(2 * pair + 1, new TransmitHandler(this, pair, backend.channel(pair), transmit), transmit);
        }
        if (isNegotiated(VIRTIO_NET_F_CTRL_VQ)) {
            newContext.attach(2 * pairs, new ControlHandler(this, newContext, pairs)); // virtio 1.4 5.1.2
        }
        backend.onLinkChange(this::linkChanged);
        showLink();
    }

    @Override
    public void reset() {
        backend.onLinkChange(() -> {});
        context = null;
        backend.stop();
        startOver();
    }

    @Override
    public void close() {
        backend.onLinkChange(() -> {});
        backend.stop();
        for (int pair = 0; pair < receiveMemory.length && receiveMemory[pair] != null; pair++) {
            receiveMemory[pair].close();
        }
    }

    /** Frames that went nowhere. */
    public NetCounters counters() {
        return counters;
    }

    /** Asks the driver to make itself known on its link (virtio 1.4 5.1.9.5.4); from any thread. */
    public void announce() {
        if (!isNegotiated(VIRTIO_NET_F_GUEST_ANNOUNCE)) {
            return;
        }
        if (isAnnouncing()) {
            announceAgain.set(true); // the driver may have done so already and be about to say it
            if (isAnnouncing() || !announceAgain.getAndSet(false)) {
                return;
            }
        }
        changeStatus(VIRTIO_NET_S_ANNOUNCE, VIRTIO_NET_S_ANNOUNCE);
    }

    private boolean isAnnouncing() {
        return (config.get(CONFIG_STATUS, 2) & VIRTIO_NET_S_ANNOUNCE) != 0;
    }

    long features() {
        return features;
    }

    boolean isNegotiated(long feature) {
        return (features & feature) != 0;
    }

    int queuePairs() {
        return settings.queuePairs();
    }

    /** Bytes of the header before each frame in the driver's buffers. */
    int headerBytes() {
        return isNegotiated(VIRTIO_NET_F_HASH_REPORT) ? VnetHeader.BYTES_WITH_HASH : VnetHeader.BYTES;
    }

    /** Longest frame that may be received in one piece, without a VLAN tag: virtio 1.4 5.1.4.1. */
    int longestPlainFrame() {
        return isNegotiated(VIRTIO_NET_F_MTU) ? settings.mtu() + Ethernet.HEADER_BYTES : Ethernet.MAX_FRAME_BYTES;
    }

    int backendTransmitOffloads() {
        return backend.transmitOffloads();
    }

    /** Null when nothing is captured. */
    PcapFile dump() {
        return dump;
    }

    /** Of the handler of a pair's receive queue, while it is made. */
    ReceiveMemory receiveMemory(int pair) {
        if (receiveMemory[pair] == null) {
            receiveMemory[pair] = new ReceiveMemory();
        }
        return receiveMemory[pair];
    }

    ReceiveRules receiveRules() {
        return receiveRules;
    }

    // ---- what the control queue does

    void changeFilter(UnaryOperator<ReceiveFilter> change) {
        receiveRules = receiveRules.withFilter(change.apply(receiveRules.filter()));
    }

    void setMac(long mac) {
        if (isNegotiated(VIRTIO_NET_F_MAC)) {
            putMac(mac); // virtio 1.4 5.1.9.5.2.1
        }
        changeFilter(filter -> filter.withMac(mac));
    }

    void setReceiveOffloads(int offloads) {
        receiveRules = receiveRules.withOffloads(offloads);
        backend.setReceiveOffloads(offloads);
    }

    /** The backend steers by itself (virtio 1.4 5.1.9.5.6). */
    void setActivePairs(int pairs) {
        HashRules hash = receiveRules.hash();
        HashRules reported = hash == null ? null : hash.reportOnly();
        usePairs(receiveRules.withPairs(pairs).withHash(reported), pairs);
    }

    /**
     * Frames come in on the channels on which the driver sends, wherever the backend puts them, and go where their hash leads.
     */
    void setSteering(HashRules hash, int transmitQueues) {
        usePairs(receiveRules.withPairs(settings.queuePairs()).withHash(hash), transmitQueues);
    }

    /** Ends steering by the hash, as the last command counts (virtio 1.4 5.1.9.5.5); the pairs stay in use. */
    void setHashReport(HashRules hash) {
        receiveRules = receiveRules.withHash(hash);
    }

    private void usePairs(ReceiveRules rules, int channels) {
        receiveRules = rules;
        backend.setActiveChannels(channels);
        for (int pair = 0; pair < settings.queuePairs(); pair++) {
            context.wake(2 * pair); // those that are in use no more let go of what they have
        }
    }

    /** Where frames are that another queue's worker received. */
    SteeringRings steering() {
        return steering;
    }

    /** Tells the worker of a pair that frames are there. */
    void wakeReceiver(int pair) {
        context.wake(2 * pair);
    }

    /** Tells the worker of a pair that it has something left to send. */
    void wakeTransmitter(int pair) {
        context.wake(2 * pair + 1);
    }

    void announced() {
        changeStatus(VIRTIO_NET_S_ANNOUNCE, 0);
        if (announceAgain.getAndSet(false)) {
            announce();
        }
    }

    // ---- the link

    private void linkChanged() {
        showLink();
        DeviceContext active = context;
        if (backend.isLinkUp() && active != null) {
            announce(); // whoever is at the other end may not know this device
            int pairs = isMultiqueue() ? settings.queuePairs() : 1;
            for (int queue = 0; queue < 2 * pairs; queue++) {
                active.wake(queue);
            }
        }
    }

    /** Looks once more while nobody else can change the status: of two changes at once the later counts. */
    private void showLink() {
        if ((config.get(CONFIG_STATUS, 2) & VIRTIO_NET_S_LINK_UP) != linkStatus()) {
            config.change(c -> c.set(CONFIG_STATUS, 2, c.get(CONFIG_STATUS, 2) & ~VIRTIO_NET_S_LINK_UP | linkStatus()));
        }
    }

    private int linkStatus() {
        return backend.isLinkUp() ? VIRTIO_NET_S_LINK_UP : 0;
    }

    private void changeStatus(int mask, int bits) {
        if ((config.get(CONFIG_STATUS, 2) & mask) != bits) {
            config.change(c -> c.set(CONFIG_STATUS, 2, c.get(CONFIG_STATUS, 2) & ~mask | bits));
        }
    }

    private boolean isMultiqueue() {
        return isNegotiated(VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS); // virtio 1.4 5.1.2
    }

    private ReceiveRules initialRules() {
        ReceiveFilter filter = ReceiveFilter.initial(
                settings.mac(), isNegotiated(VIRTIO_NET_F_CTRL_RX), isNegotiated(VIRTIO_NET_F_CTRL_VLAN));
        return new ReceiveRules(filter, 1, NetFeatures.receiveOffloads(features), null);
    }

    private void startOver() {
        features = 0;
        announceAgain.set(false);
        receiveRules = initialRules();
        putMac(settings.mac());
        long speed = backend.speed();
        config.set(CONFIG_STATUS, 2, backend.isLinkUp() ? VIRTIO_NET_S_LINK_UP : 0);
        config.set(CONFIG_SPEED, 4, speed < 0 ? 0xffff_ffffL : speed);
        config.set(CONFIG_DUPLEX, 1, speed < 0 ? DUPLEX_UNKNOWN : DUPLEX_FULL);
    }

    private void putMac(long mac) {
        for (int i = 0; i < MacAddress.BYTES; i++) {
            config.set(CONFIG_MAC + i, 1, mac >>> (40 - 8 * i) & 0xff);
        }
    }
}
