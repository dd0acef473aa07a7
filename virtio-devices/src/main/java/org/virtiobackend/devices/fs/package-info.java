/** The file system device (virtio 1.4 5.11). */
package org.virtiobackend.devices.fs;
