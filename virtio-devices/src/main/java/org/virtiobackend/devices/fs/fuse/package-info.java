/** The FUSE protocol on the wire: numbers, requests as private copies, replies. Knows no files and no queues. */
package org.virtiobackend.devices.fs.fuse;
