package org.virtiobackend.devices.blk.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.virtio.device.io.IoScratch;

/** Parts of a block, on an ordinary file: what is aligned to is not the file's affair. */
class DirectIoTest {
    private static final int BLOCK = 4096;
    private static final int HALF = BLOCK / 2;
    private static final int ZERO = FileIo.FALLOC_FL_ZERO_RANGE | FileIo.FALLOC_FL_KEEP_SIZE;

    @TempDir
    private Path directory;

    private final IoScratch scratch = new IoScratch();

    @Test
    void zeroesStayWhileTheOtherHalfOfTheBlockIsWritten() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[BLOCK]);
        try (Fd fd = FileIo.open(image.toString(), FileIo.O_RDWR, 0)) {
            DirectIo io = new DirectIo(fd, BLOCK);
            AtomicBoolean done = new AtomicBoolean();
            Thread neighbour = new Thread(() -> {
                Memory memory = new Memory(HALF);
                IoScratch own = new IoScratch();
                while (!done.get()) {
                    io.write(memory.transfer(0, HALF, HALF), own, 0);
                }
            });
            neighbour.start();
            try {
                byte[] ones = new byte[HALF];
                Arrays.fill(ones, (byte) 1);
                for (int i = 0; i < 2000; i++) {
                    assertEquals(0, io.write(new Memory(HALF).put(ones).transfer(0, 0, HALF), scratch, 0));
                    for (int spin = i % 500; spin > 0; spin--) {
                        Thread.onSpinWait(); // until the neighbour is in the middle of a write, in some of the rounds
                    }
                    int zeroed = io.allocate(ZERO, 0, HALF);
                    assumeTrue(zeroed != -Errno.EOPNOTSUPP, "ranges can be zeroed on this file system");
                    assertEquals(0, zeroed);
                    Memory seen = new Memory(HALF).put(ones);
                    assertEquals(0, io.read(seen.transfer(0, 0, HALF), scratch));
                    assertArrayEquals(new byte[HALF], seen.get(HALF), "round " + i);
                }
            } finally {
                done.set(true);
                neighbour.join();
            }
        }
    }
}
