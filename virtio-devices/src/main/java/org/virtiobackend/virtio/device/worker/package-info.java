/** Workers: threads that own queues, and the rendezvous between them and a device's control thread. */
package org.virtiobackend.virtio.device.worker;
