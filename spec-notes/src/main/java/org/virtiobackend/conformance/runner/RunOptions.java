package org.virtiobackend.conformance.runner;

import java.util.List;

/**
 * What to run.
 *
 * @param only prefixes of check or clause ids; empty for everything
 * @param seed of every choice
 * @param thorough ring checks run with every set of features that is tried
 */
public record RunOptions(List<String> only, long seed, boolean thorough) {
    public static final RunOptions DEFAULT = new RunOptions(List.of(), 1, false);

    boolean chooses(CheckMethod check) {
        return only.isEmpty() || only.stream().anyMatch(check::isChosenBy);
    }
}
