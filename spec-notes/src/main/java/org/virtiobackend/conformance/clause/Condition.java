package org.virtiobackend.conformance.clause;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * What must be given for a clause to matter: terms separated by blanks, all of which must hold. Immutable.
 *
 * <ul>
 *   <li>{@code VIRTIO_F_EVENT_IDX} negotiated, {@code !VIRTIO_F_EVENT_IDX} not negotiated,
 *   <li>{@code offers:VIRTIO_BLK_F_RO} offered, {@code offers:!VIRTIO_BLK_F_RO} not offered,
 *   <li>{@code VIRTIO_NET_F_RSS|VIRTIO_NET_F_HASH_REPORT} one of them,
 *   <li>a word of {@link #WORDS}: a property of the device or of the test bench.
 * </ul>
 */
public final class Condition {
    /** Properties other than features. */
    public static final Set<String> WORDS = Set.of(
            "config-change", // the bench can make the device change its configuration
            "dax", // the file system device has a DAX window
            "dma-messages", // the device reaches memory by messages, so that every access is seen
            "intx", // MSI-X is disabled
            "msix", // MSI-X is enabled
            "peer", // the bench sees what the network device sends, and can send to it
            "shm-cap", // the device has a shared memory capability
            "swiotlb-cap", // the device has the capability of the SWIOTLB proposal
            "vendor-cap"); // the device has a vendor data capability

    private static final String OFFERS = "offers:";
    private static final Pattern FEATURE = Pattern.compile("VIRTIO_([A-Z]+_)?F_[A-Z0-9_]+");

    private final String text;
    private final List<Term> terms;

    private Condition(String text, List<Term> terms) {
        this.text = text;
        this.terms = terms;
    }

    private enum Kind {
        NEGOTIATED,
        OFFERED,
        WORD
    }

    private record Term(Kind kind, boolean negated, List<String> names) {}

    /** Reads a condition; an {@link IllegalArgumentException} names the term that is wrong. Empty text always holds. */
    public static Condition parse(String text) {
        List<Term> terms = new ArrayList<>();
        if (!text.isEmpty()) {
            for (String term : text.split(" ", -1)) {
                terms.add(term(term));
            }
        }
        return new Condition(text, List.copyOf(terms));
    }

    private static Term term(String text) {
        if (WORDS.contains(text)) {
            return new Term(Kind.WORD, false, List.of(text));
        }
        boolean offered = text.startsWith(OFFERS);
        String rest = offered ? text.substring(OFFERS.length()) : text;
        boolean negated = rest.startsWith("!");
        List<String> names = List.of((negated ? rest.substring(1) : rest).split("\\|", -1));
        for (String name : names) {
            if (!FEATURE.matcher(name).matches()) {
                throw new IllegalArgumentException("no condition: '" + text + "'");
            }
        }
        if (negated && names.size() > 1) {
            throw new IllegalArgumentException("negated alternatives: '" + text + "'");
        }
        return new Term(offered ? Kind.OFFERED : Kind.NEGOTIATED, negated, names);
    }

    /**
     * Whether all terms hold.
     *
     * @param negotiated whether a feature of this name was negotiated
     * @param offered whether a feature of this name was offered
     * @param word whether a property of {@link #WORDS} is given
     */
    public boolean holds(Predicate<String> negotiated, Predicate<String> offered, Predicate<String> word) {
        for (Term term : terms) {
            Predicate<String> given = switch (term.kind) {
                case NEGOTIATED -> negotiated;
                case OFFERED -> offered;
                case WORD -> word;
            };
            if (term.names.stream().anyMatch(given) == term.negated) {
                return false;
            }
        }
        return true;
    }

    /** Features to negotiate: of each list one. */
    public List<List<String>> negotiated() {
        return terms.stream()
                .filter(term -> term.kind == Kind.NEGOTIATED && !term.negated)
                .map(Term::names)
                .toList();
    }

    /** Features not to negotiate. */
    public List<String> refrained() {
        return terms.stream()
                .filter(term -> term.kind == Kind.NEGOTIATED && term.negated)
                .map(term -> term.names.get(0))
                .toList();
    }

    /** Whether a feature has to be negotiated or offered. */
    public boolean namesFeatures() {
        return terms.stream().anyMatch(term -> term.kind != Kind.WORD && !term.negated);
    }

    /** Whether this word of {@link #WORDS} is a term. */
    public boolean mentions(String word) {
        return terms.stream().anyMatch(term -> term.kind == Kind.WORD && term.names.contains(word));
    }

    /** The text that was read. */
    @Override
    public String toString() {
        return text;
    }
}
