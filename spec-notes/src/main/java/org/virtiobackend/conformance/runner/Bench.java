package org.virtiobackend.conformance.runner;

import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.pci.driver.PciCapabilities;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;
import org.virtiobackend.virtio.pci.driver.VirtioRegisters;
import org.virtiobackend.virtio.pci.driver.VirtioStructures;

/**
 * What a check works with: a device that was just reset, a configuration to use it in, and the judgement of clauses. Every
 * wait ends. One thread; used for one run of one check.
 */
public final class Bench {
    /** Something that may come true. */
    @FunctionalInterface
    public interface Goal {
        boolean isReached() throws IOException;
    }

    private static final long POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(50);
    private static final int RING_ENTRIES = 16;
    /** So many quiet times are soon. */
    private static final int SOON = 20;

    private final Link link;
    private final Target target;
    private final Configuration configuration;
    private final Probe probe;
    private final Trace trace;
    private final Findings findings;
    private final long seed;
    private final List<RawRing> rings = new ArrayList<>();

    Bench(
            Link link,
            Target target,
            Configuration configuration,
            Probe probe,
            Trace trace,
            Findings findings,
            long seed) {
        this.link = link;
        this.target = target;
        this.configuration = configuration;
        this.probe = probe;
        this.trace = trace;
        this.findings = findings;
        this.seed = seed;
    }

    // ---- the device

    public Configuration configuration() {
        return configuration;
    }

    public boolean has(long feature) {
        return configuration.has(feature);
    }

    public PciDevice pci() {
        return link.pci();
    }

    /** Capability list of the function. */
    public List<PciCapabilities.Capability> capabilities() throws IOException {
        return PciCapabilities.list(pci());
    }

    public VirtioPciDriver driver() throws IOException {
        return link.driver();
    }

    public VirtioRegisters registers() throws IOException {
        return link.driver().registers();
    }

    public VirtioStructures structures() throws IOException {
        return link.driver().structures();
    }

    /** Reads a field of the common configuration. */
    public long common(int field, int width) throws IOException {
        return registers().common(field, width);
    }

    public int status() throws IOException {
        return registers().status();
    }

    public Probe probe() {
        if (probe == null) {
            throw new CheckFailure("no requests are known for this device type");
        }
        return probe;
    }

    public Trace trace() {
        return trace;
    }

    /** For choices that look random and are the same with the same seed. */
    public long seed() {
        return seed;
    }

    /** What the device did to memory, message by message; null when memory is shared. */
    public DmaLog dmaLog() {
        return link.log();
    }

    /** The driver's memory when the device is to keep to its own; otherwise null. */
    public MemFd guestMemory() {
        return link.guestMemory();
    }

    /** Address of memory that a device with memory of its own must not touch. */
    public long guestAddress() {
        return Link.GUEST_BASE;
    }

    /** The other end of a network device's link; only where a clause or check asks for {@code peer}. */
    public NetPeer peer() {
        return target.peer();
    }

    public boolean canChangeConfiguration() {
        return target.changer() != null;
    }

    /** Makes the device change its configuration; only where {@link #canChangeConfiguration}. */
    public void changeConfiguration() throws IOException {
        trace.add("make the device change its configuration");
        target.changer().change();
    }

    // ---- judgement

    /**
     * What follows is about this clause, failed waits and broken connections included.
     *
     * @return whether the clause's conditions are given; when not, nothing is judged
     */
    public boolean about(String clause) {
        return findings.about(clause);
    }

    /** Judges the clause in question. */
    public void that(boolean good, String otherwise) {
        findings.judge(good, otherwise, good ? List.of() : dump());
    }

    /** Judges the clause in question: a value that must be this one. */
    public void equal(long expected, long actual, String what) {
        that(expected == actual, what + " is 0x" + Long.toHexString(actual) + ", not 0x" + Long.toHexString(expected));
    }

    /** Judges the clause in question and ends the check when it is broken. */
    public void need(boolean good, String otherwise) {
        if (!good) {
            throw new CheckFailure(otherwise);
        }
        that(true, otherwise);
    }

    /** The clause cannot be judged with this device. */
    public void skip(String clause, String why) {
        findings.note(clause, why);
    }

    List<String> dump() {
        List<String> lines = new ArrayList<>();
        rings.forEach(ring -> lines.addAll(ring.dump()));
        return lines;
    }

    // ---- waiting

    /** Waits for something that has to happen; fails the clause in question when it does not. */
    public void await(String what, Goal goal) throws IOException {
        if (!reaches(goal)) {
            throw new CheckFailure("not within " + target.timeoutMillis() + " ms: " + what);
        }
    }

    /** Waits for something; false when it does not happen in time. */
    public boolean reaches(Goal goal) throws IOException {
        return reaches(goal, target.timeoutMillis());
    }

    /** The same for something that only should happen, and is not waited for so long. */
    public boolean reachesSoon(Goal goal) throws IOException {
        return reaches(goal, SOON * target.quietMillis());
    }

