package org.virtiobackend.vfiouser.server;

import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.Command;

/** Finds who executes a command of a client that has negotiated. */
final class Dispatcher {
    private final RegionCommands regions;
    private final DmaCommands dma;
    private final DeviceCommands device;

    Dispatcher(RegionCommands regions, DmaCommands dma, DeviceCommands device) {
        this.regions = regions;
        this.dma = dma;
        this.device = device;
    }

    /**
     * Executes one command.
     *
     * @param request the whole message; descriptors that nobody takes are closed by the caller
     * @param reply gets the payload of a successful reply
     * @return 0 or an error number
     * @throws ErrnoException the same as returning its error number
     */
    int execute(Frame request, Reply reply) throws ErrnoException {
        return switch (request.header().command()) {
            case Command.REGION_READ -> regions.read(request, reply);
            case Command.REGION_WRITE -> regions.write(request, reply);
            case Command.REGION_WRITE_MULTI -> regions.writeMulti(request, reply);
            case Command.DMA_MAP -> dma.map(request);
            case Command.DMA_UNMAP -> dma.unmap(request, reply);
            case Command.DEVICE_GET_INFO -> device.getInfo(request, reply);
            case Command.DEVICE_GET_REGION_INFO -> device.getRegionInfo(request, reply);
            case Command.DEVICE_GET_REGION_IO_FDS -> device.getRegionIoFds(request, reply);
            case Command.DEVICE_GET_IRQ_INFO -> device.getIrqInfo(request, reply);
            case Command.DEVICE_SET_IRQS -> device.setIrqs(request);
            case Command.DEVICE_RESET -> device.reset();
            case Command.DEVICE_FEATURE -> device.feature(request);
            case Command.MIG_DATA_READ, Command.MIG_DATA_WRITE -> device.migrationData(request);
            default -> Errno.EINVAL;
        };
    }
}
