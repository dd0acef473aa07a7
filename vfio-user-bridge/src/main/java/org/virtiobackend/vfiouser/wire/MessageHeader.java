package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** The 16 bytes before every message. */
public final class MessageHeader {
    public static final int SIZE = 16;

    public static final int TYPE_MASK = 0xf;
    public static final int TYPE_COMMAND = 0;
    public static final int TYPE_REPLY = 1;
    public static final int FLAG_NO_REPLY = 0x10;
    public static final int FLAG_ERROR = 0x20;

    private static final int ID = 0;
    private static final int COMMAND = 2;
    private static final int MESSAGE_SIZE = 4;
    private static final int FLAGS = 8;
    private static final int ERRNO = 12;
    private static final int MAX_ERRNO = 4095;

    private ByteBuf bytes;
    private int at;

    public MessageHeader wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public MessageHeader set(int id, int command, int size, int flags, int errno) {
        bytes.setShortLE(at + ID, id);
        bytes.setShortLE(at + COMMAND, command);
        bytes.setIntLE(at + MESSAGE_SIZE, size);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setIntLE(at + ERRNO, errno);
        return this;
    }

    /** Chosen by the sender and echoed in the reply; 16 bits. */
    public int id() {
        return bytes.getUnsignedShortLE(at + ID);
    }

    public int command() {
        return bytes.getUnsignedShortLE(at + COMMAND);
    }

    /** Bytes of the whole message, header included; unsigned 32 bits. */
    public long size() {
        return bytes.getUnsignedIntLE(at + MESSAGE_SIZE);
    }

    public int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    public int type() {
        return flags() & TYPE_MASK;
    }

    public boolean isReply() {
        return type() == TYPE_REPLY;
    }

    public boolean isCommand() {
        return type() == TYPE_COMMAND;
    }

    /** Whether the sender of this command waits for a reply. */
    public boolean wantsReply() {
        return (flags() & FLAG_NO_REPLY) == 0;
    }

    public boolean isError() {
        return (flags() & FLAG_ERROR) != 0;
    }

    /** The error number of an error reply, 0 when it makes no sense. */
    public int errno() {
        int errno = bytes.getIntLE(at + ERRNO);
        return errno > 0 && errno <= MAX_ERRNO ? errno : 0;
    }

    /** Whether a message of this size can exist: it holds a header and keeps the limit. */
    public static boolean isSizeValid(long size) {
        return size >= SIZE && size <= Limits.MAX_MESSAGE;
    }
}
