package org.virtiobackend.devices.blk;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.Transfer;
import org.virtiobackend.posix.MemoryFaults;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.io.IoScratch;
import org.virtiobackend.virtio.queue.ChainReader;
import org.virtiobackend.virtio.queue.ChainWriter;
import org.virtiobackend.virtio.queue.DescriptorChain;

/**
 * One request (virtio 1.4 5.2.6), pooled with its chain. The header is copied out once and checked; the worker then
 * serves what does not wait, and the I/O pool the rest. Every byte before the status is written, with zeroes if need
 * be, so that the used length is the whole writable part.
 */
final class BlkRequest implements IoPool.Task {
    private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(1 << 16).asReadOnlyBuffer();
    /**
     * More bytes than this without data to fill them make a strange request, which the worker does not spend time on.
     */
    private static final long INLINE_FILL_BYTES = 1 << 16;

    private final VirtioBlkDevice device;
    private final BlockBackend backend;
    private final DescriptorChain chain;
    private final Transfer transfer = new Transfer();
    private BlkRanges ranges;
    private int type;
    private long sector;
    /** Writable bytes before the status byte. */
    private long room;
    /** Of these, how many have got their data. */
    private long filled;

    private BlkResult verdict;
    private boolean durable;
    private int errno;

    BlkRequest(VirtioBlkDevice device, DescriptorChain chain) {
        this.device = device;
        this.backend = device.backend();
        this.chain = chain;
    }

    /** Serves the chain that was just polled, on the worker of its queue. */
    void serve(IoScratch scratch) {
        long capacity = chain.writable().capacity();
        if (capacity == 0) {
            // nothing can be said to this driver but that nothing was written
            device.errors().failed(BlkResult.NO_STATUS_BYTE, 0, 0, 0);
            chain.complete(0);
            return;
        }
        room = capacity - 1; // the last byte, however the driver cut its buffers: virtio 1.4 2.7.4.1
        filled = 0;
        verdict = parse();
        BlkResult result = isStrange() ? BlkResult.WAIT : execute(scratch, false);
        if (result == BlkResult.WAIT) {
            chain.defer();
            device.pool().submit(this);
        } else {
            chain.complete(answer(result));
        }
    }

    @Override
    public void run(IoScratch scratch) {
        long written = 0;
        try {
            written = answer(execute(scratch, true));
            MemoryFaults.surface();
        } catch (RuntimeException | Error e) { // InternalError: the memory behind the chain is gone
            device.fail(e);
        }
        chain.complete(written); // once, whatever it throws: the chain may be another request's by then
    }

    private BlkResult parse() {
        ChainReader header = chain.readable();
        if (header.remaining() < VirtioBlk.HEADER_BYTES) {
            type = -1;
            sector = 0;
            return BlkResult.SHORT_HEADER;
        }
        type = (int) header.getU32();
        header.getU32();
        sector = header.getU64();
        return switch (type) {
            case VirtioBlk.VIRTIO_BLK_T_IN -> parseRead();
            case VirtioBlk.VIRTIO_BLK_T_OUT -> parseWrite(header.remaining());
            case VirtioBlk.VIRTIO_BLK_T_FLUSH, VirtioBlk.VIRTIO_BLK_T_GET_ID -> BlkResult.OK;
            case VirtioBlk.VIRTIO_BLK_T_DISCARD -> parseRanges(VirtioBlk.VIRTIO_BLK_F_DISCARD);
            case VirtioBlk.VIRTIO_BLK_T_WRITE_ZEROES -> parseRanges(VirtioBlk.VIRTIO_BLK_F_WRITE_ZEROES);
            // zone requests among them: virtio 1.4 5.2.6.2
            default -> BlkResult.UNSUPPORTED_TYPE;
        };
    }

    private BlkResult parseRead() {
        BlkResult result = checkRange(sector, room);
        if (result == BlkResult.OK) {
            transfer.set(chain.writable().segments(), 0, sector * VirtioBlk.SECTOR_BYTES, room);
        }
        return result;
    }

    private BlkResult parseWrite(long length) {
        if (device.isReadOnly()) {
            return BlkResult.READ_ONLY; // virtio 1.4 5.2.6.2
        }
        BlkResult result = checkRange(sector, length);
        if (result == BlkResult.OK) {
            durable = device.writesAreDurable();
            long start = sector * VirtioBlk.SECTOR_BYTES;
            transfer.set(chain.readable().segments(), VirtioBlk.HEADER_BYTES, start, length);
        }
        return result;
    }

