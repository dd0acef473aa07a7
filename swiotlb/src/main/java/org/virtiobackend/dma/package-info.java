/** What a device may touch: addresses of a client's DMA space, the mappings behind them, and ordered access to rings. */
package org.virtiobackend.dma;
