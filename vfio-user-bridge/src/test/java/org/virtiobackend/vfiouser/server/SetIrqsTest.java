package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.Irq;

@Timeout(60)
class SetIrqsTest extends CommandTest {
    private static final int NONE = 1;
    private static final int BOOL = 2;
    private static final int EVENTFD = 4;
    private static final int MASK = 8;
    private static final int UNMASK = 0x10;
    private static final int TRIGGER = 0x20;

    private final EventFd[] eventFds = new EventFd[FakeFunction.VECTORS];

    @BeforeEach
    void createEventFds() throws IOException {
        for (int i = 0; i < eventFds.length; i++) {
            eventFds[i] = EventFd.create();
        }
    }

    @AfterEach
    void closeEventFds() {
        for (EventFd eventFd : eventFds) {
            eventFd.close();
        }
    }

    @Test
    void connectsVectorsToTheirEventFds() throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 0, 8, TestServer.fds(eventFds));
        for (int vector = 0; vector < eventFds.length; vector++) {
            assertTrue(function.sink.msix(vector));
            assertEquals(1, eventFds[vector].drain());
        }
        assertEquals(8, function.connectedVectors.get());
    }

    @Test
    void firesNothingBeyondTheVectors() {
        assertFalse(function.sink.msix(-1));
        assertFalse(function.sink.msix(0));
        assertFalse(function.sink.msix(FakeFunction.VECTORS));
        assertFalse(function.sink.msix(0xffff));
    }

    @Test
    void replacesOneVectorAndLeavesTheOthers() throws IOException {
        connect(0, eventFds[0], eventFds[1], eventFds[2]);
        connect(1, eventFds[3]);
        fire(0, 1, 2);
        assertSignals(1, 0, 1, 1);
    }

    @Test
    void detachesExactlyTheRange() throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 0, 8, TestServer.fds(eventFds));
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 3, 2);
        fire(0, 1, 2, 3, 4, 5, 6, 7);
        assertSignals(1, 1, 1, 0, 0, 1, 1, 1);
    }

    @Test
    void detachesAVectorThatNobodyConnected() throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 0, 1);
        assertFalse(function.sink.msix(0));
    }

    @Test
    void disablesTheWholeIndex() throws IOException {
        connect(0, eventFds[0], eventFds[1]);
        client.setIrqs(NONE | TRIGGER, Irq.MSIX, 0, 0);
        assertFalse(function.sink.msix(0));
        assertFalse(function.sink.msix(1));
        assertSignals(0, 0);
    }

    @Test
    void disablesAnIndexWithoutVectors() throws IOException {
        client.setIrqs(NONE | TRIGGER, Irq.MSI, 0, 0);
    }

    @Test
    void closesWhatItReplacesAndDisables() throws IOException {
        int opened = eventFds.length;
        assertNewFds(opened);
        for (int round = 0; round < 50; round++) {
            client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 0, 8, TestServer.fds(eventFds));
            assertNewFds(opened + 8);
        }
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, 6, 2);
        assertNewFds(opened + 6);
        client.setIrqs(NONE | TRIGGER, Irq.MSIX, 0, 0);
        assertNewFds(opened);
    }

    @Test
    void triggersWithoutData() throws IOException {
        connect(0, eventFds[0], eventFds[1], eventFds[2], eventFds[3]);
        client.setIrqs(NONE | TRIGGER, Irq.MSIX, 1, 2);
        assertSignals(0, 1, 1, 0);
    }

    @Test
    void triggersTheChosenOnes() throws IOException {
        connect(0, eventFds[0], eventFds[1], eventFds[2], eventFds[3]);
        client.setIrqs(TRIGGER, Irq.MSIX, 0, new byte[] {0, 1, 0, (byte) 0xff});
        assertSignals(0, 1, 0, 1);
    }

    @Test
    void triggersErrAndReqForATest() throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.ERR, 0, 1, eventFds[0].fd());
        client.setIrqs(EVENTFD | TRIGGER, Irq.REQ, 0, 1, eventFds[1].fd());
        client.setIrqs(NONE | TRIGGER, Irq.ERR, 0, 1);
        assertSignals(1, 0);
        client.setIrqs(TRIGGER, Irq.REQ, 0, new byte[] {1});
        assertSignals(0, 1);
    }

    @Test
    void holdsBackAMaskedVector() throws IOException {
        connect(0, eventFds[0], eventFds[1]);
        client.setIrqs(NONE | MASK, Irq.MSIX, 0, 1);
        fire(0, 0, 1);
        assertSignals(0, 1);
        client.setIrqs(UNMASK, Irq.MSIX, 0, new byte[] {1, 1});
        assertSignals(1, 0);
    }

    @Test
    void unmaskedVectorFiresNothingThatWasNotPending() throws IOException {
        connect(0, eventFds[0]);
        client.setIrqs(MASK, Irq.MSIX, 0, new byte[] {1});
        client.setIrqs(NONE | UNMASK, Irq.MSIX, 0, 1);
        assertSignals(0);
    }

    @Test
    void disablingForgetsMaskAndPending() throws IOException {
        connect(0, eventFds[0]);
        client.setIrqs(NONE | MASK, Irq.MSIX, 0, 1);
        function.sink.msix(0);
        client.setIrqs(NONE | TRIGGER, Irq.MSIX, 0, 0);
        connect(0, eventFds[0]);
        assertSignals(0);
        fire(0);
        assertSignals(1);
    }

    @Test
    void intxMasksItselfUntilUnmasked() throws IOException {
        connectIntx();
        raiseIntx();
        raiseIntx();
        assertSignals(1);
        client.setIrqs(NONE | UNMASK, Irq.INTX, 0, 1);
        assertSignals(1); // still asserted
        function.intxAsserted = false;
        client.setIrqs(NONE | UNMASK, Irq.INTX, 0, 1);
        assertSignals(0);
        raiseIntx();
        assertSignals(1);
    }

    @Test
    void intxAssertedBeforeItIsConnectedIsSignalled() throws IOException {
        raiseIntx();
        connectIntx();
        assertSignals(1);
    }

    @Test
    void maskedIntxStaysQuiet() throws IOException {
        connectIntx();
        client.setIrqs(NONE | MASK, Irq.INTX, 0, 1);
        raiseIntx();
        assertSignals(0);
        client.setIrqs(UNMASK, Irq.INTX, 0, new byte[] {1});
        assertSignals(1);
    }

    @Test
    void intxIsUnmaskedByAnEventFd() throws IOException {
        connectIntx();
        client.setIrqs(EVENTFD | UNMASK, Irq.INTX, 0, 1, eventFds[1].fd());
        for (int round = 0; round < 20; round++) {
            raiseIntx();
            assertEquals(1, TestServer.awaitSignal(eventFds[0]));
            eventFds[1].signal();
            assertEquals(1, TestServer.awaitSignal(eventFds[0]), "still asserted");
            function.intxAsserted = false;
            eventFds[1].signal();
            client.deviceInfo();
            client.setIrqs(NONE | UNMASK, Irq.INTX, 0, 1);
            assertEquals(0, eventFds[0].drain());
        }
        client.setIrqs(EVENTFD | UNMASK, Irq.INTX, 0, 1);
        client.setIrqs(NONE | TRIGGER, Irq.INTX, 0, 0);
        assertNewFds(eventFds.length);
    }

    @Test
    void intxTriggerIsALoopback() throws IOException {
        connectIntx();
        client.setIrqs(NONE | TRIGGER, Irq.INTX, 0, 1);
        client.setIrqs(NONE | TRIGGER, Irq.INTX, 0, 1);
        assertSignals(2);
    }

    @Test
    void refusesShortPayloadAndArgsz() throws IOException {
        invalidWhenShorter(Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, Irq.MSIX, 0, 1));
        invalid(Command.DEVICE_SET_IRQS, request(3, NONE | TRIGGER, Irq.MSIX, 0, 1));
        invalid(Command.DEVICE_SET_IRQS, request(19, NONE | TRIGGER, Irq.MSIX, 0, 1));
    }

    @Test
    void refusesBadFlags() throws IOException {
        int[] bad = {
            0,
            NONE,
            TRIGGER,
            NONE | BOOL | TRIGGER,
            NONE | EVENTFD | TRIGGER,
            BOOL | EVENTFD | TRIGGER,
            NONE | MASK | TRIGGER,
            NONE | MASK | UNMASK,
            NONE | UNMASK | TRIGGER,
            NONE | TRIGGER | 0x40,
            0x8000_0021
        };
        for (int flags : bad) {
            invalid(Command.DEVICE_SET_IRQS, request(20, flags, Irq.MSIX, 0, 1));
        }
    }

    @Test
    void refusesWhatIsOutOfRange() throws IOException {
        long[][] bad = {
            {5, 0, 1},
            {0xffff_ffffL, 0, 1},
            {Irq.MSIX, 8, 1},
            {Irq.MSIX, 0, 9},
            {Irq.MSIX, 7, 2},
            {Irq.MSIX, 0xffff_ffffL, 1},
            {Irq.MSIX, 1, 0xffff_ffffL},
            {Irq.MSIX, 0xffff_fffeL, 4},
            {Irq.MSIX, 0, 0xffff_ffffL},
            {Irq.INTX, 0, 2},
            {Irq.INTX, 1, 1},
            {Irq.MSI, 0, 1},
            {Irq.ERR, 0, 2},
            {Irq.REQ, 0, 2},
            {Irq.REQ, 1, 1}
        };
        for (long[] range : bad) {
            invalid(Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, range[0], range[1], range[2]));
        }
    }

    @Test
    void refusesCountZeroUnlessItDisables() throws IOException {
        invalid(Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, Irq.MSIX, 1, 0));
        invalid(Command.DEVICE_SET_IRQS, request(20, NONE | MASK, Irq.MSIX, 0, 0));
        invalid(Command.DEVICE_SET_IRQS, request(20, BOOL | TRIGGER, Irq.MSIX, 0, 0));
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, Irq.MSIX, 0, 0));
        invalid(Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, Irq.MSIX, 0, 0), eventFds[0].fd());
    }

    @Test
    void refusesMaskingOfErrAndReq() throws IOException {
        for (int index : new int[] {Irq.ERR, Irq.REQ}) {
            invalid(Command.DEVICE_SET_IRQS, request(20, NONE | MASK, index, 0, 1));
            invalid(Command.DEVICE_SET_IRQS, request(20, NONE | UNMASK, index, 0, 1));
        }
    }

    @Test
    void refusesEventFdsToMaskAndToUnmaskMessages() throws IOException {
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | MASK, Irq.INTX, 0, 1), eventFds[0].fd());
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | MASK, Irq.MSIX, 0, 1), eventFds[0].fd());
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | UNMASK, Irq.MSIX, 0, 1), eventFds[0].fd());
    }

    @Test
    void refusesWrongNumbersOfDescriptorsAndClosesThem() throws IOException {
        Fd[] three = TestServer.fds(eventFds[0], eventFds[1], eventFds[2]);
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, Irq.MSIX, 0, 2), three);
        invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, Irq.MSIX, 0, 4), three);
        invalid(Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, Irq.MSIX, 0, 3), three);
        invalid(
                Command.DEVICE_SET_IRQS,
                Bytes.of()
                        .raw(request(23, BOOL | TRIGGER, Irq.MSIX, 0, 3))
                        .u8(1, 1, 1)
                        .get(),
                three);
        assertNewFds(eventFds.length);
    }

    @Test
    void refusesBoolArraysOfTheWrongSize() throws IOException {
        byte[] fixed = request(22, BOOL | TRIGGER, Irq.MSIX, 0, 2);
        invalid(Command.DEVICE_SET_IRQS, fixed);
        invalid(Command.DEVICE_SET_IRQS, Bytes.of().raw(fixed).u8(1).get());
        invalid(Command.DEVICE_SET_IRQS, Bytes.of().raw(fixed).u8(1, 1, 1).get());
        ok(Command.DEVICE_SET_IRQS, Bytes.of().raw(fixed).u8(1, 1).get());
    }

    @Test
    void refusesDescriptorsThatAreNoEventFdsAndTakesNone() throws IOException {
        connect(0, eventFds[0], eventFds[1]);
        try (MemFd memFd = MemFd.create("not-an-eventfd", 4096)) {
            Fd[] second = {eventFds[2].fd(), memFd.fd()};
            invalid(Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, Irq.MSIX, 0, 2), second);
            fire(0, 1);
            assertSignals(1, 1, 0);
            assertNewFds(eventFds.length + 2 + 1);
        }
    }

    private void connectIntx() throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.INTX, 0, 1, eventFds[0].fd());
    }

    private void raiseIntx() {
        function.intxAsserted = true;
        function.sink.intx();
    }

    private void connect(int first, EventFd... targets) throws IOException {
        client.setIrqs(EVENTFD | TRIGGER, Irq.MSIX, first, targets.length, TestServer.fds(targets));
    }

    private void fire(int... vectors) {
        for (int vector : vectors) {
            function.sink.msix(vector);
        }
    }

    private void assertSignals(long... expected) {
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], eventFds[i].drain(), "eventfd " + i);
        }
    }

    private static byte[] request(long argsz, long flags, long index, long start, long count) {
        return Bytes.of().u32(argsz, flags, index, start, count).get();
    }
}
