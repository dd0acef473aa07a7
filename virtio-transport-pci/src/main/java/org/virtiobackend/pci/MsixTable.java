package org.virtiobackend.pci;

import static org.virtiobackend.pci.PciRegisters.*;

import java.util.Arrays;

/**
 * MSI-X vectors: table and pending bits as a BAR shows them, and delivery. {@link #raise} comes from any thread;
 * everything else belongs to the control thread.
 *
 * <p>A VMM such as QEMU keeps the table to itself: no write to it arrives here, and masking shows as another descriptor
 * behind the vector. So the mask bits of the entries (set at power-on) say something only after the client has written
 * to the table; until then a vector counts as unmasked. The function mask is an ordinary bit of the configuration space
 * and always counts.
 *
 * <p>A message that cannot be sent (masked, or nobody listens) sets the pending bit and goes out when the reason ends.
 */
public final class MsixTable {
    private static final int PAGE = 4096;

    private final int vectors;
    private final int pbaOffset;
    private final int barSize;
    private final byte[] table;
    private final AtomicBits pending;
    /** Mask bits of the entries that count: none before the client's first write to the table. */
    private final AtomicBits masked;

    private boolean tableInUse;
    private volatile boolean functionMasked;
    private volatile InterruptSink sink = InterruptSink.NONE;

    /** @param vectors 1 to 2048 */
    public MsixTable(int vectors) {
        if (vectors < 1 || vectors > MSIX_MAX_VECTORS) {
            throw new IllegalArgumentException(vectors + " MSI-X vectors, expected 1 to " + MSIX_MAX_VECTORS);
        }
        this.vectors = vectors;
        this.table = new byte[vectors * MSIX_ENTRY_SIZE];
        this.pending = new AtomicBits(vectors);
        this.masked = new AtomicBits(vectors);
        this.pbaOffset = table.length + PAGE - 1 & -PAGE;
        this.barSize = Integer.highestOneBit(pbaOffset + PAGE - 1) << 1;
        reset();
    }

    public int vectors() {
        return vectors;
    }

    /** Where the pending bit array starts in the BAR: a page of its own, behind the table at 0. */
    public int pbaOffset() {
        return pbaOffset;
    }

    /** Bytes of the BAR that holds table and pending bits, a power of two. */
    public int barSize() {
        return barSize;
    }

    void connect(InterruptSink newSink) {
        sink = newSink;
        flush();
    }

    /** Sends the message of a vector, now or when it can be sent. Any thread. */
    public void raise(int vector) {
        if (send(vector)) {
            return;
        }
        pending.set(vector);
        // Unmasked or connected in between: whoever did that may have looked before the bit was there.
        if (send(vector)) {
            pending.clear(vector);
        }
    }

    /** Somebody listens on the vector from now on: sends what is pending. */
    public void vectorConnected(int vector) {
        if (vector >= 0 && vector < vectors && pending.clear(vector)) {
            raise(vector);
        }
    }

    /** Follows the message control register. */
    void setFunctionMasked(boolean mask) {
        boolean released = functionMasked && !mask;
        functionMasked = mask;
        if (released) {
            flush();
        }
    }

    /** Forgets what is pending. */
    public void clearPending() {
        pending.clearAll();
    }

    /** Back to power-on: every entry zero and masked, the table not in use. */
    void reset() {
        Arrays.fill(table, (byte) 0);
        for (int i = 0; i < vectors; i++) {
            table[i * MSIX_ENTRY_SIZE + MSIX_ENTRY_CONTROL] = 1;
        }
        tableInUse = false;
        functionMasked = false;
        masked.clearAll();
        pending.clearAll();
    }

    /** One byte of the BAR, 0 to 255. */
    public int readByte(long offset) {
        if (offset < table.length) {
            return table[(int) offset] & 0xff;
        }
        long at = offset - pbaOffset;
        if (at >= 0 && at < pending.byteCount()) {
            return pending.byteAt((int) at);
        }
        return 0;
    }

    /** Writes one byte of the BAR; the pending bits are read-only. */
    public void writeByte(long offset, int value) {
        if (offset >= table.length) {
            return;
        }
        if (!tableInUse) {
            tableInUse = true;
            for (int vector = 0; vector < vectors; vector++) {
                masked.set(vector);
            }
        }
        int at = (int) offset;
        table[at] = (byte) value;
        if (at % MSIX_ENTRY_SIZE == MSIX_ENTRY_CONTROL) {
            setMasked(at / MSIX_ENTRY_SIZE, (value & 1) != 0);
        }
    }

    private void setMasked(int vector, boolean mask) {
        if (mask) {
            masked.set(vector);
        } else if (masked.clear(vector)) {
            vectorConnected(vector);
        }
    }

    private void flush() {
        for (int vector = 0; vector < vectors; vector++) {
            vectorConnected(vector);
        }
    }

    private boolean send(int vector) {
        return !functionMasked && !masked.get(vector) && sink.msix(vector);
    }
}