    private BlkResult parseRanges(long feature) {
        if (!device.isNegotiated(feature)) {
            return BlkResult.UNSUPPORTED_TYPE;
        }
        if (device.isReadOnly()) {
            return BlkResult.READ_ONLY;
        }
        if (ranges == null) {
            ranges = new BlkRanges();
        }
        durable = device.writesAreDurable();
        return ranges.parse(chain.readable(), type == VirtioBlk.VIRTIO_BLK_T_DISCARD, backend.sizeBytes());
    }

    private BlkResult checkRange(long first, long bytes) {
        if (bytes % VirtioBlk.SECTOR_BYTES != 0) {
            return BlkResult.UNALIGNED_LENGTH;
        }
        return BlkRanges.isInside(first, bytes / VirtioBlk.SECTOR_BYTES, backend.sizeBytes())
                ? BlkResult.OK
                : BlkResult.BEYOND_CAPACITY;
    }

    private boolean isStrange() {
        return room > INLINE_FILL_BYTES && (verdict != BlkResult.OK || type != VirtioBlk.VIRTIO_BLK_T_IN);
    }

    private BlkResult execute(IoScratch scratch, boolean mayWait) {
        if (verdict != BlkResult.OK) {
            return verdict;
        }
        return switch (type) {
            case VirtioBlk.VIRTIO_BLK_T_IN -> read(scratch, mayWait);
            case VirtioBlk.VIRTIO_BLK_T_OUT -> write(scratch, mayWait);
            case VirtioBlk.VIRTIO_BLK_T_GET_ID -> getId();
            case VirtioBlk.VIRTIO_BLK_T_FLUSH -> flush(mayWait);
            default -> mayWait ? change(scratch) : BlkResult.WAIT;
        };
    }

    private BlkResult read(IoScratch scratch, boolean mayWait) {
        int result = backend.read(transfer, scratch, mayWait);
        filled = transfer.done();
        return outcome(result, transfer.remaining());
    }

    private BlkResult write(IoScratch scratch, boolean mayWait) {
        return outcome(backend.write(transfer, scratch, mayWait, durable), transfer.remaining());
    }

    private BlkResult flush(boolean mayWait) {
        if (!mayWait && !backend.isVolatile()) {
            return BlkResult.WAIT;
        }
        return outcome(backend.flush(), 0);
    }

    private BlkResult getId() {
        int bytes = (int) Math.min(room, VirtioBlk.ID_BYTES);
        chain.writable().put(device.serial(), 0, bytes);
        filled = bytes;
        return BlkResult.OK;
    }

    private BlkResult change(IoScratch scratch) {
        int result = 0;
        for (int i = 0; i < ranges.count() && result == 0; i++) {
            long start = ranges.sector(i) * VirtioBlk.SECTOR_BYTES;
            long length = ranges.sectors(i) * VirtioBlk.SECTOR_BYTES;
            if (length == 0) {
                continue;
            }
            result = type == VirtioBlk.VIRTIO_BLK_T_DISCARD
                    ? backend.discard(start, length)
                    : backend.writeZeroes(start, length, ranges.mayUnmap(i), scratch);
        }
        if (result == 0 && durable && type == VirtioBlk.VIRTIO_BLK_T_WRITE_ZEROES) {
            result = backend.flush();
        }
        return outcome(result, 0);
    }

    private BlkResult outcome(int result, long remaining) {
        if (result < 0) {
            errno = -result;
            return BlkResult.BACKEND_FAILED;
        }
        return remaining > 0 ? BlkResult.WAIT : BlkResult.OK;
    }

    /** Writes what the driver is to know; returns the bytes written in all. */
    private long answer(BlkResult result) {
        if (result != BlkResult.OK) {
            device.errors().failed(result, type & 0xffff_ffffL, sector, errno);
        }
        ChainWriter out = chain.writable();
        if (filled < room) {
            fillWithZeroes(out);
        }
        out.putU8At(room, result.status());
        return room + 1; // virtio 1.4 2.7.8.2
    }

    private void fillWithZeroes(ChainWriter out) {
        out.skip(filled - out.position());
        while (out.position() < room) {
            out.put(ZEROES, 0, (int) Math.min(room - out.position(), ZEROES.capacity()));
        }
    }
}
