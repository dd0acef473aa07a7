package org.virtiobackend.cli;

import java.io.IOException;
import java.util.Collection;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.vfiouser.server.ClientSession;
import org.virtiobackend.vfiouser.server.PciFunctionFactory;
import org.virtiobackend.virtio.device.worker.CommandThread;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.GuestMemoryPolicy;
import org.virtiobackend.virtio.pci.RegionPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;

/** Gives each client a function with a device of its own, and knows who is there. */
final class ClientTable implements PciFunctionFactory {
    /** A client that comes while the last one is still being cleared away waits so long; clients give up after 5 s. */
    private static final long WAIT_MILLIS = 4_000;
    /** Shared memory id of the region; no device type uses it. */
    private static final int SHM_ID = 1;

    private final Export export;
    private final ServeOptions options;
    private final WorkerPool workers;
    private final Semaphore places;
    private final ConcurrentSkipListMap<Integer, Entry> clients = new ConcurrentSkipListMap<>();
    /** What clients that have gone had counted; under this object's lock. */
    private final ClientTotals gone = new ClientTotals();

    /** One client. The region is null without one. */
    record Entry(
            ClientSession session, DmaMap dmaMap, Export.Client client, VirtioPciFunction function, BarMemory region) {}

    ClientTable(Export export, ServeOptions options, WorkerPool workers) {
        this.export = export;
        this.options = options;
        this.workers = workers;
        this.places = new Semaphore(export.maxClients());
    }

    /** Those who are there now, in the order in which they came. */
    Collection<Entry> clients() {
        return clients.values();
    }

    /** Adds the counters of all clients so far, those that have gone included; none is missing and none counts twice. */
    synchronized void addTo(ClientTotals totals) {
        totals.add(gone);
        clients.values().forEach(totals::add);
    }

    @Override
    public PciFunction create(DmaMap dmaMap, ClientSession session) throws IOException {
        takePlace();
        BarMemory region = null;
        try {
            ServeOptions.Policy policy = options.policy();
            region = policy.kind() == null ? null : BarMemory.create(options.regionBytes());
            DmaPolicy dmaPolicy = region == null
                    ? new GuestMemoryPolicy(dmaMap)
                    : new RegionPolicy(policy.kind(), region, dmaMap, SHM_ID);
            return build(dmaMap, session, dmaPolicy, region);
        } catch (ErrnoException | RuntimeException e) {
            release(session, null, region);
            throw e;
        }
    }

    private PciFunction build(DmaMap dmaMap, ClientSession session, DmaPolicy policy, BarMemory region) {
        Export.Client client = export.newClient();
        ReleasingDevice device = new ReleasingDevice(client.device(), () -> release(session, client, region));
        VirtioPciFunction function = new VirtioPciFunction(device, policy, workers, options.pciOptions());
        function.setQuiesceWaiter(session::await);
        function.setCommandThread(commandThread(session));
        dmaMap.setUser(function);
        clients.put(session.id(), new Entry(session, dmaMap, client, function, region));
        return function;
    }

    private static CommandThread commandThread(ClientSession session) {
        return new CommandThread() {
            @Override
            public boolean afterAnswer(Runnable work) {
                return session.afterAnswer(work);
            }

            @Override
            public boolean isAwaited() {
                return session.isAwaited();
            }
        };
    }

    private void takePlace() throws IOException {
        try {
            if (!places.tryAcquire(WAIT_MILLIS, TimeUnit.MILLISECONDS)) {
                throw new IOException(export.description() + " is in use by " + export.maxClients()
                        + (export.maxClients() == 1 ? " client" : " clients") + " already (--max-clients)");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private void release(ClientSession session, Export.Client client, BarMemory region) {
        depart(session);
        if (client != null) {
            client.gone();
        }
        if (region != null) {
            region.close();
        }
        places.release();
    }

    /** Moves a client's counters to those of the clients that have gone; nothing counts there any more. */
    private synchronized void depart(ClientSession session) {
        Entry entry = clients.remove(session.id());
        if (entry != null) {
            gone.add(entry);
        }
    }
}
