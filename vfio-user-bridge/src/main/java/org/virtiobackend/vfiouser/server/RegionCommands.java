package org.virtiobackend.vfiouser.server;

import io.netty.buffer.ByteBuf;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.RegionAccessPayload;
import org.virtiobackend.vfiouser.wire.WriteMultiPayload;

/** REGION_READ, REGION_WRITE and REGION_WRITE_MULTI: the accesses that run all the time. */
final class RegionCommands {
    private final PciFunction function;
    private final RegionAccessPayload access = new RegionAccessPayload();
    private final RegionAccessPayload echo = new RegionAccessPayload();
    private final WriteMultiPayload multi = new WriteMultiPayload();

    RegionCommands(PciFunction function) {
        this.function = function;
    }

    int read(Frame request, Reply reply) {
        if (request.payloadLength() != RegionAccessPayload.SIZE) {
            return Errno.EINVAL;
        }
        access.wrap(request.bytes(), request.payload());
        if (!isAccessible(access)) {
            return Errno.EINVAL;
        }
        int region = (int) access.region();
        int count = (int) access.count();
        ByteBuf out = reply.payload(RegionAccessPayload.SIZE + count);
        echo.wrap(out, reply.at()).set(access.offset(), region, count);
        int data = reply.at() + RegionAccessPayload.SIZE;
        out.setIndex(data, data);
        if (count > 0) {
            function.read(region, access.offset(), count, out);
        }
        return out.writerIndex() == data + count ? 0 : Errno.EIO;
    }

    int write(Frame request, Reply reply) {
        if (request.payloadLength() < RegionAccessPayload.SIZE) {
            return Errno.EINVAL;
        }
        access.wrap(request.bytes(), request.payload());
        if (access.count() != request.payloadLength() - RegionAccessPayload.SIZE || !isAccessible(access)) {
            return Errno.EINVAL;
        }
        echo.wrap(reply.payload(RegionAccessPayload.SIZE), reply.at());
        echo.set(access.offset(), access.region(), access.count());
        write(request.bytes(), access, request.payload() + RegionAccessPayload.SIZE);
        return 0;
    }

    /** All entries are checked before the first is executed. */
    int writeMulti(Frame request, Reply reply) {
        if (request.payloadLength() < WriteMultiPayload.SIZE) {
            return Errno.EINVAL;
        }
        multi.wrap(request.bytes(), request.payload());
        if (!multi.isValid(request.payloadLength())) {
            return Errno.EINVAL;
        }
        int entries = (int) multi.entries();
        for (int i = 0; i < entries; i++) {
            access.wrap(request.bytes(), multi.entryIndex(i));
            if (access.count() > WriteMultiPayload.ENTRY_DATA || !isAccessible(access)) {
                return Errno.EINVAL;
            }
        }
        for (int i = 0; i < entries; i++) {
            access.wrap(request.bytes(), multi.entryIndex(i));
            write(request.bytes(), access, multi.entryIndex(i) + RegionAccessPayload.SIZE);
        }
        multi.wrap(reply.payload(WriteMultiPayload.SIZE), reply.at()).set(entries);
        return 0;
    }

    private void write(ByteBuf bytes, RegionAccessPayload entry, int data) {
        int count = (int) entry.count();
        if (count > 0) {
            bytes.setIndex(data, data + count);
            function.write((int) entry.region(), entry.offset(), count, bytes);
        }
    }

    private boolean isAccessible(RegionAccessPayload range) {
        if (range.region() >= PciFunction.REGION_COUNT) {
            return false;
        }
        long size = function.region((int) range.region()).size();
        return size > 0 && range.isInside(size);
    }
}
