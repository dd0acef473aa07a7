package org.virtiobackend.dma;

/** Who works on the memory of a {@link DmaMap}, and has to know when that changes. Called by the client's control thread. */
public interface DmaUser {
    /** Nobody. */
    DmaUser NONE = new DmaUser() {
        @Override
        public void refreshMemory() {}

        @Override
        public void memoryAdded() {}
    };

    /** Memory goes: returns only after every space was refreshed and nothing uses what it gave out. */
    void refreshMemory();

    /** Memory has come: what waits for it may go on. Waits for nobody. */
    void memoryAdded();
}
