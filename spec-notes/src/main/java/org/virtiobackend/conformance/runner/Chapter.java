package org.virtiobackend.conformance.runner;

/**
 * The checks of one chapter: public methods with {@link Check}. A chapter is stateless; one about a device type names
 * it.
 */
public interface Chapter {
    /** Chapter {@link #deviceType} of those that are about every device. */
    int ANY_DEVICE = 0;

    /** Device type that the checks are for. */
    default int deviceType() {
        return ANY_DEVICE;
    }
}
