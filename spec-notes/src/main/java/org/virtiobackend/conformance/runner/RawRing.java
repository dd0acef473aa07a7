package org.virtiobackend.conformance.runner;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * A virtqueue whose every byte is in the hands of the check. It keeps no rules: it writes what it is told, and reads what
 * the device wrote. Written apart from the product's rings, so that an error there is not repeated here. One thread.
 */
public abstract class RawRing {
    /**
     * One descriptor to be.
     *
     * @param length as unsigned 32 bits
     */
    public record Piece(long address, long length, boolean writable, boolean indirect) {
        public static Piece readable(Buffer buffer) {
            return new Piece(buffer.address(), buffer.length(), false, false);
        }

        public static Piece writable(Buffer buffer) {
            return new Piece(buffer.address(), buffer.length(), true, false);
        }

        public static Piece table(Buffer table) {
            return new Piece(table.address(), table.length(), false, true);
        }

        int flags() {
            return (writable ? 2 : 0) | (indirect ? 4 : 0);
        }
    }

    /**
     * What the device returned.
     *
     * @param length as it says; -1 for a chain that it skipped, which IN_ORDER allows
     */
    public record Used(int token, long length) {}

    static final int DESCRIPTOR_BYTES = 16;
    static final int F_NEXT = 1;

    final int size;
    private final boolean inOrder;
    private final Queue<Integer> outstanding = new ArrayDeque<>();
    private final Queue<Used> skipped = new ArrayDeque<>();

    RawRing(int size, boolean inOrder) {
        this.size = size;
        this.inOrder = inOrder;
    }

    public int size() {
        return size;
    }

    /** Chains that the device has and did not return. */
    public int outstanding() {
        return outstanding.size();
    }

    public abstract long queueDesc();

    public abstract long queueDriver();

    public abstract long queueDevice();

    /** Writes a chain; the device sees it after {@link #publish}. Returns the token by which it comes back. */
    public final int chain(List<Piece> pieces) {
        int token = write(pieces);
        outstanding.add(token);
        return token;
    }

    abstract int write(List<Piece> pieces);

    /** Shows the device every chain written so far. */
    public abstract void publish();

    /** What the device returned next, or null. A {@link CheckFailure} when it returned what it did not have. */
    public final Used poll() {
        if (!skipped.isEmpty()) {
            return skipped.remove();
        }
        Used used = read();
        if (used == null) {
            return null;
        }
        if (!outstanding.contains(used.token())) {
            throw new CheckFailure("the device returned buffer " + used.token() + ", which it does not have");
        }
        if (inOrder) {
            while (outstanding.peek() != used.token()) {
                int before = outstanding.remove();
                skip(before);
                skipped.add(new Used(before, -1));
            }
        }
        outstanding.remove(used.token());
        if (!skipped.isEmpty()) {
            skipped.add(used);
            return skipped.remove();
        }
        return used;
    }

    /** The next used entry as it stands, or null. */
    abstract Used read();

    /** A used entry that was not written. */
    abstract void skip(int token);

    /** Whether something was returned that {@link #poll} has not taken. */
    public abstract boolean hasUsed();

    /** Wants no used buffer notifications; without EVENT_IDX, or by its structure in a packed ring. */
    public abstract void suppressInterrupts();

    /** Wants a notification for each used buffer; with EVENT_IDX only for the next one. */
    public abstract void wantInterrupts();

    /** With EVENT_IDX: wants a notification when {@code count} more used buffers (split) or descriptors (packed) are there. */
    public abstract void wantInterruptAfter(int count);

    /** Whether the device wants to be told of what was published last. */
    public abstract boolean deviceWantsKick();

    /** What a notification carries beside the queue (virtio 1.4 2.9): 16 bits. */
    abstract int position();

    /** An indirect table in {@code memory} with these entries. */
    abstract void fillTable(Buffer memory, List<Piece> pieces);

    /** The areas as text, for the trace. */
    public abstract List<String> dump();

    static String flagNames(int flags) {
        List<String> names = new ArrayList<>();
        if ((flags & 1) != 0) {
            names.add("NEXT");
        }
        if ((flags & 2) != 0) {
            names.add("WRITE");
        }
        if ((flags & 4) != 0) {
            names.add("INDIRECT");
        }
        if ((flags & 1 << 7) != 0) {
            names.add("AVAIL");
        }
        if ((flags & 1 << 15) != 0) {
            names.add("USED");
        }
        return names.isEmpty() ? "0" : String.join("|", names);
    }
}
