package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.DeviceInfoPayload;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.vfiouser.wire.DmaUnmapPayload;
import org.virtiobackend.vfiouser.wire.IoFdsPayload;
import org.virtiobackend.vfiouser.wire.IrqInfoPayload;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MigrationDataPayload;
import org.virtiobackend.vfiouser.wire.RegionInfoPayload;
import org.virtiobackend.vfiouser.wire.SetIrqsPayload;
import org.virtiobackend.vfiouser.wire.SparseMmapCapability;
import org.virtiobackend.vfiouser.wire.VersionPayload;

/**
 * A vfio-user client. Methods may be called from any thread and are executed one after the other; each ends within the time limit.
 * An error reply becomes an {@link ErrnoException} with its number; ETIMEDOUT and ENOTCONN are said of the server itself.
 */
public final class VfioUserClient implements AutoCloseable {
    private static final int AT = OutgoingMessage.payload();

    private final Connection connection;
    private final RegionAccess regions;
    private Capabilities serverCapabilities;
    private int minorVersion;

    private VfioUserClient(Connection connection) {
        this.connection = connection;
        this.regions = new RegionAccess(connection);
    }

    public static VfioUserClient connect(String path) throws IOException {
        return connect(path, ClientOptions.DEFAULT);
    }

    /** Connects and negotiates the version. */
    public static VfioUserClient connect(String path, ClientOptions options) throws IOException {
        VfioUserClient client = new VfioUserClient(Connection.open(path, options));
        try {
            client.negotiate(options.capabilities());
        } catch (IOException e) {
            client.close();
            throw e;
        }
        return client;
    }

    public Capabilities serverCapabilities() {
        return serverCapabilities;
    }

    public int minorVersion() {
        return minorVersion;
    }

    /** DMA messages of the server that were executed. */
    public long dmaMessagesServed() {
        return connection.dmaMessagesServed();
    }

    public DeviceInfo deviceInfo() throws IOException {
        DeviceInfoPayload info = new DeviceInfoPayload();
        try {
            info.wrap(connection.begin(DeviceInfoPayload.SIZE), AT).set(DeviceInfoPayload.SIZE, 0, 0, 0);
            Frame reply = connection.call(Command.DEVICE_GET_INFO, DeviceInfoPayload.SIZE, DeviceInfoPayload.SIZE);
            info.wrap(reply.bytes(), reply.payload());
            return new DeviceInfo(info.flags(), info.regions(), info.irqs());
        } finally {
            connection.end();
        }
    }

    /** Asks twice when the answer needs more room than the first question gave. The caller closes the result. */
    public RegionInfo regionInfo(int index) throws IOException {
        RegionInfoPayload info = new RegionInfoPayload();
        try {
            Frame reply = regionInfo(info, connection.begin(RegionInfoPayload.SIZE), index, RegionInfoPayload.SIZE);
            long needed = info.argsz();
            if (needed > RegionInfoPayload.SIZE && needed <= Limits.MAX_ARGSZ) {
                reply.closeFds();
                connection.end();
                reply = regionInfo(info, connection.begin((int) needed), index, (int) needed);
            }
            List<PciRegion.Area> areas = areas(info, reply);
            Fd memory = reply.fdCount() > 0 ? reply.takeFd(0) : null;
            return new RegionInfo(info.flags(), info.length(), info.fileOffset(), areas, memory);
        } finally {
            connection.end();
        }
    }

    public IrqInfo irqInfo(int index) throws IOException {
        IrqInfoPayload info = new IrqInfoPayload();
        try {
            info.wrap(connection.begin(IrqInfoPayload.SIZE), AT).set(IrqInfoPayload.SIZE, 0, index, 0);
            Frame reply = connection.call(Command.DEVICE_GET_IRQ_INFO, IrqInfoPayload.SIZE, IrqInfoPayload.SIZE);
            info.wrap(reply.bytes(), reply.payload());
            return new IrqInfo(info.flags(), info.count());
        } finally {
            connection.end();
        }
    }

    /**
     * SET_IRQS without data or with eventfds.
     *
     * @param flags one DATA and one ACTION of {@link SetIrqsPayload}
     * @param fds none, or one per vector; they stay the caller's
     */
    public void setIrqs(int flags, int index, int start, int count, Fd... fds) throws IOException {
        try {
            ByteBuf out = connection.begin(SetIrqsPayload.SIZE);
            new SetIrqsPayload().wrap(out, AT).set(SetIrqsPayload.SIZE, flags, index, start, count);
            connection.call(Command.DEVICE_SET_IRQS, SetIrqsPayload.SIZE, 0, fds);
        } finally {
            connection.end();
        }
    }

