package org.virtiobackend.devices.fs.passthrough;

import java.nio.charset.StandardCharsets;

/** Where extended attributes of the guest are kept on the host: under their own names, or under a prefix. */
public final class XattrMap {
    /** Every attribute keeps its name. */
    public static final XattrMap IDENTITY = new XattrMap(new byte[0]);

    private final byte[] prefix;

    private XattrMap(byte[] prefix) {
        this.prefix = prefix;
    }

    /**
     * Keeps all attributes of the guest under {@code prefix}, as in {@code user.virtiofs.}; nothing else is seen.
     *
     * @throws IllegalArgumentException with a message for people
     */
    public static XattrMap prefixed(String prefix) {
        byte[] bytes = prefix.getBytes(StandardCharsets.UTF_8);
        boolean known = prefix.startsWith("user.") || prefix.startsWith("trusted.");
        if (!known || bytes.length > 64 || prefix.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a prefix of extended attributes starts with user. or trusted. and has at most 64 bytes");
        }
        return new XattrMap(bytes);
    }

    boolean isIdentity() {
        return prefix.length == 0;
    }

    byte[] prefix() {
        return prefix;
    }
}
