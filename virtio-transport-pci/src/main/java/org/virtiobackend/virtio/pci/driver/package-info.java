/** Virtio over PCI (virtio 1.4 4.1), driver side. Trusts no device: every value from it is checked before use. */
package org.virtiobackend.virtio.pci.driver;
