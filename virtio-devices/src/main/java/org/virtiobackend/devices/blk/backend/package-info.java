/** Where the bytes of a virtual disk live: files, block devices, memory. Knows nothing of virtio requests. */
package org.virtiobackend.devices.blk.backend;
