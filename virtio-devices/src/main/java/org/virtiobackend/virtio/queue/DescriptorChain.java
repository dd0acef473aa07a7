package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.SegmentList;

/**
 * One request: two byte streams, readable then writable, already validated and mapped. Objects are pooled per ring slot and
 * belong to the handler from {@link Virtqueue#poll} until {@link #complete}.
 */
public final class DescriptorChain {
    private final SegmentList readableSegments = new SegmentList();
    private final SegmentList writableSegments = new SegmentList();
    private final ChainReader readable = new ChainReader(readableSegments);
    private final ChainWriter writable = new ChainWriter(writableSegments);
    private final ChainCompletion completion;
    private int head;
    private int descriptorCount;
    private Object attachment;
    private long written;
    private boolean deferred;
    private boolean finished;
    private long usedLength;
    private DescriptorChain nextCompleted;

    public DescriptorChain(ChainCompletion completion) {
        this.completion = completion;
    }

    /** The device-readable part, from its start after a poll. */
    public ChainReader readable() {
        return readable;
    }

    /** The device-writable part. */
    public ChainWriter writable() {
        return writable;
    }

    /** The handler's own pooled object for this slot, or null the first time; it survives from request to request. */
    public <T> T attachment(Class<T> type) {
        return type.cast(attachment);
    }

    public void attach(Object object) {
        attachment = object;
    }

    /**
     * Announces that the request will be completed later, perhaps by another thread. Called by the handler on the worker before it
     * hands the chain on; a chain that was not deferred is completed before {@code drain} returns.
     */
    public void defer() {
        deferred = true;
        completion.deferred(this);
    }

    /**
     * Ends the request; may be called from any thread, exactly once. The owning worker returns the chain to the driver, or, while it
     * sleeps, the caller: it holds no lock, and has made faults in mapped memory surface. Off the worker only after {@link #defer}.
     *
     * @param bytesWritten bytes written to the writable part, from its start
     */
    public void complete(long bytesWritten) {
        written = bytesWritten;
        completion.completed(this);
    }

    /** Bytes that the handler said it wrote. */
    public long written() {
        return written;
    }

    /** Index of the first descriptor, or buffer id of a packed ring. */
    public int head() {
        return head;
    }

    /** Descriptors in the ring that the chain occupies; an indirect table counts as one. */
    public int descriptorCount() {
        return descriptorCount;
    }

    SegmentList readableSegments() {
        return readableSegments;
    }

    SegmentList writableSegments() {
        return writableSegments;
    }

    /** Whether {@link #defer} was called for the present request. */
    public boolean isDeferred() {
        return deferred;
    }

    /** Whether the chain only waits for those before it; see {@link InOrderWindow}. */
    boolean isFinished() {
        return finished;
    }

    void finish(long length) {
        finished = true;
        usedLength = length;
    }

    /** What {@link #finish} was told. */
    long usedLength() {
        return usedLength;
    }

    DescriptorChain nextCompleted() {
        return nextCompleted;
    }

    void setNextCompleted(DescriptorChain next) {
        nextCompleted = next;
    }

    /** Clears what the previous user left and marks the slot taken. */
    void begin(int newHead) {
        readableSegments.clear();
        writableSegments.clear();
        head = newHead;
        written = 0;
        deferred = false;
        finished = false;
    }

    /** For a packed ring, where the id is known last. */
    void setHead(int newHead) {
        head = newHead;
    }

    void ready(int descriptors) {
        descriptorCount = descriptors;
        readable.reset();
        writable.reset();
    }

    /** The device is through with it: copies of memory behind messages are freed. */
    void end() {
        readableSegments.release();
        writableSegments.release();
    }

    /** Bytes of such copies. */
    long copiedBytes() {
        return readableSegments.remoteBytes() + writableSegments.remoteBytes();
    }
}
