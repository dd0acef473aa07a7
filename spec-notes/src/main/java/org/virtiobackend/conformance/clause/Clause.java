package org.virtiobackend.conformance.clause;

/**
 * One normative statement. Immutable.
 *
 * @param id stable name such as {@code PCI-COMMON-DEV-07}; never given to another clause
 * @param chapter what its data file is about, such as "Virtio over PCI"
 * @param section number of the normative section in virtio 1.4, or the name of a proposal
 * @param label the specification's own label of that section
 * @param side whom it binds
 * @param keyword how strong it is
 * @param covers how many of the section's keywords it stands for: 0 for a part of a longer statement
 * @param summary what a conforming implementation does, in one line of our own words
 * @param when what must be given for the clause to matter
 * @param status whether it can be observed
 * @param check ids of the checks that decide, separated by blanks, empty while there is none; only with {@link Status#CHECK}
 * @param why reason of every other status, otherwise empty
 */
public record Clause(
        String id,
        String chapter,
        String section,
        String label,
        Side side,
        Keyword keyword,
        int covers,
        String summary,
        Condition when,
        Status status,
        String check,
        String why) {}
