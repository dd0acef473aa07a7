package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.queue.ChainReader;
import org.virtiobackend.virtio.queue.ChainWriter;

/** Control commands about notifications (virtio 1.4 5.1.9.5.10). Each returns whether it was obeyed. */
final class CoalescingCommands {
    private static final int COALESCING_BYTES = 8;
    private static final int QUEUE_BYTES = 4;

    private final VirtioNetDevice device;
    private final DeviceContext context;
    private final int pairs;

    /** @param pairs that exist: queues behind them are not of this kind */
    CoalescingCommands(VirtioNetDevice device, DeviceContext context, int pairs) {
        this.device = device;
        this.context = context;
        this.pairs = pairs;
    }

    /** @param result behind the acknowledgement */
    boolean execute(int command, ChainReader data, ChainWriter result) {
        return switch (command) {
            case VIRTIO_NET_CTRL_NOTF_COAL_TX_SET -> device.isNegotiated(VIRTIO_NET_F_NOTF_COAL) && setAll(1, data);
            case VIRTIO_NET_CTRL_NOTF_COAL_RX_SET -> device.isNegotiated(VIRTIO_NET_F_NOTF_COAL) && setAll(0, data);
            case VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET -> device.isNegotiated(VIRTIO_NET_F_VQ_NOTF_COAL) && setOne(data);
            case VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET ->
                device.isNegotiated(VIRTIO_NET_F_VQ_NOTF_COAL) && get(data, result);
            default -> false;
        };
    }

    private boolean setAll(int first, ChainReader data) {
        if (data.remaining() < COALESCING_BYTES) {
            return false;
        }
        Coalescing wanted = read(data);
        for (int pair = 0; pair < pairs; pair++) {
            context.coalesce(2 * pair + first, wanted, true); // virtio 1.4 5.1.9.5.10.6
        }
        return true;
    }

    private boolean setOne(ChainReader data) {
        if (data.remaining() < QUEUE_BYTES + COALESCING_BYTES) {
            return false;
        }
        int queue = readQueue(data);
        if (queue < 0) {
            return false;
        }
        context.coalesce(queue, read(data), false);
        return true;
    }

    private boolean get(ChainReader data, ChainWriter result) {
        if (data.remaining() < QUEUE_BYTES || result.remaining() < 1 + COALESCING_BYTES) {
            return false;
        }
        int queue = readQueue(data);
        if (queue < 0) {
            return false;
        }
        Coalescing present = context.coalescing(queue);
        result.putU8(VIRTIO_NET_OK);
        result.putU32(present.maxBuffers());
        result.putU32(present.maxMicros());
        return true;
    }

    /** An enabled receive or transmit queue, or -1: virtio 1.4 5.1.9.5.10.6. */
    private int readQueue(ChainReader data) {
        int queue = data.getU16();
        data.getU16(); // reserved
        return queue < 2 * pairs && context.isEnabled(queue) ? queue : -1;
    }

    private static Coalescing read(ChainReader data) {
        long packets = data.getU32();
        return new Coalescing(packets, data.getU32());
    }
}
