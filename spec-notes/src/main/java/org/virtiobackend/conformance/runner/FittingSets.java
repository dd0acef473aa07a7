package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.virtiobackend.conformance.clause.Condition;

/** Sets of features made to fit a condition: for each way to meet it the smallest set, and the largest. */
final class FittingSets {
    private final long always;
    private final long rings;
    private final long offered;
    private final int deviceType;
    private final long refrained;
    private final Set<Long> found = new LinkedHashSet<>();

    private FittingSets(long always, long rings, long offered, int deviceType, long refrained) {
        this.always = always;
        this.rings = rings;
        this.offered = offered;
        this.deviceType = deviceType;
        this.refrained = refrained;
    }

    /**
     * The sets; none when the offer does not allow it.
     *
     * @param always bits that each set has
     * @param rings bits of the ring formats that the largest sets have as well
     */
    static List<Long> of(List<Condition> conditions, long always, long rings, long offered, int deviceType) {
        long refrained = 0;
        List<List<String>> wanted = new ArrayList<>();
        for (Condition condition : conditions) {
            for (String name : condition.refrained()) {
                refrained |= FeatureTable.mask(name, deviceType);
            }
            wanted.addAll(condition.negotiated());
        }
        FittingSets sets = new FittingSets(always & ~refrained, rings & ~refrained, offered, deviceType, refrained);
        sets.choose(wanted, 0, 0);
        return List.copyOf(sets.found);
    }

    private void choose(List<List<String>> wanted, int next, long chosen) {
        if (next < wanted.size()) {
            for (String name : wanted.get(next)) {
                long mask = FeatureTable.mask(name, deviceType);
                if ((mask & offered & ~refrained) != 0) {
                    choose(wanted, next + 1, chosen | mask);
                }
            }
            return;
        }
        long smallest = FeatureTable.withNeeds(chosen | always, offered & ~refrained, deviceType);
        if ((smallest & refrained) == 0 && FeatureTable.withoutOrphans(smallest, deviceType) == smallest) {
            found.add(smallest);
            long more = offered & FeatureTable.ofDeviceType(deviceType) & ~refrained;
            found.add(FeatureTable.withoutOrphans(smallest | rings | more, deviceType));
        }
    }
}
