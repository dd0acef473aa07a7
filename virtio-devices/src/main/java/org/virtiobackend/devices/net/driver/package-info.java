/** Network device, driver side: frames over driver virtqueues, for the benchmark and tests. */
package org.virtiobackend.devices.net.driver;
