package org.virtiobackend.pci;

/**
 * What a function has to know about changes of its configuration space. Called by the control thread, after the
 * registers changed.
 */
public interface EndpointListener {
    /** The function may start, or must not start from now on, accesses to memory. */
    void busMasterChanged(boolean enabled);

    /** MSI-X or INTx was enabled or disabled. */
    void interruptModeChanged();

    /** Function level reset: calls back {@link PciEndpoint#reset}. */
    void functionLevelReset();
}
