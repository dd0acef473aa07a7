/** Frames and what is done to them in software: checksums, segmentation, hashing. Knows no queue and no device. */
package org.virtiobackend.devices.net.packet;
