/** The network device (virtio 1.4 5.1): features, configuration, receive, transmit and control queues. */
package org.virtiobackend.devices.net;
