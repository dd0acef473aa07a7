package org.virtiobackend.pci;

/** Where a function's interrupts go. Methods are called from any thread, must not block and must not throw. */
public interface InterruptSink {
    /**
     * Sends the message of an MSI-X vector.
     *
     * @return false when nobody listens on the vector now
     */
    boolean msix(int vector);

    /** Says that the INTx pin has become asserted. */
    void intx();

    /** A sink for a function that nobody has connected yet. */
    InterruptSink NONE = new InterruptSink() {
        @Override
        public boolean msix(int vector) {
            return false;
        }

        @Override
        public void intx() {}
    };
}
