/** Block device, driver side: requests over a driver virtqueue, for the demo, the benchmark and tests. */
package org.virtiobackend.devices.blk.driver;
