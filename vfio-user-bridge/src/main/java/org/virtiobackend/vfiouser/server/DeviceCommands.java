package org.virtiobackend.vfiouser.server;

import io.netty.buffer.ByteBuf;
import java.util.List;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.DeviceFeaturePayload;
import org.virtiobackend.vfiouser.wire.DeviceInfoPayload;
import org.virtiobackend.vfiouser.wire.IoFdsPayload;
import org.virtiobackend.vfiouser.wire.Irq;
import org.virtiobackend.vfiouser.wire.IrqInfoPayload;
import org.virtiobackend.vfiouser.wire.MigrationDataPayload;
import org.virtiobackend.vfiouser.wire.RegionInfoPayload;
import org.virtiobackend.vfiouser.wire.SetIrqsPayload;
import org.virtiobackend.vfiouser.wire.SparseMmapCapability;

/** The commands that describe, configure and reset a function. */
final class DeviceCommands {
    private final PciFunction function;
    private final IrqEventFds irqs;
    private final boolean mayPassFds;
    private final DeviceInfoPayload deviceInfo = new DeviceInfoPayload();
    private final RegionInfoPayload regionInfo = new RegionInfoPayload();
    private final SparseMmapCapability sparseMmap = new SparseMmapCapability();
    private final IoFdsPayload ioFds = new IoFdsPayload();
    private final IrqInfoPayload irqInfo = new IrqInfoPayload();
    private final SetIrqsPayload setIrqs = new SetIrqsPayload();
    private final DeviceFeaturePayload feature = new DeviceFeaturePayload();
    private final MigrationDataPayload migrationData = new MigrationDataPayload();

    /** @param mayPassFds whether the client takes a descriptor in a message */
    DeviceCommands(PciFunction function, IrqEventFds irqs, boolean mayPassFds) {
        this.function = function;
        this.irqs = irqs;
        this.mayPassFds = mayPassFds;
    }

    int getInfo(Frame request, Reply reply) {
        if (request.payloadLength() < DeviceInfoPayload.SIZE
                || deviceInfo.wrap(request.bytes(), request.payload()).argsz() < DeviceInfoPayload.SIZE) {
            return Errno.EINVAL;
        }
        int flags = DeviceInfoPayload.FLAG_RESET | DeviceInfoPayload.FLAG_PCI;
        deviceInfo
                .wrap(reply.payload(DeviceInfoPayload.SIZE), reply.at())
                .set(DeviceInfoPayload.SIZE, flags, PciFunction.REGION_COUNT, Irq.COUNT);
        return 0;
    }

    int getRegionInfo(Frame request, Reply reply) {
        if (request.payloadLength() < RegionInfoPayload.SIZE) {
            return Errno.EINVAL;
        }
        regionInfo.wrap(request.bytes(), request.payload());
        long argsz = regionInfo.argsz();
        if (argsz < RegionInfoPayload.SIZE || regionInfo.index() >= PciFunction.REGION_COUNT) {
            return Errno.EINVAL;
        }
        int index = (int) regionInfo.index();
        PciRegion region = function.region(index);
        int flags = region.size() == 0 ? 0 : RegionInfoPayload.FLAG_READ | RegionInfoPayload.FLAG_WRITE;
        if (!region.isMappable() || !mayPassFds) {
            put(reply, RegionInfoPayload.SIZE, RegionInfoPayload.SIZE, flags, index, region);
            return 0;
        }
        flags |= RegionInfoPayload.FLAG_MMAP;
        List<PciRegion.Area> areas = region.areas();
        int wanted = RegionInfoPayload.SIZE + (areas.isEmpty() ? 0 : SparseMmapCapability.size(areas.size()));
        if (argsz < wanted) {
            // The caller asks again with what it needs; only the whole reply carries the descriptor.
            put(reply, RegionInfoPayload.SIZE, wanted, flags, index, region);
            return 0;
        }
        if (!areas.isEmpty()) {
            flags |= RegionInfoPayload.FLAG_CAPABILITIES;
        }
        ByteBuf out = put(reply, wanted, wanted, flags, index, region);
        putAreas(out, reply.at() + RegionInfoPayload.SIZE, areas);
        reply.attach(region.memory());
        return 0;
    }

    int getRegionIoFds(Frame request, Reply reply) {
        if (request.payloadLength() < IoFdsPayload.SIZE) {
            return Errno.EINVAL;
        }
        ioFds.wrap(request.bytes(), request.payload());
        if (!ioFds.isValidRequest() || ioFds.index() >= PciFunction.REGION_COUNT) {
            return Errno.EINVAL;
        }
        int index = (int) ioFds.index();
        if (function.region(index).size() == 0) {
            return Errno.EINVAL;
        }
        ioFds.wrap(reply.payload(IoFdsPayload.SIZE), reply.at()).set(IoFdsPayload.SIZE, 0, index, 0);
        return 0;
    }

    int getIrqInfo(Frame request, Reply reply) {
        if (request.payloadLength() < IrqInfoPayload.SIZE) {
            return Errno.EINVAL;
        }
        irqInfo.wrap(request.bytes(), request.payload());
        if (irqInfo.argsz() < IrqInfoPayload.SIZE || irqInfo.index() >= Irq.COUNT) {
            return Errno.EINVAL;
        }
        int index = (int) irqInfo.index();
        irqInfo.wrap(reply.payload(IrqInfoPayload.SIZE), reply.at())
                .set(IrqInfoPayload.SIZE, IrqEventFds.flags(index), index, irqs.count(index));
        return 0;
    }

    int setIrqs(Frame request) {
        if (request.payloadLength() < SetIrqsPayload.SIZE) {
            return Errno.EINVAL;
        }
        return irqs.set(setIrqs.wrap(request.bytes(), request.payload()), request);
    }

    int reset() {
        function.reset();
        return 0;
    }

    /** No feature exists here: neither migration nor dirty page logging. */
    int feature(Frame request) {
        boolean valid = request.payloadLength() >= DeviceFeaturePayload.SIZE
                && feature.wrap(request.bytes(), request.payload()).isValid();
        return valid ? Errno.EOPNOTSUPP : Errno.EINVAL;
    }

    int migrationData(Frame request) {
        boolean valid = request.payloadLength() >= MigrationDataPayload.SIZE
                && migrationData.wrap(request.bytes(), request.payload()).argsz() >= MigrationDataPayload.SIZE;
        return valid ? Errno.EOPNOTSUPP : Errno.EINVAL;
    }

    private ByteBuf put(Reply reply, int length, int argsz, int flags, int index, PciRegion region) {
        ByteBuf out = reply.payload(length);
        boolean capabilities = (flags & RegionInfoPayload.FLAG_CAPABILITIES) != 0;
        regionInfo
                .wrap(out, reply.at())
                .set(argsz, flags, index, capabilities ? RegionInfoPayload.SIZE : 0, region.size(), 0);
        return out;
    }

    private void putAreas(ByteBuf out, int at, List<PciRegion.Area> areas) {
        if (areas.isEmpty()) {
            return;
        }
        sparseMmap.wrap(out, at).set(areas.size());
        for (int i = 0; i < areas.size(); i++) {
            sparseMmap.setArea(i, areas.get(i).offset(), areas.get(i).size());
        }
    }
}
