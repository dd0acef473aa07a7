package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.queue.ChainReader;
import org.virtiobackend.virtio.queue.ChainWriter;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves the control queue (virtio 1.4 5.1.9.5): finds who knows a command's class and acknowledges. */
final class ControlHandler implements QueueHandler {
    private static final int COMMAND_BYTES = 2;

    private final VirtioNetDevice device;
    private final DeviceContext context;
    private final FilterCommands filters;
    private final MultiqueueCommands multiqueue;
    private final CoalescingCommands coalescing;

    /** @param pairs of queues that exist with the negotiated features */
    ControlHandler(VirtioNetDevice device, DeviceContext context, int pairs) {
        this.device = device;
        this.context = context;
        this.filters = new FilterCommands(device);
        this.multiqueue = new MultiqueueCommands(device);
        this.coalescing = new CoalescingCommands(device, context, pairs);
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int taken = 0;
        for (DescriptorChain chain; taken < budget && (chain = queue.poll()) != null; taken++) {
            serve(chain);
        }
        return taken;
    }

    /** Commands are about queues that the driver may have enabled just before. */
    @Override
    public boolean awaitsNotification() {
        return true;
    }

    @Override
    public long longestNapNanos() {
        return VirtioNetDevice.LONGEST_NAP_NANOS;
    }

    private void serve(DescriptorChain chain) {
        if (chain.writable().capacity() == 0) {
            device.counters().countMalformed(); // nothing can be acknowledged, so nothing is done
            chain.complete(0);
            return;
        }
        ReceiveRules before = device.receiveRules();
        boolean done = execute(chain.readable(), chain.writable());
        if (chain.writable().position() == 0) {
            chain.writable().putU8(done ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
        }
        long written = chain.writable().position();
        if (device.receiveRules() == before) {
            chain.complete(written);
        } else {
            // virtio 1.4 5.1.9.5.6.2: no receive queue goes by the rules of before when the driver has the answer
            chain.defer();
            context.afterPresentWork(() -> chain.complete(written));
        }
    }

    /** @param answer for a command that says more than whether it was obeyed */
    private boolean execute(ChainReader data, ChainWriter answer) {
        if (data.remaining() < COMMAND_BYTES) {
            return false;
        }
        int commandClass = data.getU8();
        int command = data.getU8();
        return switch (commandClass) {
            case VIRTIO_NET_CTRL_RX -> filters.setMode(command, data);
            case VIRTIO_NET_CTRL_MAC -> filters.setAddresses(command, data);
            case VIRTIO_NET_CTRL_VLAN -> filters.setVlan(command, data);
            case VIRTIO_NET_CTRL_ANNOUNCE -> announced(command);
            case VIRTIO_NET_CTRL_MQ -> multiqueue.execute(command, data);
            case VIRTIO_NET_CTRL_GUEST_OFFLOADS -> setOffloads(command, data);
            case VIRTIO_NET_CTRL_NOTF_COAL -> coalescing.execute(command, data, answer);
            default -> false;
        };
    }

    private boolean announced(int command) {
        if (!device.isNegotiated(VIRTIO_NET_F_GUEST_ANNOUNCE) || command != VIRTIO_NET_CTRL_ANNOUNCE_ACK) {
            return false;
        }
        device.announced(); // virtio 1.4 5.1.9.5.4.2
        return true;
    }

    private boolean setOffloads(int command, ChainReader data) {
        if (command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET
                || !device.isNegotiated(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
                || data.remaining() < Long.BYTES) {
            return false;
        }
        long wanted = data.getU64();
        // Linux also sends GUEST_HDRLEN, which is no offload: whatever was negotiated may stand here
        if ((wanted & ~device.features()) != 0) {
            return false; // virtio 1.4 5.1.9.5.9.2
        }
        device.setReceiveOffloads(NetFeatures.receiveOffloads(wanted));
        return true;
    }
}
