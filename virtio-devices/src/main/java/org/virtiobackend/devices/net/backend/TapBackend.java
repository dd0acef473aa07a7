package org.virtiobackend.devices.net.backend;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NetInterface;
import org.virtiobackend.posix.TunTap;

/**
 * A tap interface of the host. The kernel does all offloads, and steers flows to queues: a frame comes from the queue on which the
 * last frame of its flow was sent.
 */
public final class TapBackend implements NetBackend {
    private static final Logger LOG = LoggerFactory.getLogger(TapBackend.class);
    private static final int BASIC = Offload.CSUM | Offload.TSO4 | Offload.TSO6 | Offload.ECN;
    /** What the kernel itself says of a tap. */
    private static final long SPEED = 10_000;

    private final List<TapChannel> channels = new ArrayList<>();
    private final String name;
    /** Null for inherited descriptors: their interface may be in another namespace. */
    private final NetInterface networkInterface;

    private final int offloads;
    private int wantedOffloads;
    private int active;
    private boolean closed;
    private String lastTrouble = "";
    private volatile boolean linkUp;
    private volatile Runnable listener = () -> {};

    private TapBackend(String name, List<TunTap> taps, NetInterface networkInterface) {
        this.name = name;
        this.networkInterface = networkInterface;
        taps.forEach(tap -> channels.add(new TapChannel(tap, taps.get(0))));
        active = channels.size();
        offloads = probeOffloads(taps.get(0));
        linkUp = look();
    }

    /**
     * Attaches to an interface of this network namespace, or creates it and brings it up.
     *
     * @param queues 1 to 16
     */
    public static TapBackend open(String name, int queues) throws NetBackendException {
        NetInterface found = null;
        List<TunTap> taps = new ArrayList<>();
        try {
            found = NetInterface.named(name);
            boolean existed = found.exists();
            for (int i = 0; i < queues; i++) {
                taps.add(openQueue(name, queues > 1));
            }
            if (!existed) {
                found.setUp();
                LOG.info("tap {} created", name);
            }
            return new TapBackend(taps.get(0).name(), taps, found);
        } catch (ErrnoException e) {
            boolean exists = found != null && found.exists();
            taps.forEach(TunTap::close);
            if (found != null) {
                found.close();
            }
            throw new NetBackendException(reason(name, queues, exists, e));
        }
    }

    /** Takes inherited descriptors over, one for each queue of one tap. */
    public static TapBackend adopt(List<Integer> descriptors) throws NetBackendException {
        List<TunTap> taps = new ArrayList<>();
        for (int raw : descriptors) {
            try {
                taps.add(TunTap.adopt(Fd.adopt(raw)));
            } catch (ErrnoException e) {
                taps.forEach(TunTap::close);
                throw new NetBackendException(
                        "tap:fd=" + raw + " is not an open tap with IFF_VNET_HDR: " + Errno.text(e.errno()));
            }
        }
        TunTap first = taps.get(0);
        if (taps.size() > 1
                && !taps.stream()
                        .allMatch(tap -> tap.isMultiQueue() && tap.name().equals(first.name()))) {
            String found = taps.stream().map(TapBackend::describe).collect(Collectors.joining(", "));
            taps.forEach(TunTap::close);
            throw new NetBackendException(
                    "tap:fd= with several descriptors needs queues of one tap (multi_queue), not " + found);
        }
        return new TapBackend(taps.get(0).name(), taps, null);
    }

    @Override
    public String description() {
        return "tap " + name;
    }

    @Override
    public int channels() {
        return channels.size();
    }

    @Override
    public NetChannel channel(int index) {
        return channels.get(index);
    }

    @Override
    public int transmitOffloads() {
        return offloads;
    }

    @Override
    public int receiveOffloads() {
        return offloads;
    }

    @Override
    public synchronized void setReceiveOffloads(int wanted) {
        wantedOffloads = wanted;
        int result = channels.get(0).tap().setOffloads(Offload.forTap(wanted & offloads));
        if (result < 0 && linkUp) {
            LOG.warn("tap {}: cannot set offloads 0x{}: {}", name, Integer.toHexString(wanted), Errno.text(-result));
        }
    }

