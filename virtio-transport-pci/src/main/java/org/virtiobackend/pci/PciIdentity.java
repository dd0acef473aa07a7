package org.virtiobackend.pci;

/**
 * What a function says it is.
 *
 * @param classCode base class, subclass and interface: 24 bits
 */
public record PciIdentity(
        int vendorId, int deviceId, int revision, int classCode, int subsystemVendorId, int subsystemId) {}
