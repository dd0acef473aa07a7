package org.virtiobackend.dma;

import java.util.Arrays;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MappableFile;
import org.virtiobackend.posix.Mapping;

/**
 * A client's DMA space and the owner of every mapping in it. All methods that change it belong to the client's control thread;
 * {@link DmaSpace}s made by {@link #newSpace} read the newest snapshot from workers.
 *
 * <p>Memory leaves in four steps: a snapshot without the region is published, the user is quiesced (every space refreshes, no
 * chain is in flight), the memory is unmapped, and only then the caller may answer the client.
 */
public final class DmaMap implements AutoCloseable {
    /**
     * Most regions of one client; what we announce as max_dma_maps. A guest has a few dozen, and thousands only when its driver maps
     * every buffer through an emulated IOMMU.
     */
    public static final int MAX_REGIONS = 8192;
    /** Largest region, 8 TiB as in libvfio-user. */
    public static final long MAX_REGION_BYTES = 8L << 40;

    private static final long PAGE_MASK = 4095;

    private final MappingBudget.Share mappings;
    private final MappingBudget.Share files;
    private volatile DmaSnapshot snapshot = DmaSnapshot.EMPTY;
    private volatile long mappedBytes;
    private RemoteMemory remote;
    private GuestMemory guestMemory = GuestMemory.OPEN;
    private boolean keepFiles;
    private DmaUser user = DmaUser.NONE;

    public DmaMap() {
        this(MappingBudget.MAPPINGS, MappingBudget.FILES);
    }

    DmaMap(MappingBudget mappings, MappingBudget files) {
        this.mappings = mappings.newShare();
        this.files = files.newShare();
    }

    /** How to reach regions that come without a descriptor; null: not at all. Applies to regions mapped afterwards. */
    public void setRemoteMemory(RemoteMemory remote) {
        this.remote = remote;
    }

    /**
     * Opens guest memory to the device or closes it. A map that begins {@link GuestMemory#HELD} may change as often as it likes; one
     * that begins open keeps no descriptors, so it stays open.
     *
     * @throws ErrnoException a range could not be mapped; it does not resolve then, the others do
     */
    public void setGuestMemory(GuestMemory wanted) throws ErrnoException {
        if (wanted == guestMemory) {
            return;
        }
        if (snapshot.regions.length == 0) {
            guestMemory = wanted;
            keepFiles = keepFiles || wanted == GuestMemory.HELD;
            return;
        }
        if (!keepFiles || wanted == GuestMemory.REFUSED) {
            throw new IllegalStateException("guest memory cannot turn from " + guestMemory + " to " + wanted);
        }
        guestMemory = wanted;
        if (wanted == GuestMemory.OPEN) {
            openAll();
        } else {
            closeAll();
        }
    }

    /** Who is told of memory that goes and comes. */
    public void setUser(DmaUser user) {
        this.user = user;
    }

    /**
     * Adds a region. The same region again is fine.
     *
     * @param fd file behind it, taken over in every case, or null
     * @param fdOffset bytes into the file
     * @throws ErrnoException EINVAL for a size or alignment that no mapping has, EEXIST for an overlap, ENOSPC when too large or
     *     too many (of this client, or of all), and whatever mmap says
     */
    public void map(long address, long size, boolean read, boolean write, Fd fd, long fdOffset) throws ErrnoException {
        boolean keep = fd != null && keepFiles;
        boolean counted = false;
        boolean added = false;
        try {
            check(address, size, fd, fdOffset);
            DmaRegion overlap = snapshot.findOverlap(address, size);
            if (overlap != null) {
                if (isSame(overlap, address, size, read, write, fd)) {
                    return;
                }
                throw new ErrnoException("map " + range(address, size) + " over an existing region", Errno.EEXIST);
            }
            Fd file = keepFiles || guestMemory == GuestMemory.OPEN ? fd : null;
            DmaRegion region = new DmaRegion(address, size, read, write, file, fdOffset, fd != null);
            if (keep) {
                files.take();
                counted = true;
            }
            if (guestMemory == GuestMemory.OPEN) {
                region = open(region);
            }
            snapshot = snapshot.with(region);
            added = true;
            user.memoryAdded();
        } finally {
            if (counted && !added) {
                files.giveBack();
            }
            if (fd != null && !(keep && added)) {
                fd.close();
            }
        }
    }

    /** Removes a region, exactly as it was mapped; returns when nobody uses its memory. ENOENT when there is none. */
    public void unmap(long address, long size) throws ErrnoException {
        DmaRegion region = snapshot.find(address);
        if (region == null || region.address != address || region.size != size) {
            throw new ErrnoException("unmap " + range(address, size), Errno.ENOENT);
        }
        snapshot = snapshot.without(region);
        release(region);
    }