    /** SET_IRQS with one byte per vector (DATA_BOOL). */
    public void setIrqs(int action, int index, int start, byte[] chosen) throws IOException {
        int length = SetIrqsPayload.SIZE + chosen.length;
        try {
            ByteBuf out = connection.begin(length);
            int flags = SetIrqsPayload.DATA_BOOL | action;
            new SetIrqsPayload().wrap(out, AT).set(length, flags, index, start, chosen.length);
            out.setBytes(AT + SetIrqsPayload.SIZE, chosen);
            connection.call(Command.DEVICE_SET_IRQS, length, 0);
        } finally {
            connection.end();
        }
    }

    /** Reads a register of 1 to 8 bytes, little-endian. */
    public long regionRead(int region, long offset, int count) throws IOException {
        return regions.read(region, offset, count);
    }

    /** Reads any number of bytes and appends them to {@code out}. */
    public void regionRead(int region, long offset, int count, ByteBuf out) throws IOException {
        regions.read(region, offset, count, out);
    }

    /**
     * Writes a register of 1 to 8 bytes, little-endian.
     *
     * @param posted does not wait for the server; errors stay unknown
     */
    public void regionWrite(int region, long offset, int count, long value, boolean posted) throws IOException {
        regions.write(region, offset, count, value, posted);
    }

    /** Writes all readable bytes of {@code in}, whose reader index stays. */
    public void regionWrite(int region, long offset, ByteBuf in, boolean posted) throws IOException {
        regions.write(region, offset, in, posted);
    }

    /** REGION_WRITE_MULTI: several registers of one region in one message, {@code count} bytes each. */
    public void regionWriteMulti(int region, int count, long[] offsets, long[] values) throws IOException {
        regions.writeMulti(region, count, offsets, values);
    }

    /**
     * Lets the server reach memory.
     *
     * @param flags READ and WRITE of {@link DmaMapPayload}
     * @param fd the file behind it, which stays the caller's, or null: by messages
     */
    public void dmaMap(long address, long size, int flags, Fd fd, long fileOffset) throws IOException {
        try {
            ByteBuf out = connection.begin(DmaMapPayload.SIZE);
            new DmaMapPayload().wrap(out, AT).set(DmaMapPayload.SIZE, flags, fileOffset, address, size);
            connection.call(Command.DMA_MAP, DmaMapPayload.SIZE, 0, fd == null ? new Fd[0] : new Fd[] {fd});
        } finally {
            connection.end();
        }
    }

    public void dmaUnmap(long address, long size) throws IOException {
        dmaUnmap(0, address, size);
    }

    public void dmaUnmapAll() throws IOException {
        dmaUnmap(DmaUnmapPayload.FLAG_ALL, 0, 0);
    }

    /** DEVICE_GET_REGION_IO_FDS; returns how many entries the server has. */
    public long regionIoFds(int index) throws IOException {
        IoFdsPayload ioFds = new IoFdsPayload();
        try {
            ioFds.wrap(connection.begin(IoFdsPayload.SIZE), AT).set(IoFdsPayload.SIZE, 0, index, 0);
            Frame reply = connection.call(Command.DEVICE_GET_REGION_IO_FDS, IoFdsPayload.SIZE, IoFdsPayload.SIZE);
            return ioFds.wrap(reply.bytes(), reply.payload()).count();
        } finally {
            connection.end();
        }
    }

    public void deviceReset() throws IOException {
        try {
            connection.begin(0);
            connection.call(Command.DEVICE_RESET, 0, 0);
        } finally {
            connection.end();
        }
    }

    /** DEVICE_FEATURE with its flags and data as they are; returns the reply's payload. */
    public byte[] deviceFeature(byte[] payload) throws IOException {
        try {
            connection.begin(payload.length).setBytes(AT, payload);
            Frame reply = connection.call(Command.DEVICE_FEATURE, payload.length, 0);
            byte[] answer = new byte[reply.payloadLength()];
            reply.bytes().getBytes(reply.payload(), answer);
            return answer;
        } finally {
            connection.end();
        }
    }

