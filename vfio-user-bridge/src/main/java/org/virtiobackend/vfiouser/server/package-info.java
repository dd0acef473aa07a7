/**
 * The server side of vfio-user: sessions that execute a client's commands on a PCI function, in strict order of arrival.
 *
 * <p>Each client has one thread, one DMA map and one function. Only that thread touches them; interrupts and DMA by messages come
 * from workers.
 */
package org.virtiobackend.vfiouser.server;