    /** Removes everything; returns how many regions there were. */
    public int unmapAll() {
        DmaSnapshot old = snapshot;
        snapshot = DmaSnapshot.EMPTY;
        if (Arrays.stream(old.regions).anyMatch(DmaRegion::isReachable)) {
            user.refreshMemory();
        }
        for (DmaRegion region : old.regions) {
            closeMapping(region);
            closeFile(region);
        }
        return old.regions.length;
    }

    /** A view for one queue. */
    public DmaSpace newSpace() {
        return new GuestMemorySpace(this);
    }

    /** Bytes of the client's memory that are mapped into this process. Any thread. */
    public long mappedBytes() {
        return mappedBytes;
    }

    /** How a range can be reached. */
    public enum Presence {
        /** Not all of it. */
        NONE,
        /** By messages. */
        REMOTE,
        /** Some of it not by messages, or not for this access. */
        OTHERWISE
    }

    /** How all of a range can be reached now. Any thread. */
    public Presence presence(long address, int length, DmaAccess access) {
        DmaSnapshot now = snapshot;
        Presence found = Presence.REMOTE;
        long at = address;
        long left = length;
        while (left > 0) {
            DmaRegion region = now.find(at);
            if (region == null) {
                return Presence.NONE;
            }
            if (region.remote == null || !region.allows(access)) {
                found = Presence.OTHERWISE;
            }
            long part = Math.min(left, region.size - (at - region.address));
            at += part;
            left -= part;
        }
        return found;
    }

    public int regionCount() {
        return snapshot.regions.length;
    }

    @Override
    public void close() {
        unmapAll();
        user = DmaUser.NONE;
        remote = null;
    }

    DmaSnapshot snapshot() {
        return snapshot;
    }

    private void release(DmaRegion region) {
        if (region.isReachable()) {
            user.refreshMemory();
            closeMapping(region);
        }
        closeFile(region);
    }

    /** The region with the way to its memory open. */
    private DmaRegion open(DmaRegion region) throws ErrnoException {
        if (!region.hasFile) {
            return region.reachedBy(null, remote);
        }
        MappableFile.check(region.file, region.fileOffset + region.size);
        mappings.take();
        try {
            Mapping mapping = Mapping.map(region.file, region.fileOffset, region.size, region.protection());
            mappedBytes += region.size;
            return region.reachedBy(mapping, null);
        } catch (Throwable t) {
            mappings.giveBack();
            throw t;
        }
    }

    private void openAll() throws ErrnoException {
        ErrnoException failure = null;
        DmaSnapshot next = DmaSnapshot.EMPTY;
        for (DmaRegion region : snapshot.regions) {
            try {
                next = next.with(open(region));
            } catch (ErrnoException e) {
                failure = e;
                next = next.with(region);
            }
        }
        snapshot = next;
        if (failure != null) {
            throw failure;
        }
    }

    private void closeAll() {
        DmaSnapshot old = snapshot;
        DmaSnapshot next = DmaSnapshot.EMPTY;
        for (DmaRegion region : old.regions) {
            next = next.with(region.reachedBy(null, null));
        }
        snapshot = next;
        user.refreshMemory();
        for (DmaRegion region : old.regions) {
            closeMapping(region);
        }
    }

    private void closeMapping(DmaRegion region) {
        if (region.mapping != null) {
            region.mapping.close();
            mappings.giveBack();
            mappedBytes -= region.size;
        }
    }

    /** Of a region in the map, where only a file that is kept is open. */
    private void closeFile(DmaRegion region) {
        if (region.file != null && region.file.isOpen()) {
            region.file.close();
            files.giveBack();
        }
    }

    private void check(long address, long size, Fd fd, long fdOffset) throws ErrnoException {
        if (size == 0 || Long.compareUnsigned(address, -size) > 0) {
            throw new ErrnoException("map " + range(address, size) + ": empty or wraps around", Errno.EINVAL);
        }
        if (Long.compareUnsigned(size, MAX_REGION_BYTES) > 0 || snapshot.regions.length >= MAX_REGIONS) {
            throw new ErrnoException("map " + range(address, size) + ": beyond the limits", Errno.ENOSPC);
        }
        if (fd != null && ((address | size | fdOffset) & PAGE_MASK) != 0) {
            throw new ErrnoException("map " + range(address, size) + ": not page aligned", Errno.EINVAL);
        }
        if (fd != null && (fdOffset < 0 || fdOffset > Long.MAX_VALUE - size)) {
            throw new ErrnoException("map " + range(address, size) + ": bad file offset", Errno.EINVAL);
        }
    }

    private static boolean isSame(DmaRegion region, long address, long size, boolean read, boolean write, Fd fd) {
        // Whether two descriptors are the same file at the same offset cannot be told cheaply: only fd-less maps
        // repeat.
        return fd == null
                && !region.hasFile
                && region.address == address
                && region.size == size
                && region.readable == read
                && region.writable == write;
    }

    private static String range(long address, long size) {
        return "0x" + Long.toHexString(address) + " + 0x" + Long.toHexString(size);
    }
}
