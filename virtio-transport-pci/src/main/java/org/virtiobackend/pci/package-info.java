/**
 * A PCI Express function as such: configuration space, capability list, BARs, MSI-X. Knows no virtio and no transport.
 */
package org.virtiobackend.pci;
