/** The block device (virtio 1.4 5.2). Start with {@link org.virtiobackend.devices.blk.VirtioBlkDevice}. */
package org.virtiobackend.devices.blk;
