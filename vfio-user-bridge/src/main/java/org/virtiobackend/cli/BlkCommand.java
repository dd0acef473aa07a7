package org.virtiobackend.cli;

import java.io.IOException;
import java.util.Arrays;
import org.virtiobackend.devices.blk.BlkSettings;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.ImageException;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.devices.blk.backend.RawFileBackend;
import org.virtiobackend.virtio.device.io.IoPool;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Serves a disk image. */
@Command(
        name = "blk",
        description = "Serves a disk image as a virtio block device.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class BlkCommand extends ServingCommand {
    /** How writes reach the storage. */
    enum Cache {
        writeback,
        writethrough,
        direct
    }

    /** Formats of an image; always named by the user, never guessed. */
    enum Format {
        raw
    }

    /** A switch that can be on or off. */
    enum Switch {
        on,
        off
    }

    private static final String RAM = "ram:";
    private static final String CAPABILITIES = "{\"type\": \"block\", \"features\": [\"read-only\", \"blk-file\"]}";

    @Option(
            names = "--image",
            paramLabel = "FILE",
            description = "file or block device, or ram:SIZE for a disk in memory")
    private String image;

    @Option(names = "--image-format", paramLabel = "FORMAT", description = "raw; has to be given for a file")
    private Format format;

    @Option(names = "--read-only", description = "nothing is written, whatever the driver does")
    private boolean readOnly;

    @Option(
            names = "--serial",
            paramLabel = "S",
            defaultValue = "virtio-backend",
            description = "at most 20 characters")
    private String serial;

    @Option(
            names = "--block-size",
            paramLabel = "N",
            defaultValue = "512",
            description = "logical block size: 512 or 4096")
    private int blockSize;

    @Option(
            names = "--cache",
            paramLabel = "MODE",
            defaultValue = "writeback",
            description =
                    "writeback (default), writethrough: a write is durable before it completes, or direct: around the"
                            + " host's page cache")
    private Cache cache;

    @Option(
            names = "--locking",
            paramLabel = "on|off",
            defaultValue = "on",
            description = "off: do not mind others who use the image (default: on)")
    private Switch locking;

    @Option(names = "--queues", paramLabel = "N", defaultValue = "1", description = "request queues (default: 1)")
    private int queues;

    @Option(
            names = "--queue-size",
            paramLabel = "N",
            defaultValue = "256",
            description = "entries of a queue (default: 256)")
    private int queueSize;

    @Option(
            names = "--io-threads",
            paramLabel = "N",
            defaultValue = "4",
            description = "threads that wait for the image")
    private int ioThreads;

    @Option(
            names = "--max-clients",
            paramLabel = "N",
            description = "clients at the same time (default: 1, read-only 256)")
    private Integer maxClients;

    @Override
    String capabilities() {
        return CAPABILITIES;
    }

    @Override
    Service service() throws BadInputException, IOException {
        BlkSettings settings = settings();
        int[] queueSizes = new int[queues];
        Arrays.fill(queueSizes, queueSize);
        serveOptions.check(queueSizes, VirtioBlk.FEATURES);
        check("--io-threads", ioThreads, 1024);
        int clients = maxClients != null ? maxClients : readOnly ? 256 : 1;
        check("--max-clients", clients, 256);
        BlkExport export = new BlkExport(openImage(), new IoPool(ioThreads), settings, clients);
        return new Service(export, serveOptions, queues);
    }

    private BlkSettings settings() throws BadInputException {
        try {
            return new BlkSettings(serial, readOnly, blockSize, queues, queueSize, cache == Cache.writethrough);
        } catch (IllegalArgumentException e) {
            throw new BadInputException(e.getMessage());
        }
    }

    private BlockBackend openImage() throws BadInputException, IOException {
        if (image == null) {
            throw new BadInputException("--image is needed");
        }
        try {
            if (image.startsWith(RAM)) {
                return RamBackend.create(SizeConverter.parse(image.substring(RAM.length())));
            }
            if (format == null) {
                throw new BadInputException(
                        "--image-format is needed: a format is never guessed from an image's content");
            }
            return RawFileBackend.open(
                    image,
                    new RawFileBackend.Options(readOnly, cache == Cache.direct, locking == Switch.on, blockSize));
        } catch (ImageException e) {
            boolean locked = e.getMessage().endsWith(RawFileBackend.IN_USE);
            throw new BadInputException(e.getMessage() + (locked ? " (--locking=off to serve it all the same)" : ""));
        } catch (TypeConversionException e) {
            throw new BadInputException("--image: " + e.getMessage());
        }
    }
}
