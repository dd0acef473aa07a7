package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.Irq;

/** DEVICE_RESET, and the commands of what this server does not have. */
@Timeout(60)
class ResetAndFeatureTest extends CommandTest {
    @Test
    void resetsTheFunctionAndKeepsMapsAndInterrupts() throws IOException {
        client.dmaMap(0x1000, 0x1000, 3, null, 0);
        try (EventFd eventFd = EventFd.create()) {
            client.setIrqs(0x24, Irq.MSIX, 0, 1, eventFd.fd());
            client.deviceReset();
            assertEquals(1, function.resets.get());
            assertEquals(1, function.dmaMap.regionCount());
            assertTrue(function.sink.msix(0));
        }
    }

    @Test
    void resetTakesAnyPayload() throws IOException {
        assertEquals(0, ok(Command.DEVICE_RESET, new byte[40]).payload().length);
        assertEquals(1, function.resets.get());
    }

    @Test
    void featuresDoNotExist() throws IOException {
        for (int feature : new int[] {1, 2, 6, 7, 8, 500}) {
            for (int operation : new int[] {0x10000, 0x20000, 0x40000, 0x50000}) {
                byte[] request =
                        Bytes.of().u32(64, operation | feature).zeros(56).get();
                fails(Errno.EOPNOTSUPP, Command.DEVICE_FEATURE, request);
            }
        }
    }

    @Test
    void malformedFeaturesAreInvalid() throws IOException {
        invalidWhenShorter(Command.DEVICE_FEATURE, Bytes.of().u32(8, 0x10001).get());
        invalid(Command.DEVICE_FEATURE, Bytes.of().u32(7, 0x10001).get());
        invalid(Command.DEVICE_FEATURE, Bytes.of().u32(8, 1).get());
        invalid(Command.DEVICE_FEATURE, Bytes.of().u32(8, 0x80001).get());
    }

    @Test
    void migrationDataDoesNotExist() throws IOException {
        ErrnoException read = assertThrows(ErrnoException.class, () -> client.migrationRead(4096));
        assertEquals(Errno.EOPNOTSUPP, read.errno());
        ErrnoException write = assertThrows(ErrnoException.class, () -> client.migrationWrite(new byte[100]));
        assertEquals(Errno.EOPNOTSUPP, write.errno());
        invalidWhenShorter(Command.MIG_DATA_READ, Bytes.of().u32(8, 0).get());
        invalid(Command.MIG_DATA_WRITE, Bytes.of().u32(7, 0).get());
    }

    @Test
    void otherCommandsAreInvalid() throws IOException {
        int[] unknown = {0, Command.DMA_READ, Command.DMA_WRITE, 14, 19, 20, 100, 0xffff};
        for (int command : unknown) {
            invalid(command, new byte[0]);
            invalid(command, new byte[64]);
        }
    }
}
