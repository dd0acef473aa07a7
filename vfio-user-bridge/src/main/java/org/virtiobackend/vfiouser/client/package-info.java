/** The client side of vfio-user: what a virtual machine monitor does, for the embedded driver, tests and conformance runs. */
package org.virtiobackend.vfiouser.client;
