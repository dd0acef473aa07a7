/** The conformance command. */
package org.virtiobackend.conformance;
