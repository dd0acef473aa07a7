/** The device-local region of restricted DMA: its memory, how drivers address it, and the space that can reach nothing else. */
package org.virtiobackend.swiotlb;