    private boolean reaches(Goal goal, long millis) throws IOException {
        long start = System.nanoTime();
        while (!goal.isReached()) {
            if (System.nanoTime() - start > TimeUnit.MILLISECONDS.toNanos(millis)) {
                return goal.isReached();
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        return true;
    }

    /** Watches for something that must not happen; true when it did not. */
    public boolean stays(Goal unwanted) throws IOException {
        return !reaches(unwanted, target.quietMillis());
    }

    // ---- initialization

    /** Status 0, and reads 0 again. */
    public void reset() throws IOException {
        driver().reset();
        rings.clear();
    }

    /** ACKNOWLEDGE, DRIVER, the features, FEATURES_OK (virtio 1.4 3.1.1); true when the device accepts. */
    public boolean offer(long features) throws IOException {
        driver().setStatus(DeviceStatus.ACKNOWLEDGE);
        driver().setStatus(DeviceStatus.DRIVER);
        registers().driverFeatures(0, features & 0xffff_ffffL);
        registers().driverFeatures(1, features >>> 32);
        driver().setStatus(DeviceStatus.FEATURES_OK);
        return (status() & DeviceStatus.FEATURES_OK) != 0;
    }

    /** Negotiates the configuration's features. */
    public void negotiate() throws IOException {
        if (!offer(configuration.features())) {
            throw new CheckFailure("the device refuses " + configuration);
        }
    }

    /** Number of MSI-X vectors that {@link #interrupts} knows. */
    public int vectors() {
        return link.interrupts().count();
    }

    /** Interrupts of a vector since the last call. */
    public long interrupts(int vector) {
        long count = link.interrupts().take(vector);
        if (count > 0) {
            trace.add("interrupt on vector " + vector + (count > 1 ? ", " + count + " times" : ""));
        }
        return count;
    }

    /** Disconnects the vectors and connects INTx. */
    public void useIntx() throws IOException {
        link.interrupts().useIntx(pci());
    }

    /** The other way round. */
    public void useMsix() throws IOException {
        link.interrupts().useMsix(pci());
    }

    public EventFd intx() {
        return link.interrupts().intx();
    }

    /** The vector for configuration changes in {@link #start}. */
    public int configVector() {
        return vectors() > 0 ? 0 : NO_VECTOR;
    }

    /** The vector for queues in {@link #start}: another one when there are two. */
    public int queueVector() {
        return Math.min(1, vectors() - 1) < 0 ? NO_VECTOR : Math.min(1, vectors() - 1);
    }

    public void mapConfigVector(int vector) throws IOException {
        registers().common(CONFIG_MSIX_VECTOR, 2, vector);
    }

    /** Negotiates, sets the probe's queue up with its vector, and goes live. */
    public LiveQueue start() throws IOException {
        return start(RING_ENTRIES);
    }

    /** The same with a queue of at most so many entries. */
    public LiveQueue start(int maxSize) throws IOException {
        negotiate();
        mapConfigVector(configVector());
        LiveQueue queue = queue(probe().queue(this), maxSize, queueVector());
        driverOk();
        return queue;
    }

    public void driverOk() throws IOException {
        driver().setStatus(DeviceStatus.DRIVER_OK);
    }

    /** Gives the device a queue: of at most so many entries, in new memory. */
    public LiveQueue queue(int index, int maxSize, int vector) throws IOException {
        registers().selectQueue(index);
        int size = (int) common(QUEUE_SIZE, 2);
        if (size == 0) {
            throw new CheckFailure("the device has no queue " + index);
        }
        int wanted = Math.min(configuration.isPacked() ? size : Integer.highestOneBit(size), maxSize);
        if (size != wanted) {
            size = wanted;
            registers().common(QUEUE_SIZE, 2, size);
        }
        registers().common(QUEUE_MSIX_VECTOR, 2, vector);
        RawRing ring = ring(size);
        registers().common64(QUEUE_DESC, ring.queueDesc());
        registers().common64(QUEUE_DRIVER, ring.queueDriver());
        registers().common64(QUEUE_DEVICE, ring.queueDevice());
        long offset = common(QUEUE_NOTIFY_OFF, 2) * structures().notifyMultiplier();
        boolean configData = has(VIRTIO_F_NOTIF_CONFIG_DATA);
        int value = configData ? (int) common(QUEUE_NOTIF_CONFIG_DATA, 2) : index;
        registers().common(QUEUE_ENABLE, 2, 1);
        return new LiveQueue(this, index, ring, vector, offset, value, has(VIRTIO_F_NOTIFICATION_DATA));
    }

    private RawRing ring(int size) {
        boolean eventIdx = has(VIRTIO_F_EVENT_IDX);
        boolean inOrder = has(VIRTIO_F_IN_ORDER);
        RawRing ring = configuration.isPacked()
                ? new PackedRawRing(size, eventIdx, inOrder, link.arena())
                : new SplitRawRing(size, eventIdx, inOrder, link.arena());
        rings.add(ring);
        return ring;
    }

    /** Memory that the device reaches, zeroed. */
    public Buffer buffer(int length) {
        return link.arena().allocate(length, 16);
    }

    /** First address behind the memory that the device reaches. */
    public long endOfMemory() throws IOException {
        return link.endOfMemory();
    }

    /** An indirect table with these entries. */
    public Buffer table(RawRing ring, List<Piece> pieces) {
        Buffer memory = buffer(pieces.size() * RawRing.DESCRIPTOR_BYTES);
        ring.fillTable(memory, pieces);
        return memory;
    }

    /** Gives the BAR of the device's memory another address; the rest of the connection is thrown away afterwards. */
    public void moveRegion() throws IOException {
        link.moveRegion();
    }

    /** Waits until the device says that it needs a reset; false when it does not. */
    public boolean reachesNeedsReset() throws IOException {
        return reaches(() -> (status() & DeviceStatus.DEVICE_NEEDS_RESET) != 0);
    }
}
