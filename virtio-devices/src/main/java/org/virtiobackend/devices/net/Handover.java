package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.Frame;

/** Hands frames that one queue's worker has received over to the queues to which their hash leads. One worker's. */
final class Handover {
    private final VirtioNetDevice device;
    private final SteeringRings rings;
    private final int pair;
    private int target;
    /** Pairs that were handed frames, as bits. */
    private int wakes;

    /** @param pair whose worker this is */
    Handover(VirtioNetDevice device, int pair) {
        this.device = device;
        this.rings = device.steering();
        this.pair = pair;
    }

    /** Whether a frame with this hash belongs to another queue: virtio 1.4 5.1.9.5.7.3. */
    boolean goesElsewhere(ReceiveRules rules, FlowHash hash) {
        if (!rules.steer()) {
            return false;
        }
        target = rules.hash().pair(hash.value(), hash.report() != 0);
        return target != pair;
    }

    /** Hands over the frame of the last question. A queue that does not keep up loses its frames, so that the others go on. */
    void handOver(Frame frame) {
        if (rings.outgoing(pair, target).offer(frame)) {
            wakes |= 1 << target;
        } else {
            device.counters().countReceiveDropped();
        }
    }

    /** Tells the others, once for each batch. */
    void wakeOthers() {
        for (int left = wakes; left != 0; left &= left - 1) {
            device.wakeReceiver(Integer.numberOfTrailingZeros(left));
        }
        wakes = 0;
    }
}
