/** Memory as a driver uses it: shared guest memory, or a bounce pool in the device's region. */
package org.virtiobackend.swiotlb.driver;
