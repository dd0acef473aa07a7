package org.virtiobackend.devices.blk;

import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.io.IoScratch;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves one request queue: each chain is a {@link BlkRequest}, answered at once or from the I/O pool. */
final class BlkQueueHandler implements QueueHandler {
    private final VirtioBlkDevice device;
    private final IoScratch scratch = new IoScratch();

    BlkQueueHandler(VirtioBlkDevice device) {
        this.device = device;
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int taken = 0;
        while (taken < budget) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                break;
            }
            taken++;
            requestOf(chain).serve(scratch);
        }
        return taken;
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
