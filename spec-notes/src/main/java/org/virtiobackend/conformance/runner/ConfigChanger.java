package org.virtiobackend.conformance.runner;

import java.io.IOException;

/** Makes the device under test change its configuration, from outside: the image of a disk grows, a link goes down. */
@FunctionalInterface
public interface ConfigChanger {
    /** Causes a change; it may take effect later. */
    void change() throws IOException;
}
