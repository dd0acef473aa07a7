package org.virtiobackend.conformance.runner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.conformance.DeviceUnderTest;
import org.virtiobackend.pci.driver.PciDevice;

class InterruptsTest {
    @TempDir
    Path directory;

    /** libvfio-user keeps one list of eventfds for both kinds. */
    @Test
    void neverConnectsBothKindsAtATime() throws Exception {
        Set<String> connected = new HashSet<>();
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, DeviceUnderTest.STRAIGHT)) {
            Link link = Link.open(Target.of(device.path()), MemoryKind.DIRECT, new Trace());
            PciDevice watched = (PciDevice) Proxy.newProxyInstance(
                    PciDevice.class.getClassLoader(), new Class<?>[] {PciDevice.class}, (proxy, method, arguments) -> {
                        if (method.getName().startsWith("connect")) {
                            String what = method.getName() + (arguments.length > 1 ? arguments[0] : "");
                            if (arguments[arguments.length - 1] == null) {
                                connected.remove(what);
                            } else {
                                connected.add(what);
                            }
                            assertTrue(
                                    connected.stream()
                                                    .map(name -> name.substring(0, 11))
                                                    .distinct()
                                                    .count()
                                            <= 1,
                                    connected::toString);
                        }
                        return null;
                    });
            try {
                link.driver();
                Interrupts interrupts = link.interrupts();
                interrupts.useMsix(watched);
                assertEquals(interrupts.count(), connected.size());
                interrupts.useIntx(watched);
                assertEquals(Set.of("connectIntx"), connected);
                interrupts.useMsix(watched);
                assertEquals(interrupts.count(), connected.size());
            } finally {
                link.free();
            }
        }
    }
}
