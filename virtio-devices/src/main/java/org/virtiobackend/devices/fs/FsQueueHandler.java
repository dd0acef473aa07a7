package org.virtiobackend.devices.fs;

import org.virtiobackend.devices.fs.passthrough.FsThread;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves one queue: each chain is an {@link FsRequest}, answered at once or from the I/O pool. */
final class FsQueueHandler implements QueueHandler {
    private final VirtioFsDevice device;

    FsQueueHandler(VirtioFsDevice device) {
        this.device = device;
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        DescriptorChain chain = queue.poll();
        if (chain == null) {
            return 0;
        }
        FsThread thread = FsThread.current();
        int taken = 0;
        while (chain != null) {
            requestOf(queue, chain).serve(thread);
            taken++;
            chain = taken < budget ? queue.poll() : null;
        }
        return taken;
    }

    @Override
    public void letGo() {
        device.server().endWaits();
        device.endLists();
    }

    /** What waits for a disk goes to the I/O pool; what waits for another machine is not for the thread of the client's commands. */
    @Override
    public boolean isPrompt() {
        return device.server().isPrompt();
    }

    private FsRequest requestOf(Virtqueue queue, DescriptorChain chain) {
        FsRequest request = chain.attachment(FsRequest.class);
        if (request == null) {
            request = new FsRequest(device, chain, queue.size());
            chain.attach(request);
        }
        return request;
    }
}