    /** MIG_DATA_READ; returns the data. */
    public byte[] migrationRead(int size) throws IOException {
        MigrationDataPayload data = new MigrationDataPayload();
        try {
            ByteBuf out = connection.begin(MigrationDataPayload.SIZE);
            data.wrap(out, AT).set(MigrationDataPayload.SIZE + size, size);
            Frame reply = connection.call(Command.MIG_DATA_READ, MigrationDataPayload.SIZE, MigrationDataPayload.SIZE);
            byte[] read = new byte[reply.payloadLength() - MigrationDataPayload.SIZE];
            reply.bytes().getBytes(reply.payload() + MigrationDataPayload.SIZE, read);
            return read;
        } finally {
            connection.end();
        }
    }

    public void migrationWrite(byte[] data) throws IOException {
        int length = MigrationDataPayload.SIZE + data.length;
        try {
            ByteBuf out = connection.begin(length);
            new MigrationDataPayload().wrap(out, AT).set(length, data.length);
            out.setBytes(AT + MigrationDataPayload.SIZE, data);
            connection.call(Command.MIG_DATA_WRITE, length, 0);
        } finally {
            connection.end();
        }
    }

    /**
     * Sends a command with any payload and returns whatever comes back, an error too.
     *
     * @param fds stay the caller's
     */
    public RawMessage exchange(int command, byte[] payload, Fd... fds) throws IOException {
        try {
            connection.begin(payload.length).setBytes(AT, payload);
            return RawMessage.of(connection.exchange(command, payload.length, fds));
        } finally {
            connection.end();
        }
    }

    @Override
    public void close() {
        connection.close();
    }

    private void negotiate(Capabilities ours) throws IOException {
        byte[] text = ours.text();
        int length = VersionPayload.SIZE + text.length + 1;
        VersionPayload version = new VersionPayload();
        try {
            version.wrap(connection.begin(length), AT)
                    .set(Limits.VERSION_MAJOR, Limits.VERSION_MINOR)
                    .setText(text);
            Frame reply = connection.call(Command.VERSION, length, VersionPayload.SIZE);
            int replied = reply.payloadLength();
            version.wrap(reply.bytes(), reply.payload());
            boolean hasText = VersionPayload.hasText(replied);
            if (version.major() != Limits.VERSION_MAJOR || hasText && !version.isTextTerminated(replied)) {
                throw new ErrnoException("server speaks version " + version.major(), Errno.EPROTO);
            }
            minorVersion = version.minor();
            serverCapabilities = hasText ? Capabilities.parse(version.text(replied)) : Capabilities.DEFAULT;
        } finally {
            connection.end();
        }
    }

    private Frame regionInfo(RegionInfoPayload info, ByteBuf out, int index, int argsz) throws IOException {
        info.wrap(out, AT).set(argsz, 0, index, 0, 0, 0);
        Frame reply = connection.call(Command.DEVICE_GET_REGION_INFO, RegionInfoPayload.SIZE, RegionInfoPayload.SIZE);
        info.wrap(reply.bytes(), reply.payload());
        return reply;
    }

    private static List<PciRegion.Area> areas(RegionInfoPayload info, Frame reply) throws IOException {
        List<PciRegion.Area> areas = new ArrayList<>();
        SparseMmapCapability capability = new SparseMmapCapability();
        boolean any = (info.flags() & RegionInfoPayload.FLAG_CAPABILITIES) != 0;
        long offset = any ? info.capabilityOffset() : 0;
        while (offset != 0) {
            long room = reply.payloadLength() - offset - SparseMmapCapability.HEADER_SIZE;
            if (offset < RegionInfoPayload.SIZE || room < 0) {
                throw new ErrnoException("capabilities of a region", Errno.EPROTO);
            }
            capability.wrap(reply.bytes(), reply.payload() + (int) offset);
            if (capability.id() == SparseMmapCapability.ID) {
                if (capability.areas() > room / SparseMmapCapability.AREA_SIZE) {
                    throw new ErrnoException("mappable areas of a region", Errno.EPROTO);
                }
                for (int i = 0; i < capability.areas(); i++) {
                    areas.add(new PciRegion.Area(capability.areaOffset(i), capability.areaSize(i)));
                }
            }
            long next = capability.next();
            if (next != 0 && next <= offset) {
                throw new ErrnoException("capabilities of a region", Errno.EPROTO);
            }
            offset = next;
        }
        return areas;
    }

    private void dmaUnmap(int flags, long address, long size) throws IOException {
        try {
            ByteBuf out = connection.begin(DmaUnmapPayload.SIZE);
            new DmaUnmapPayload().wrap(out, AT).set(DmaUnmapPayload.SIZE, flags, address, size);
            connection.call(Command.DMA_UNMAP, DmaUnmapPayload.SIZE, DmaUnmapPayload.SIZE);
        } finally {
            connection.end();
        }
    }
}
