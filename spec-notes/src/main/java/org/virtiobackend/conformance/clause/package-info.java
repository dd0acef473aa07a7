/** The clauses of the virtio specification as data: what each one asks for, and how it can be observed. */
package org.virtiobackend.conformance.clause;