    @Override
    public synchronized void setActiveChannels(int count) {
        for (int i = 1; i < channels.size(); i++) {
            boolean wanted = i < count;
            if (wanted != i < active) {
                channels.get(i).tap().setAttached(wanted);
            }
        }
        active = count;
    }

    @Override
    public void start(IntConsumer receiveReady, IntConsumer transmitReady) {
        channels.forEach(TapChannel::dropReceived);
    }

    @Override
    public void stop() {
        setReceiveOffloads(0);
    }

    @Override
    public boolean isLinkUp() {
        return linkUp;
    }

    @Override
    public long speed() {
        return SPEED;
    }

    @Override
    public void onLinkChange(Runnable newListener) {
        listener = newListener;
    }

    @Override
    public void lookAfter() {
        if (networkInterface != null && !isAttached() && networkInterface.exists()) {
            if (attachAgain() && linkUp) { // it went and came back between two looks; workers have seen it gone
                linkUp = false;
                listener.run();
            }
        }
        boolean now = look();
        if (now != linkUp) {
            linkUp = now;
            String why = now ? "up" : isAttached() ? "down" : "down until the interface is back";
            LOG.info("tap {}: link {}", name, why);
            listener.run();
        }
    }

    /** The interface was deleted, and made again by somebody: true when it is in use again. */
    private synchronized boolean attachAgain() {
        if (closed) {
            return false;
        }
        List<TunTap> again = new ArrayList<>();
        try {
            for (int i = 0; i < channels.size(); i++) {
                again.add(openQueue(name, channels.size() > 1));
            }
            for (int i = 0; i < channels.size(); i++) {
                channels.get(i).tap().replaceWith(again.get(i));
            }
            lastTrouble = "";
            setReceiveOffloads(wantedOffloads);
            int count = active;
            active = channels.size();
            setActiveChannels(count);
            return true;
        } catch (ErrnoException e) {
            again.forEach(TunTap::close);
            String trouble = reason(name, channels.size(), true, e);
            if (!trouble.equals(lastTrouble)) { // once for each kind of trouble, not once a second
                lastTrouble = trouble;
                LOG.warn("{}; the link stays down", trouble);
            }
            return false;
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        channels.forEach(channel -> channel.tap().close());
        if (networkInterface != null) {
            networkInterface.close();
        }
    }

    private static String describe(TunTap tap) {
        return tap.name() + (tap.isMultiQueue() ? "" : " (one queue)");
    }

    private boolean look() {
        return isAttached() && (networkInterface == null || networkInterface.isRunning());
    }

    private boolean isAttached() {
        return channels.get(0).tap().isAttached();
    }

    private static int probeOffloads(TunTap tap) {
        int found = BASIC;
        int more = BASIC | Offload.UFO;
        if (tap.setOffloads(more) == 0) {
            found = more;
        }
        more = found | Offload.USO4 | Offload.USO6;
        if (tap.setOffloads(more) == 0) {
            found = more;
        }
        tap.setOffloads(0);
        return found;
    }

    /** An interface that was made for several queues takes one too. */
    private static TunTap openQueue(String name, boolean multiQueue) throws ErrnoException {
        try {
            return TunTap.open(name, multiQueue);
        } catch (ErrnoException e) {
            if (multiQueue || e.errno() != Errno.EINVAL) {
                throw e;
            }
            return TunTap.open(name, true);
        }
    }

    private static String reason(String name, int queues, boolean exists, ErrnoException e) {
        return switch (e.errno()) {
            case Errno.EACCES -> "no permission to open /dev/net/tun (chmod 666 /dev/net/tun)";
            case Errno.EPERM ->
                exists
                        ? "tap " + name + " belongs to another user (ip tuntap add dev " + name + " mode tap user NAME)"
                        : "no interface " + name + ", and no permission to create it (ip tuntap add dev " + name
                                + " mode tap user NAME)";
            case Errno.EINVAL ->
                queues > 1
                        ? name + " is not a tap for several queues (ip tuntap add dev " + name
                                + " mode tap multi_queue)"
                        : name + " is not a tap";
            case Errno.EBUSY -> "tap " + name + " is in use by another process";
            case Errno.ENOENT -> "no /dev/net/tun in this system (modprobe tun)";
            case Errno.E2BIG -> "tap " + name + " has no queue left";
            default -> e.getMessage();
        };
    }
}
