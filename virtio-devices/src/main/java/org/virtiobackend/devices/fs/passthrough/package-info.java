/** A FUSE server on a directory of the host: files by descriptor, never by path. */
package org.virtiobackend.devices.fs.passthrough;
