package org.virtiobackend.vfiouser.wire;

/** Numbers that both sides keep to. */
public final class Limits {
    /** Largest transfer in bytes, and what is assumed of a peer that does not say (max_data_xfer_size). */
    public static final int MAX_DATA_TRANSFER = 1 << 20;
    /** Largest message in bytes: a transfer with the header and the fixed part before the data. */
    public static final int MAX_MESSAGE = MAX_DATA_TRANSFER + MessageHeader.SIZE + 16;
    /** Descriptors that we ask peers not to exceed in one message (max_msg_fds); QEMU refuses more than 16. */
    public static final int MAX_MESSAGE_FDS = 16;
    /** Largest max_msg_fds that a peer may claim. */
    public static final int MAX_CLAIMED_FDS = 1024;
    /** What is assumed of a peer that does not say. */
    public static final int DEFAULT_MESSAGE_FDS = 1;
    /** Regions of a DMA space (max_dma_maps); QEMU refuses more than 65535, and thinks of it when memory is plugged in. */
    public static final int MAX_DMA_MAPS = 8192;
    /** What is assumed of a peer that does not say. */
    public static final int DEFAULT_DMA_MAPS = 65535;
    /** The only page size (pgsizes): DMA maps come in multiples of it. */
    public static final int PAGE_SIZE = 4096;
    /** Largest argsz that makes sense where a reply may grow. */
    public static final int MAX_ARGSZ = 1 << 20;

    public static final int VERSION_MAJOR = 0;
    public static final int VERSION_MINOR = 1;

    private Limits() {}
}
