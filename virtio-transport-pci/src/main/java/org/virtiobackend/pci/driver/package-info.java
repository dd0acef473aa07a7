/** A PCI function as its driver sees it, and what firmware and bus code do with one. */
package org.virtiobackend.pci.driver;
