package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.devices.fs.fuse.FuseRequest;

/** Which extended attribute of the host stands for one of the guest, and the other way round: the first rule that matches. */
public final class XattrMap {
    /** Every attribute keeps its name. */
    public static final XattrMap IDENTITY = new XattrMap(List.of());

    private static final int MAX_PREFIX = 64;

    /** What becomes of a name. */
    enum Kind {
        /** On the host it has something in front. */
        PREFIX,
        /** It stays. */
        OK,
        /** The guest may not use it (EPERM), or does not see it. */
        BAD,
        /** The same with EOPNOTSUPP. */
        UNSUPPORTED
    }

    /**
     * A rule.
     *
     * @param ofGuest whether it is for names of the guest, those that begin with {@code key}
     * @param ofHost whether it is for names that the host lists, those that begin with {@code prepend}
     */
    record Rule(Kind kind, boolean ofGuest, boolean ofHost, byte[] key, byte[] prepend) {
        boolean matchesGuest(FuseRequest in, int at) {
            for (int i = 0; i < key.length; i++) {
                if (in.u8(at + i) != key[i]) { // a NUL ends the name at the latest
                    return false;
                }
            }
            return ofGuest;
        }

        boolean matchesHost(ByteBuffer names, int at) {
            for (int i = 0; i < prepend.length; i++) {
                if (names.get(at + i) != prepend[i]) {
                    return false;
                }
            }
            return ofHost;
        }
    }

    private final List<Rule> rules;

    private XattrMap(List<Rule> rules) {
        this.rules = rules;
    }

    /**
     * Keeps all attributes of the guest under {@code prefix}, as in {@code user.virtiofs.}; nothing else is seen.
     *
     * @throws IllegalArgumentException with a message for people
     */
    public static XattrMap prefixed(String prefix) {
        boolean known = prefix.startsWith("user.") || prefix.startsWith("trusted.");
        if (!known || bytes(prefix).length > MAX_PREFIX || prefix.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a prefix of extended attributes starts with user. or trusted. and has at most 64 bytes");
        }
        return new XattrMap(List.of(all(Kind.PREFIX, "", prefix), all(Kind.BAD, "", "")));
    }

    /**
     * Reads rules as virtiofsd has them: {@code :prefix|ok|bad|unsupported:client|server|all:KEY:PREPEND:} and, as the last one, {@code
     * :map:KEY:PREPEND:}; any character may stand for the colon, and blanks between rules.
     *
     * @throws IllegalArgumentException with a message for people
     */
    public static XattrMap parse(String text) {
        List<Rule> rules = new ArrayList<>();
        String rest = text.strip();
        while (!rest.isEmpty()) {
            char separator = rest.charAt(0);
            boolean map = rest.startsWith("map" + separator, 1);
            int end = 0;
            for (int field = map ? 3 : 4; field > 0 && end >= 0; field--) {
                end = rest.indexOf(separator, end + 1);
            }
            if (end < 0) {
                throw new IllegalArgumentException(
                        "'" + rest + "' is not :TYPE:SCOPE:KEY:PREPEND: or :map:KEY:PREPEND:");
            }
            String[] fields = rest.substring(1, end).split(java.util.regex.Pattern.quote("" + separator), -1);
            String rule = rest.substring(0, end + 1);
            rest = rest.substring(end + 1).strip();
            if (!map) {
                rules.add(rule(rule, fields));
            } else if (rest.isEmpty()) {
                addMap(rules, fields[1], fields[2]);
            } else {
                throw new IllegalArgumentException("'" + rule + "' has to be the last rule");
            }
        }
        boolean guest = rules.stream().anyMatch(rule -> rule.ofGuest && rule.key.length == 0);
        boolean host = rules.stream().anyMatch(rule -> rule.ofHost && rule.prepend.length == 0);
        if (!guest || !host) {
            throw new IllegalArgumentException("the rules leave names open: end with :ok:all::: or :bad:all:::");
        }
        return new XattrMap(List.copyOf(rules));
    }

    private static Rule rule(String text, String[] fields) {
        Kind kind = switch (fields[0]) {
            case "prefix" -> Kind.PREFIX;
            case "ok" -> Kind.OK;
            case "bad" -> Kind.BAD;
            case "unsupported" -> Kind.UNSUPPORTED;
            default ->
                throw new IllegalArgumentException("'" + text + "': the type is prefix, ok, bad, unsupported or map");
        };
        boolean all = fields[1].equals("all");
        if (!all && !fields[1].equals("client") && !fields[1].equals("server")) {
            throw new IllegalArgumentException("'" + text + "': the scope is client, server or all");
        }
        if (bytes(fields[3]).length > MAX_PREFIX) {
            throw new IllegalArgumentException("'" + text + "': what is put in front has at most 64 bytes");
        }
        return new Rule(
                kind,
                all || fields[1].equals("client"),
                all || fields[1].equals("server"),
                bytes(fields[2]),
                bytes(fields[3]));
    }

    private static void addMap(List<Rule> rules, String key, String prepend) {
        rules.add(rule(":map:" + key + ":" + prepend + ":", new String[] {"prefix", "all", key, prepend}));
        if (key.isEmpty()) {
            rules.add(all(Kind.BAD, "", ""));
        } else {
            rules.add(new Rule(Kind.BAD, false, true, bytes(""), bytes(key)));
            rules.add(new Rule(Kind.BAD, true, false, bytes(prepend), bytes("")));
            rules.add(all(Kind.OK, "", ""));
        }
    }

    private static Rule all(Kind kind, String key, String prepend) {
        return new Rule(kind, true, true, bytes(key), bytes(prepend));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    boolean isIdentity() {
        return rules.isEmpty();
    }

    /** The rule for a name of the guest, an argument of a request; null: it stays as it is. */
    Rule ofGuest(FuseRequest in, int at) {
        for (int i = 0; i < rules.size(); i++) {
            if (rules.get(i).matchesGuest(in, at)) {
                return rules.get(i);
            }
        }
        return null;
    }

    /** The rule for a name that the host lists; null: it stays as it is. */
    Rule ofHost(ByteBuffer names, int at) {
        for (int i = 0; i < rules.size(); i++) {
            if (rules.get(i).matchesHost(names, at)) {
                return rules.get(i);
            }
        }
        return null;
    }

    /** What is put in front of a name of the guest on the host; empty when it is kept as it is or not at all. */
    byte[] prefixOf(byte[] name) {
        for (Rule rule : rules) {
            if (rule.ofGuest
                    && new String(name, StandardCharsets.UTF_8)
                            .startsWith(new String(rule.key, StandardCharsets.UTF_8))) {
                return rule.kind == Kind.PREFIX ? rule.prepend : new byte[0];
            }
        }
        return new byte[0];
    }
}
