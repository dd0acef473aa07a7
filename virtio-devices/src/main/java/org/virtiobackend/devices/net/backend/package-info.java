/** Where frames come from and go to: tap interfaces, stream sockets, and a loop. */
package org.virtiobackend.devices.net.backend;
