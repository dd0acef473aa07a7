/** Constants of the virtio specification that belong to no single device or transport. */
package org.virtiobackend.virtio;
