package org.virtiobackend.cli;

import java.util.Map;
import org.virtiobackend.virtio.device.VirtioDevice;

/** Something that is served: makes a device for each client. Closed when the last device is. */
interface Export extends AutoCloseable {
    /** Type of the devices, as the command is called: {@code blk}. */
    String type();

    /** What is served, for people: the image. */
    String description();

    /** A device for one client; from any session thread. */
    Client newClient();

    /** Clients at a time, at least 1. */
    int maxClients();

    /** Looks after what is served, once a second and on SIGHUP: has the image a new size? */
    void lookAfter();

    /** Tells drivers what may be new to them or to others: on SIGHUP. */
    default void refresh() {}

    /** Makes everything durable that was written. */
    void flush() throws java.io.IOException;

    @Override
    void close();

    /** One client's device and what it can tell about itself. */
    interface Client {
        VirtioDevice device();

        /** Requests that failed. */
        long errors();

        /** More that is worth knowing about the device, by name: shown in the statistics. */
        default Map<String, Long> counters() {
            return Map.of();
        }

        /** The client has gone and the device is closed. */
        void gone();
    }
}
