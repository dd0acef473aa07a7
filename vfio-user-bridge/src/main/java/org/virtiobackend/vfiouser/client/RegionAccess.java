package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import java.io.IOException;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.RegionAccessPayload;
import org.virtiobackend.vfiouser.wire.WriteMultiPayload;

/** REGION_READ, REGION_WRITE and REGION_WRITE_MULTI; register accesses allocate nothing. Any thread. */
final class RegionAccess {
    private static final int AT = OutgoingMessage.payload();
    private static final int MAX_REGISTER = 8;

    private final Connection connection;
    /** Used within an exchange only. */
    private final RegionAccessPayload access = new RegionAccessPayload();

    RegionAccess(Connection connection) {
        this.connection = connection;
    }

    /** Reads a register of 1 to 8 bytes, little-endian. */
    long read(int region, long offset, int count) throws IOException {
        checkRegister(count);
        try {
            Frame reply = exchange(region, offset, count);
            int data = reply.payload() + RegionAccessPayload.SIZE;
            long value = 0;
            for (int i = count - 1; i >= 0; i--) {
                value = value << Byte.SIZE | reply.bytes().getUnsignedByte(data + i);
            }
            return value;
        } finally {
            connection.end();
        }
    }

    /** Reads any number of bytes and appends them to {@code out}. */
    void read(int region, long offset, int count, ByteBuf out) throws IOException {
        try {
            Frame reply = exchange(region, offset, count);
            out.writeBytes(reply.bytes(), reply.payload() + RegionAccessPayload.SIZE, count);
        } finally {
            connection.end();
        }
    }

    /**
     * Writes a register of 1 to 8 bytes, little-endian.
     *
     * @param posted does not wait for the server; errors stay unknown
     */
    void write(int region, long offset, int count, long value, boolean posted) throws IOException {
        checkRegister(count);
        int length = RegionAccessPayload.SIZE + count;
        try {
            ByteBuf out = connection.begin(length);
            access.wrap(out, AT).set(offset, region, count);
            for (int i = 0; i < count; i++) {
                out.setByte(AT + RegionAccessPayload.SIZE + i, (int) (value >>> i * Byte.SIZE));
            }
            send(length, posted);
        } finally {
            connection.end();
        }
    }

    /** Writes all readable bytes of {@code in}, whose reader index stays. */
    void write(int region, long offset, ByteBuf in, boolean posted) throws IOException {
        int count = in.readableBytes();
        int length = RegionAccessPayload.SIZE + count;
        try {
            ByteBuf out = connection.begin(length);
            access.wrap(out, AT).set(offset, region, count);
            out.setBytes(AT + RegionAccessPayload.SIZE, in, in.readerIndex(), count);
            send(length, posted);
        } finally {
            connection.end();
        }
    }

    /** REGION_WRITE_MULTI: several registers of one region in one message, {@code count} bytes each. */
    void writeMulti(int region, int count, long[] offsets, long[] values) throws IOException {
        checkRegister(count);
        int length = WriteMultiPayload.SIZE + offsets.length * WriteMultiPayload.ENTRY_SIZE;
        WriteMultiPayload multi = new WriteMultiPayload();
        try {
            ByteBuf out = connection.begin(length);
            multi.wrap(out, AT).set(offsets.length);
            for (int i = 0; i < offsets.length; i++) {
                access.wrap(out, multi.entryIndex(i)).set(offsets[i], region, count);
                out.setLongLE(multi.entryIndex(i) + RegionAccessPayload.SIZE, values[i]);
            }
            connection.call(Command.REGION_WRITE_MULTI, length, WriteMultiPayload.SIZE);
        } finally {
            connection.end();
        }
    }

    /** Within an exchange. */
    private Frame exchange(int region, long offset, int count) throws IOException {
        access.wrap(connection.begin(RegionAccessPayload.SIZE), AT).set(offset, region, count);
        Frame reply = connection.call(Command.REGION_READ, RegionAccessPayload.SIZE, RegionAccessPayload.SIZE + count);
        if (access.wrap(reply.bytes(), reply.payload()).count() != count) {
            throw new ErrnoException("REGION_READ answered with other data", Errno.EPROTO);
        }
        return reply;
    }

    private void send(int length, boolean posted) throws IOException {
        if (posted) {
            connection.post(Command.REGION_WRITE, length);
        } else {
            connection.call(Command.REGION_WRITE, length, RegionAccessPayload.SIZE);
        }
    }

    private static void checkRegister(int count) {
        if (count < 1 || count > MAX_REGISTER) {
            throw new IllegalArgumentException("register of " + count + " bytes");
        }
    }
}
