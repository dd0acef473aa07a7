/** What a run found, as a table for a terminal, JUnit XML, JSON, and a page of HTML. */
package org.virtiobackend.conformance.report;
