package org.virtiobackend.devices.blk;

import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.io.IoScratch;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves one request queue: each chain is a {@link BlkRequest}, answered at once or from the I/O pool. */
final class BlkQueueHandler implements QueueHandler {
    /** Payload after which finished requests become visible, so that a driver that polls works on them meanwhile. */
    private static final long PUBLISH_BYTES = 32 << 10;

    private final VirtioBlkDevice device;
    private final IoScratch scratch = new IoScratch();

    BlkQueueHandler(VirtioBlkDevice device) {
        this.device = device;
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int taken = 0;
        long unpublished = 0;
        while (taken < budget) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                break;
            }
            taken++;
            unpublished += chain.readable().remaining() + chain.writable().capacity();
            requestOf(chain).serve(scratch);
            if (unpublished >= PUBLISH_BYTES && !queue.isRemote()) {
                unpublished = 0;
                queue.publishUsed(); // the notification waits for the end of the batch
            }
        }
        return taken;
    }

    /** What would wait goes to the I/O pool. */
    @Override
    public boolean isPrompt() {
        return true;
    }

    private BlkRequest requestOf(DescriptorChain chain) {
        BlkRequest request = chain.attachment(BlkRequest.class);
        if (request == null) {
            request = new BlkRequest(device, chain);
            chain.attach(request);
        }
        return request;
    }
}
