package org.virtiobackend.devices.fs.passthrough;

/**
 * How a directory is served.
 *
 * @param readOnly nothing is changed on the host
 * @param writeback the driver may collect writes
 * @param xattr extended attributes are served
 * @param posixAcl access control lists are served; needs {@code xattr}
 * @param deviceNodes device nodes may be made
 * @param directIo O_DIRECT of the driver is O_DIRECT on the host
 * @param submounts directories on which something is mounted are announced as such
 * @param uids how user ids of the driver and of the host correspond; {@code gids} the same for groups
 * @param locks whether the driver's locks hold on the host, and how long it may wait for one
 * @param maxInodes files that a driver may know at a time
 * @param maxOpenInodes descriptors that these take; the others are found again by their names
 * @param maxHandles files that a driver may have open at a time
 */
public record PassthroughOptions(
        boolean readOnly,
        CachePolicy cache,
        boolean writeback,
        boolean xattr,
        boolean posixAcl,
        boolean deviceNodes,
        boolean directIo,
        boolean submounts,
        IdMap uids,
        IdMap gids,
        XattrMap xattrMap,
        LockOptions locks,
        int maxInodes,
        int maxOpenInodes,
        int maxHandles) {

    /** A writable directory with extended attributes and a cache that looks again every second. */
    public static PassthroughOptions defaults() {
        return new PassthroughOptions(
                false,
                CachePolicy.AUTO,
                false,
                true,
                false,
                false,
                false,
                true,
                IdMap.IDENTITY,
                IdMap.IDENTITY,
                XattrMap.IDENTITY,
                LockOptions.defaults(),
                4_000_000,
                500_000,
                100_000);
    }

    /** Owners of byte-range locks at a time, on one file each; each is a descriptor more. */
    int maxLockOwners() {
        return Math.max(1, maxHandles / 4);
    }

    /** Lists name ids, which nobody translates. */
    boolean servesAcl() {
        return posixAcl && xattr && xattrMap.isIdentity() && uids == IdMap.IDENTITY && gids == IdMap.IDENTITY;
    }

    public PassthroughOptions withReadOnly() {
        return new PassthroughOptions(
                true,
                cache,
                writeback,
                xattr,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                uids,
                gids,
                xattrMap,
                locks,
                maxInodes,
                maxOpenInodes,
                maxHandles);
    }

    public PassthroughOptions withCache(CachePolicy policy, boolean mayCollectWrites) {
        return new PassthroughOptions(
                readOnly,
                policy,
                mayCollectWrites,
                xattr,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                uids,
                gids,
                xattrMap,
                locks,
                maxInodes,
                maxOpenInodes,
                maxHandles);
    }

    public PassthroughOptions withIds(IdMap newUids, IdMap newGids) {
        return new PassthroughOptions(
                readOnly,
                cache,
                writeback,
                xattr,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                newUids,
                newGids,
                xattrMap,
                locks,
                maxInodes,
                maxOpenInodes,
                maxHandles);
    }

    public PassthroughOptions withXattrs(XattrMap map) {
        return new PassthroughOptions(
                readOnly,
                cache,
                writeback,
                true,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                uids,
                gids,
                map,
                locks,
                maxInodes,
                maxOpenInodes,
                maxHandles);
    }

    public PassthroughOptions withLimits(int inodes, int openInodes, int handles) {
        return new PassthroughOptions(
                readOnly,
                cache,
                writeback,
                xattr,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                uids,
                gids,
                xattrMap,
                locks,
                inodes,
                openInodes,
                handles);
    }

    public PassthroughOptions withLocks(LockOptions newLocks) {
        return new PassthroughOptions(
                readOnly,
                cache,
                writeback,
                xattr,
                posixAcl,
                deviceNodes,
                directIo,
                submounts,
                uids,
                gids,
                xattrMap,
                newLocks,
                maxInodes,
                maxOpenInodes,
                maxHandles);
    }
}
