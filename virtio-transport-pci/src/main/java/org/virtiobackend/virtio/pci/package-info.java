/** Virtio over PCI (virtio 1.4 4.1), device side: the function, its registers, feature negotiation and status. */
package org.virtiobackend.virtio.pci;
