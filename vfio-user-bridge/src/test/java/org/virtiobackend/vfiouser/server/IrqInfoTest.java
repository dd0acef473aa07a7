package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.vfiouser.wire.Command;

@Timeout(60)
class IrqInfoTest extends CommandTest {
    @Test
    void tellsEachIndex() throws IOException {
        check(0, 7, 1); // INTx: eventfd, maskable, automasked
        check(1, 1, 0); // no MSI
        check(2, 1, FakeFunction.VECTORS);
        check(3, 1, 1);
        check(4, 1, 1);
    }

    @Test
    void refusesShortPayloadSmallArgszAndBadIndex() throws IOException {
        invalidWhenShorter(
                Command.DEVICE_GET_IRQ_INFO, Bytes.of().u32(16, 0, 0, 0).get());
        invalid(Command.DEVICE_GET_IRQ_INFO, Bytes.of().u32(8, 0, 0, 0).get());
        invalid(Command.DEVICE_GET_IRQ_INFO, Bytes.of().u32(16, 0, 5, 0).get());
        invalid(
                Command.DEVICE_GET_IRQ_INFO,
                Bytes.of().u32(16, 0, 0xffff_ffffL, 0).get());
    }

    private void check(int index, int flags, int count) throws IOException {
        byte[] answer = Bytes.of().u32(16, flags, index, count).get();
        for (int argsz : new int[] {16, 17, 4096}) {
            byte[] request = Bytes.of().u32(argsz, 0, index, 0).get();
            assertArrayEquals(answer, ok(Command.DEVICE_GET_IRQ_INFO, request).payload());
        }
    }
}
