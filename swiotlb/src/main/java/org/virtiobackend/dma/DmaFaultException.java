package org.virtiobackend.dma;

/** An address that the device may not touch. Carries no stack trace: a hostile driver can cause as many as it likes. */
public final class DmaFaultException extends Exception {
    private static final long serialVersionUID = 1L;
    private final long address;
    private final long length;
    private final boolean peerGone;

    /**
     * @param reason what is wrong with the range, a constant text
     * @param address as the driver gave it
     * @param length bytes
     */
    public DmaFaultException(String reason, long address, long length) {
        this(reason, address, length, false);
    }

    private DmaFaultException(String reason, long address, long length, boolean peerGone) {
        super(reason, null, false, false);
        this.address = address;
        this.length = length;
        this.peerGone = peerGone;
    }

    /** Nothing is wrong with the address, but whoever has the memory is no longer there. */
    public static DmaFaultException peerGone(String reason, long address, long length) {
        return new DmaFaultException(reason, address, length, true);
    }

    /** Whether it is not the driver's fault, see {@link #peerGone(String, long, long)}. */
    public boolean isPeerGone() {
        return peerGone;
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
