package org.virtiobackend.posix;

import java.util.Locale;

/** System call numbers that differ between architectures. */
final class Architecture {
    static final int SYS_SETGROUPS = setgroups();

    private Architecture() {}

    private static int setgroups() {
        String name = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        return switch (name) {
            case "amd64", "x86_64" -> 116;
            case "ppc64le", "ppc64" -> 81;
            case "s390x" -> 206;
            default -> 159; // the generic table: aarch64, riscv64, loongarch64
        };
    }
}
