package org.virtiobackend.cli;

import java.util.List;

/**
 * One load of the benchmark.
 *
 * @param name for people and programs
 * @param blockBytes bytes of a request, a power of two
 * @param depth requests out at a time
 * @param write writes instead of reads
 * @param sequential one after the other instead of anywhere
 */
record BenchLoad(String name, int blockBytes, int depth, boolean write, boolean sequential) {
    static final List<BenchLoad> ALL = List.of(
            new BenchLoad("randread-4k-qd1", 4096, 1, false, false),
            new BenchLoad("randread-4k-qd32", 4096, 32, false, false),
            new BenchLoad("randwrite-4k-qd1", 4096, 1, true, false),
            new BenchLoad("randwrite-4k-qd32", 4096, 32, true, false),
            new BenchLoad("randread-128k-qd8", 131072, 8, false, false),
            new BenchLoad("randwrite-128k-qd8", 131072, 8, true, false),
            new BenchLoad("seqread-128k-qd8", 131072, 8, false, true));

    static BenchLoad named(String name) {
        return ALL.stream().filter(load -> load.name().equals(name)).findFirst().orElseThrow();
    }

    static int maxDepth() {
        return ALL.stream().mapToInt(BenchLoad::depth).max().orElse(1);
    }

    static int maxBlockBytes() {
        return ALL.stream().mapToInt(BenchLoad::blockBytes).max().orElse(0);
    }
}
