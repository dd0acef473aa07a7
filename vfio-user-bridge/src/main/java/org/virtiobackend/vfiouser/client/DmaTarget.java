package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;

/** Memory that a client lets the server reach by messages. Called on the client's receiving thread. */
public interface DmaTarget {
    /**
     * Appends {@code length} bytes from {@code address} to {@code out}.
     *
     * @return 0 or an error number
     */
    int read(long address, int length, ByteBuf out);

    /**
     * Takes {@code length} bytes from {@code in} to {@code address}.
     *
     * @return 0 or an error number
     */
    int write(long address, int length, ByteBuf in);
}
