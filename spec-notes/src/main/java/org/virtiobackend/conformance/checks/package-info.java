/** The conformance checks, one class per chapter of the specification, and how to put requests to each device type. */
package org.virtiobackend.conformance.checks;
