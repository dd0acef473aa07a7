/** The device SPI: what the author of a device model implements and what is given to it. Knows no transport. */
package org.virtiobackend.virtio.device;
