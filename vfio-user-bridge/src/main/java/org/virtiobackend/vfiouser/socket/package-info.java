/** vfio-user messages on a UNIX stream socket: framing, buffering, and which descriptors belong to which message. */
package org.virtiobackend.vfiouser.socket;
