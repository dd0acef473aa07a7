package org.virtiobackend.vfiouser.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.vfiouser.server.FakeFunction;
import org.virtiobackend.vfiouser.server.TestServer;

@Timeout(60)
class VfioUserPciDeviceTest {
    private TestServer server;
    private PciDevice device;
    private FakeFunction function;

    @BeforeEach
    void connect(@TempDir Path directory) throws Exception {
        server = new TestServer(directory);
        device = new VfioUserPciDevice(server.client());
        function = server.function();
    }

    @AfterEach
    void close() {
        device.close();
        server.close();
    }

    @Test
    void reachesConfigurationSpaceAndRegisters() throws IOException {
        device.configWrite(4, 2, 0x0107);
        assertEquals(0x0107, device.configRead(4, 2));
        device.barWrite(0, 16, 8, 0x1122334455667788L);
        assertEquals(0x55667788L, device.barRead(0, 16, 4));
        device.barWritePosted(0, 16, 4, 1);
        assertEquals(0x1122334400000001L, device.barRead(0, 16, 8));
    }

    @Test
    void tellsSizes() throws IOException {
        for (int round = 0; round < 2; round++) {
            assertEquals(FakeFunction.BAR_BYTES, device.barSize(0));
            assertEquals(0, device.barSize(4));
            assertEquals(FakeFunction.VECTORS, device.msixVectors());
        }
    }

    @Test
    void mapsOnlyWhatMayBeMappedWholly() throws IOException {
        assertNull(device.mapBar(0));
        assertNull(device.mapBar(2));
        assertNull(device.mapBar(4));
        Mapping first = device.mapBar(1);
        Mapping second = device.mapBar(1);
        assertEquals(FakeFunction.BAR_BYTES, first.length());
        first.window(0).putInt(400, 0x600d);
        assertEquals(0x600d, second.window(0).getInt(400));
        first.close();
        second.close();
    }

    @Test
    void connectsInterrupts() throws IOException {
        try (EventFd eventFd = EventFd.create()) {
            device.connectMsix(2, eventFd);
            assertTrue(function.sink.msix(2));
            assertEquals(1, eventFd.drain());
            device.connectMsix(2, null);
            assertFalse(function.sink.msix(2));
            device.connectIntx(eventFd);
            function.intxAsserted = true;
            function.sink.intx();
            assertEquals(1, eventFd.drain());
            device.unmaskIntx();
            assertEquals(1, eventFd.drain());
            device.connectIntx(null);
            device.unmaskIntx();
            assertEquals(0, eventFd.drain());
        }
    }

    @Test
    void resets() throws IOException {
        device.reset();
        assertEquals(1, function.resets.get());
    }
}
