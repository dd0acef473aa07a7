package org.virtiobackend.devices.net;

import java.util.concurrent.atomic.LongAdder;

/** Frames that went nowhere, since the device exists. From any thread. */
public final class NetCounters {
    private final LongAdder filtered = new LongAdder();
    private final LongAdder receiveDropped = new LongAdder();
    private final LongAdder transmitDropped = new LongAdder();
    private final LongAdder malformed = new LongAdder();

    /** Received frames that the driver did not want. */
    public long filtered() {
        return filtered.sum();
    }

    /** Received frames that found no room in the driver's buffers. */
    public long receiveDropped() {
        return receiveDropped.sum();
    }

    /** Frames that the backend did not take. */
    public long transmitDropped() {
        return transmitDropped.sum();
    }

    /** Buffers and headers of the driver that make no sense. */
    public long malformed() {
        return malformed.sum();
    }

    void countFiltered() {
        filtered.increment();
    }

    void countReceiveDropped() {
        receiveDropped.increment();
    }

    void countTransmitDropped() {
        transmitDropped.increment();
    }

    void countMalformed() {
        malformed.increment();
    }
}
