package org.virtiobackend.posix;

import java.util.Locale;

/** System call numbers and open flags that differ between architectures. */
final class Architecture {
    private static final String NAME = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);

    // The last number is the generic table's: aarch64, riscv64, loongarch64.
    static final int SYS_SETGROUPS = number(116, 81, 206, 159);
    static final int SYS_SCHED_SETATTR = number(314, 355, 345, 274);
    static final int SYS_SCHED_GETATTR = number(315, 356, 346, 275);

    // asm-generic/fcntl.h for all (x86_64, s390x, riscv64, loongarch64) but 64-bit Arm and Power, which have the same
    // four bits otherwise
    static final int O_DIRECT = openFlag(NAME, 040000, 0200000, 0400000);
    static final int O_DIRECTORY = openFlag(NAME, 0200000, 040000, 040000);
    static final int O_NOFOLLOW = openFlag(NAME, 0400000, 0100000, 0100000);

    private Architecture() {}

    static int openFlag(String architecture, int generic, int arm, int power) {
        return switch (architecture) {
            case "aarch64" -> arm;
            case "ppc64le", "ppc64" -> power;
            default -> generic;
        };
    }

    private static int number(int x86, int power, int s390, int generic) {
        return switch (NAME) {
            case "amd64", "x86_64" -> x86;
            case "ppc64le", "ppc64" -> power;
            case "s390x" -> s390;
            default -> generic;
        };
    }
}
