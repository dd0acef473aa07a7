package org.virtiobackend.posix;

import java.util.Locale;

/** System call numbers that differ between architectures. */
final class Architecture {
    // The last number is the generic table's: aarch64, riscv64, loongarch64.
    static final int SYS_SETGROUPS = number(116, 81, 206, 159);
    static final int SYS_SCHED_SETATTR = number(314, 355, 345, 274);
    static final int SYS_SCHED_GETATTR = number(315, 356, 346, 275);

    private Architecture() {}

    private static int number(int x86, int power, int s390, int generic) {
        return switch (System.getProperty("os.arch", "").toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64" -> x86;
            case "ppc64le", "ppc64" -> power;
            case "s390x" -> s390;
            default -> generic;
        };
    }
}
