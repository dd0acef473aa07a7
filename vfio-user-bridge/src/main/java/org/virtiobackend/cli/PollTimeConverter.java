package org.virtiobackend.cli;

import org.virtiobackend.virtio.device.worker.WorkerPool;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** How long a worker polls: microseconds, {@code always} or {@code adaptive}. */
final class PollTimeConverter implements ITypeConverter<Long> {
    private static final long LONGEST = 10_000_000;

    @Override
    public Long convert(String text) {
        switch (text) {
            case "always":
                return WorkerPool.ALWAYS;
            case "adaptive":
                return WorkerPool.ADAPTIVE;
            default:
                try {
                    long micros = Long.parseLong(text);
                    if (micros >= 0 && micros <= LONGEST) {
                        return micros;
                    }
                } catch (NumberFormatException e) {
                    // said below
                }
                throw new TypeConversionException("'" + text + "' is neither microseconds nor 'always' nor 'adaptive'");
        }
    }
}
