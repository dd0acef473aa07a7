package org.virtiobackend.devices.net.packet;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A capture of frames in the pcap format, time in nanoseconds, as tshark reads it. From any thread. A file that cannot be written to
 * any more ends the capture, not the traffic.
 */
public final class PcapFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PcapFile.class);
    private static final int MAGIC_NANOSECONDS = 0xa1b23c4d;
    private static final short MAJOR = 2;
    private static final short MINOR = 4;
    private static final int LINKTYPE_ETHERNET = 1;
    private static final int FILE_HEADER = 24;
    private static final int RECORD_HEADER = 16;

    private final Path path;
    private final FileChannel channel;
    private final ByteBuffer record =
            ByteBuffer.allocateDirect(RECORD_HEADER + Ethernet.MAX_FRAME_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private boolean broken;

    private PcapFile(Path path, FileChannel channel) {
        this.path = path;
        this.channel = channel;
    }

    /** Begins a new file; one that exists is overwritten. */
    public static PcapFile create(Path path) throws IOException {
        FileChannel channel = FileChannel.open(
                path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
        ByteBuffer header = ByteBuffer.allocate(FILE_HEADER).order(ByteOrder.LITTLE_ENDIAN);
        header.putInt(MAGIC_NANOSECONDS)
                .putShort(MAJOR)
                .putShort(MINOR)
                .putInt(0)
                .putInt(0);
        header.putInt(Ethernet.MAX_FRAME_BYTES).putInt(LINKTYPE_ETHERNET).flip();
        channel.write(header);
        return new PcapFile(path, channel);
    }

    /** Fills the bytes of one frame into a buffer, from a position on. */
    @FunctionalInterface
    public interface Source {
        void copyTo(ByteBuffer target, int at);
    }

    /** Appends a frame. */
    public synchronized void write(int length, Source frame) {
        if (broken) {
            return;
        }
        Instant now = Instant.now();
        record.clear();
        record.putInt(0, (int) now.getEpochSecond())
                .putInt(4, now.getNano())
                .putInt(8, length)
                .putInt(12, length);
        frame.copyTo(record, RECORD_HEADER);
        record.limit(RECORD_HEADER + length);
        try {
            while (record.hasRemaining()) {
                channel.write(record);
            }
        } catch (IOException e) {
            broken = true;
            LOG.warn("{}: the capture ends here: {}", path, e.getMessage());
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.warn("{}: {}", path, e.getMessage());
        }
    }
}
