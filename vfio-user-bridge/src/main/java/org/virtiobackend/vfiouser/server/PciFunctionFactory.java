package org.virtiobackend.vfiouser.server;

import java.io.IOException;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.PciFunction;

/** Makes the function that one client gets. Called on the session's thread when the client has negotiated the version. */
@FunctionalInterface
public interface PciFunctionFactory {
    /**
     * @param dmaMap the client's memory; the session closes it after the function
     * @param session what else the function may need of its client
     * @throws IOException no function for this client, which is then refused
     */
    PciFunction create(DmaMap dmaMap, ClientSession session) throws IOException;
}
