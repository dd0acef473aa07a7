/**
 * The vfio-user protocol as bytes: offsets, sizes and checks of headers and payloads, over buffers that others own.
 *
 * <p>Every payload class is a flyweight: {@code wrap} points it at a place in a buffer, getters read there and {@code set} writes
 * there, little-endian (the protocol is in host byte order, and every host of this program is little-endian). No I/O.
 */
package org.virtiobackend.vfiouser.wire;
