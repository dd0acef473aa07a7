package org.virtiobackend.devices.blk;

import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import org.virtiobackend.posix.Errno;

/**
 * Counts failed requests and logs few of them: each kind that a driver can cause once per activation, failures of the
 * image at most one line every ten seconds. From any thread.
 */
final class BlkErrorLog {
    private static final Logger LOG = LoggerFactory.getLogger(BlkErrorLog.class);
    private static final long INTERVAL_NANOS = 10_000_000_000L;

    private final String image;
    private final LongAdder errors = new LongAdder();
    private final Set<BlkResult> told = EnumSet.noneOf(BlkResult.class);
    private boolean anyFailure;
    private long lastFailure;
    private long unlogged;

    BlkErrorLog(String image) {
        this.image = image;
    }

    long count() {
        return errors.sum();
    }

    synchronized void activated() {
        told.clear();
    }

    /** @param errno positive, for {@link BlkResult#BACKEND_FAILED} */
    void failed(BlkResult result, long type, long sector, int errno) {
        errors.increment();
        if (result.level() == Level.WARN) {
            imageFailed(type, sector, errno);
        } else if (LOG.isDebugEnabled() && firstOf(result)) {
            LOG.debug(
                    "{}: request type {} at sector {}: {}", image, type, Long.toUnsignedString(sector), result.text());
        }
    }

    private synchronized boolean firstOf(BlkResult result) {
        return told.add(result);
    }

    private void imageFailed(long type, long sector, int errno) {
        long before;
        synchronized (this) {
            long now = System.nanoTime();
            if (anyFailure && now - lastFailure < INTERVAL_NANOS) {
                unlogged++;
                return;
            }
            anyFailure = true;
            lastFailure = now;
            before = unlogged;
            unlogged = 0;
        }
        LOG.warn(
                "{}: request type {} at sector {} failed: {} ({} more failures before)",
                image,
                type,
                Long.toUnsignedString(sector),
                Errno.text(errno),
                before);
    }
}
