package org.virtiobackend.dma;

/** An address that the device may not touch. Carries no stack trace: a hostile driver can cause as many as it likes. */
public final class DmaFaultException extends Exception {
    private static final long serialVersionUID = 1L;

    private enum Kind {
        FORBIDDEN,
        PEER_GONE,
        NOT_NOW,
        WRONG_THREAD
    }

    private final long address;
    private final long length;
    private final Kind kind;

    /**
     * @param reason what is wrong with the range, a constant text
     * @param address as the driver gave it
     * @param length bytes
     */
    public DmaFaultException(String reason, long address, long length) {
        this(reason, address, length, Kind.FORBIDDEN);
    }

    private DmaFaultException(String reason, long address, long length, Kind kind) {
        super(reason, null, false, false);
        this.address = address;
        this.length = length;
        this.kind = kind;
    }

    /** Nothing is wrong with the address, but whoever has the memory is no longer there. */
    public static DmaFaultException peerGone(String reason, long address, long length) {
        return new DmaFaultException(reason, address, length, Kind.PEER_GONE);
    }

    /**
     * Nothing is wrong and nothing is lost: the memory cannot be reached before control has had what it waits for, or before it is
     * mapped again. Whoever was told so lets go of what he has and tries again when control has gone on, mostly after the next {@link DmaSpace#refresh}.
     */
    public static DmaFaultException notNow(String reason, long address, long length) {
        return new DmaFaultException(reason, address, length, Kind.NOT_NOW);
    }

    /** Memory that may be touched, but not by a thread that cannot wait for it; see {@link RemoteMemory#isReachable}. */
    static DmaFaultException wrongThread(long address, long length) {
        String reason = "memory behind messages is out of reach for this thread";
        return new DmaFaultException(reason, address, length, Kind.WRONG_THREAD);
    }

    /** Whether it is not the driver's fault, see {@link #peerGone(String, long, long)}. */
    public boolean isPeerGone() {
        return kind == Kind.PEER_GONE;
    }

    /** Whether the same access has to be tried again later, see {@link #notNow(String, long, long)}. */
    public boolean isNotNow() {
        return kind == Kind.NOT_NOW;
    }

    /** Whether another thread would have got the memory. */
    public boolean isWrongThread() {
        return kind == Kind.WRONG_THREAD;
    }

    public long address() {
        return address;
    }

    public long length() {
        return length;
    }

    @Override
    public String getMessage() {
        return super.getMessage() + ": 0x" + Long.toHexString(address) + " + 0x" + Long.toHexString(length);
    }
}
