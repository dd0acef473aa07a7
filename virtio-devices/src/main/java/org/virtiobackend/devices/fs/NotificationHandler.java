package org.virtiobackend.devices.fs;

import java.nio.ByteOrder;
import org.virtiobackend.devices.fs.fuse.FuseNotify;
import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.passthrough.ChangeWatch;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves the notification queue (virtio 1.4 5.11.6.3): what others change goes into the driver's buffers, one message each. */
final class NotificationHandler implements QueueHandler {
    private final VirtioFsDevice device;
    private final ChangeWatch changes;
    private final WakeUp wakeUp;
    private final FuseReply message = new FuseReply(FuseNotify.MAX_BYTES);
    /** Of the message that waits for a buffer; 0 when none does. */
    private int code;

    NotificationHandler(VirtioFsDevice device, ChangeWatch changes, WakeUp wakeUp) {
        this.device = device;
        this.changes = changes;
        this.wakeUp = wakeUp;
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        wakeUp.disarm();
        int taken = 0;
        while (taken < budget && prepare()) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                return taken; // delivered when buffers become available again: virtio 1.4 5.11.6.3
            }
            taken++;
            if (chain.writable().capacity() < FuseReply.HEADER_BYTES + message.length()) {
                device.malformed(); // virtio 1.4 5.11.6.3.1: of at least notify_buf_size bytes
                chain.complete(0);
                continue;
            }
            chain.complete(message.sendNotification(chain.writable(), code));
            code = 0;
        }
        if (code == 0) {
            wakeUp.arm(changes.fd(), WakeUp.READABLE);
        }
        return taken;
    }

    private boolean prepare() {
        if (code == 0) {
            ByteOrder order = device.server().order();
            message.begin(order);
            code = changes.next(message);
        }
        return code != 0;
    }

    @Override
    public boolean wantsKicks() {
        return code != 0;
    }
}
