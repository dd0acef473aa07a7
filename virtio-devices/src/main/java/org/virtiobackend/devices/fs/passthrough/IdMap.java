package org.virtiobackend.devices.fs.passthrough;

import java.util.List;

/** Which user or group id of the host stands for one of the guest, and the other way round. Ids are unsigned 32-bit numbers. */
public final class IdMap {
    /** Every id is itself. */
    public static final IdMap IDENTITY = new IdMap(List.of());

    /** What happens to an id that is not to be used. */
    public static final int FORBIDDEN = -1;

    private static final long ALL = 1L << 32;

    private enum Kind {
        GUEST,
        HOST,
        SQUASH_GUEST,
        SQUASH_HOST,
        FORBID_GUEST
    }

    private record Rule(Kind kind, long base, long target, long count) {
        boolean matches(long id) {
            return id >= base && id - base < count;
        }
    }

    private final List<Rule> rules;

    private IdMap(List<Rule> rules) {
        this.rules = rules;
    }

    /**
     * Reads rules as virtiofsd has them: {@code guest:FROM:TO:COUNT}, {@code host:FROM:TO:COUNT}, {@code
     * map:GUEST:HOST:COUNT}, {@code squash-guest:FROM:TO:COUNT}, {@code squash-host:FROM:TO:COUNT}, {@code
     * forbid-guest:FROM:COUNT}. The first that matches counts; an id that none matches is itself.
     *
     * @throws IllegalArgumentException with a message for people
     */
    public static IdMap parse(List<String> texts) {
        List<Rule> rules = new java.util.ArrayList<>();
        for (String text : texts) {
            String[] parts = text.split(":", -1);
            int wanted = parts[0].equals("forbid-guest") ? 3 : 4;
            if (parts.length != wanted) {
                throw malformed(text);
            }
            long base = number(parts[1], text);
            long target = wanted == 4 ? number(parts[2], text) : 0;
            long count = number(parts[wanted - 1], text);
            if (count == 0 || base + count > ALL) {
                throw malformed(text);
            }
            boolean squash = parts[0].startsWith("squash-");
            if (target + (squash ? 1 : count) > ALL) {
                throw malformed(text);
            }
            switch (parts[0]) {
                case "guest" -> rules.add(new Rule(Kind.GUEST, base, target, count));
                case "host" -> rules.add(new Rule(Kind.HOST, base, target, count));
                case "map" -> {
                    rules.add(new Rule(Kind.GUEST, base, target, count));
                    rules.add(new Rule(Kind.HOST, target, base, count));
                }
                case "squash-guest" -> rules.add(new Rule(Kind.SQUASH_GUEST, base, target, count));
                case "squash-host" -> rules.add(new Rule(Kind.SQUASH_HOST, base, target, count));
                case "forbid-guest" -> rules.add(new Rule(Kind.FORBID_GUEST, base, 0, count));
                default -> throw malformed(text);
            }
        }
        return rules.isEmpty() ? IDENTITY : new IdMap(List.copyOf(rules));
    }

    /** The host's id for one of the guest; {@link #FORBIDDEN} is also what -1 gives, as ever. */
    int toHost(int guest) {
        return translate(guest, Kind.GUEST, Kind.SQUASH_GUEST);
    }

    /** The guest's id for one of the host. */
    int toGuest(int host) {
        return translate(host, Kind.HOST, Kind.SQUASH_HOST);
    }

    private int translate(int id, Kind move, Kind squash) {
        if (this == IDENTITY) {
            return id;
        }
        long number = id & 0xffff_ffffL;
        for (int i = 0; i < rules.size(); i++) {
            Rule rule = rules.get(i);
            if (!rule.matches(number)) {
                continue;
            }
            if (rule.kind == move) {
                return (int) (rule.target + (number - rule.base));
            }
            if (rule.kind == squash) {
                return (int) rule.target;
            }
            if (rule.kind == Kind.FORBID_GUEST && move == Kind.GUEST) {
                return FORBIDDEN;
            }
        }
        return id;
    }

    private static long number(String text, String whole) {
        if (text.isEmpty() || text.length() > 10 || !text.chars().allMatch(c -> c >= '0' && c <= '9')) {
            throw malformed(whole);
        }
        return Long.parseLong(text);
    }

    private static IllegalArgumentException malformed(String text) {
        return new IllegalArgumentException(
                "'" + text + "' is not guest|host|map|squash-guest|squash-host:FROM:TO:COUNT"
                        + " or forbid-guest:FROM:COUNT with ids below 2^32");
    }
}
