/** Threads on which devices wait for storage. */
package org.virtiobackend.virtio.device.io;
