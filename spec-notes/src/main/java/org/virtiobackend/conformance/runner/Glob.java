package org.virtiobackend.conformance.runner;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.List;
import java.util.stream.Stream;

/** A pattern for ids of checks or clauses: {@code *} for any characters, {@code ?} for one, {@code [a-c]} for one of some. Immutable. */
public final class Glob {
    private final String text;
    private final PathMatcher matcher;

    private Glob(String text, PathMatcher matcher) {
        this.text = text;
        this.matcher = matcher;
    }

    /** Reads a pattern; an {@link IllegalArgumentException} tells what is wrong with it. */
    public static Glob of(String text) {
        return new Glob(text, FileSystems.getDefault().getPathMatcher("glob:" + text));
    }

    /** Reads several. */
    public static List<Glob> all(String... texts) {
        return Stream.of(texts).map(Glob::of).toList();
    }

    public boolean matches(String id) {
        return matcher.matches(Path.of(id));
    }

    /** Ids of clauses begin with capitals. */
    boolean isAboutClauses() {
        return !text.isEmpty() && Character.isUpperCase(text.charAt(0));
    }

    /** The pattern. */
    @Override
    public String toString() {
        return text;
    }
}
