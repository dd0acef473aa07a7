package org.virtiobackend.conformance.mutation;

import java.util.function.Supplier;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.virtio.pci.RegionPolicy;

/**
 * One way in which a device can be wrong.
 *
 * @param name what is wrong
 * @param clause that a runner has to name
 * @param kind of the policy to serve with; null: direct
 * @param bending makes our device wrong in that way
 */
record Fault(String name, String clause, RegionPolicy.Kind kind, Supplier<Bending> bending) {
    /** With policy direct. */
    static Fault fault(String name, String clause, Supplier<Bending> bending) {
        return new Fault(name, clause, null, bending);
    }

    /** Between the device's rings and memory, with policy direct. */
    static Fault ringFault(String name, String clause, Supplier<BentMemory> memory) {
        return fault(name, clause, Bend.memory(memory));
    }

    @Override
    public String toString() {
        return clause + ": " + name;
    }
}
