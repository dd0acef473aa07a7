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
        return new Builder().build();
    }

    /** Starts from {@link #defaults}. */
    public static Builder builder() {
        return new Builder();
    }

    /** Owners of byte-range locks at a time, on one file each; each is a descriptor more. */
    int maxLockOwners() {
        return Math.max(1, maxHandles / 4);
    }

    /** Byte ranges that these hold together; for each, 200 bytes of the kernel's memory and some of ours. */
    int maxLockedRanges() {
        return (int) Math.min(65_536, 512L * maxHandles);
    }

    /** Lists name ids, which nobody translates. */
    boolean servesAcl() {
        return posixAcl && xattr && xattrMap.isIdentity() && uids == IdMap.IDENTITY && gids == IdMap.IDENTITY;
    }

    public PassthroughOptions withReadOnly() {
        return toBuilder().readOnly(true).build();
    }

    public PassthroughOptions withCache(CachePolicy policy, boolean mayCollectWrites) {
        return toBuilder().cache(policy).writeback(mayCollectWrites).build();
    }

    public PassthroughOptions withIds(IdMap newUids, IdMap newGids) {
        return toBuilder().ids(newUids, newGids).build();
    }

    public PassthroughOptions withXattrs(XattrMap map) {
        return toBuilder().xattr(true).xattrMap(map).build();
    }

    public PassthroughOptions withLimits(int inodes, int openInodes, int handles) {
        return toBuilder().limits(inodes, openInodes, handles).build();
    }

    public PassthroughOptions withLocks(LockOptions newLocks) {
        return toBuilder().locks(newLocks).build();
    }

    private Builder toBuilder() {
        return new Builder()
                .readOnly(readOnly)
                .cache(cache)
                .writeback(writeback)
                .xattr(xattr)
                .posixAcl(posixAcl)
                .deviceNodes(deviceNodes)
                .directIo(directIo)
                .submounts(submounts)
                .xattrMap(xattrMap)
                .locks(locks)
                .ids(uids, gids)
                .limits(maxInodes, maxOpenInodes, maxHandles);
    }

    /** One option after the other. */
    public static final class Builder {
        private boolean readOnly;
        private CachePolicy cache = CachePolicy.AUTO;
        private boolean writeback;
        private boolean xattr = true;
        private boolean posixAcl;
        private boolean deviceNodes;
        private boolean directIo;
        private boolean submounts = true;
        private IdMap uids = IdMap.IDENTITY;
        private IdMap gids = IdMap.IDENTITY;
        private XattrMap xattrMap = XattrMap.IDENTITY;
        private LockOptions locks = LockOptions.defaults();
        private int maxInodes = 4_000_000;
        private int maxOpenInodes = 500_000;
        private int maxHandles = 100_000;

        private Builder() {}

        public Builder readOnly(boolean value) {
            readOnly = value;
            return this;
        }

        public Builder cache(CachePolicy value) {
            cache = value;
            return this;
        }

        public Builder writeback(boolean value) {
            writeback = value;
            return this;
        }

        public Builder xattr(boolean value) {
            xattr = value;
            return this;
        }

        public Builder posixAcl(boolean value) {
            posixAcl = value;
            return this;
        }

        public Builder deviceNodes(boolean value) {
            deviceNodes = value;
            return this;
        }

        public Builder directIo(boolean value) {
            directIo = value;
            return this;
        }

        public Builder submounts(boolean value) {
            submounts = value;
            return this;
        }

        public Builder xattrMap(XattrMap value) {
            xattrMap = value;
            return this;
        }

        public Builder locks(LockOptions value) {
            locks = value;
            return this;
        }

        public Builder ids(IdMap newUids, IdMap newGids) {
            uids = newUids;
            gids = newGids;
            return this;
        }

        public Builder limits(int inodes, int openInodes, int handles) {
            maxInodes = inodes;
            maxOpenInodes = openInodes;
            maxHandles = handles;
            return this;
        }

        public PassthroughOptions build() {
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
                    maxInodes,
                    maxOpenInodes,
                    maxHandles);
        }
    }
}
