/** The driver side of the file system device: FUSE requests over its queues. */
package org.virtiobackend.devices.fs.driver;
