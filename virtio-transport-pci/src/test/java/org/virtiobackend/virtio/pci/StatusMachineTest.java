package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatusMachineTest {
    private final List<String> steps = new ArrayList<>();
    private boolean featuresGood = true;
    private boolean failActivation;
    private final StatusMachine machine = new StatusMachine(new StatusMachine.Steps() {
        @Override
        public boolean settleFeatures() {
            steps.add("features");
            return featuresGood;
        }

        @Override
        public void goLive() {
            steps.add("live");
            if (failActivation) {
                machine().needsReset();
            }
        }

        @Override
        public void suspend() {
            steps.add("suspend");
        }

        @Override
        public void resume() {
            steps.add("resume");
            machine().resumed();
        }
    });

    private StatusMachine machine() {
        return machine;
    }

    /** From a state reached by legal writes, one write, and the state after it. */
    @ParameterizedTest(name = "{0} then write {1} gives {2}")
    @CsvSource({
        "0,    1,    1",
        "0,    2,    0", // DRIVER before ACKNOWLEDGE
        "0,    3,    3", // both at once, as SeaBIOS does
        "0,    8,    0",
        "0,    4,    0",
        "0,    11,   11",
        "0,    15,   15",
        "0,    128,  128",
        "0,    64,   0", // a driver cannot set DEVICE_NEEDS_RESET
        "0,    16,   0", // SUSPEND is not offered
        "0,    32,   0",
        "1,    2,    3", // the rest is never cleared
        "1,    8,    1",
        "3,    3,    3",
        "3,    1,    3",
        "3,    11,   11",
        "3,    8,    11",
        "3,    4,    3", // DRIVER_OK before FEATURES_OK
        "3,    7,    3",
        "11,   15,   15",
        "11,   4,    15",
        "11,   3,    11",
        "15,   1,    15",
        "15,   255,  143",
        "15,   128,  143",
        "128,  15,   128", // given up: only a reset helps
        "131,  11,   131",
    })
    void followsTheOrderOfInitialization(int from, int written, int expected) {
        for (int step : new int[] {1, 3, 11, 15}) {
            if ((from & 15) >= step) {
                machine.write(step);
            }
        }
        if ((from & 128) != 0) {
            machine.write(128);
        }
        assertEquals(from, machine.value());
        machine.write(written);
        assertEquals(expected, machine.value());
    }

    @Test
    void everyWriteFromEveryStateKeepsTheOrder() {
        for (int first = 1; first < 256; first++) {
            for (int second = 1; second < 256; second++) {
                machine.reset();
                machine.write(first);
                int before = machine.value();
                machine.write(second);
                int after = machine.value();
                assertEquals(before, before & after, "nothing cleared");
                assertEquals(0, after & ~0x8f, "no unknown bit");
                assertTrue((after & 2) == 0 || (after & 1) != 0);
                assertTrue((after & 8) == 0 || (after & 2) != 0);
                assertTrue((after & 4) == 0 || (after & 8) != 0);
            }
        }
    }

    @Test
    void refusedFeaturesLeaveFeaturesOkClearAndMayBeTriedAgain() {
        featuresGood = false;
        machine.write(3);
        machine.write(11);
        assertEquals(3, machine.value());
        machine.write(15);
        assertEquals(3, machine.value(), "and DRIVER_OK with it");
        featuresGood = true;
        machine.write(11);
        assertEquals(11, machine.value());
        assertEquals(List.of("features", "features", "features"), steps);
    }

    @Test
    void eachStepIsTakenOnce() {
        machine.write(15);
        machine.write(15);
        machine.write(11);
        assertEquals(List.of("features", "live"), steps);
    }

    @Test
    void needsResetStopsProgressUntilReset() {
        machine.write(3);
        assertTrue(machine.needsReset());
        assertFalse(machine.needsReset());
        machine.write(15);
        assertEquals(0x43, machine.value());
        machine.write(128);
        assertEquals(0xc3, machine.value());
        machine.reset();
        assertEquals(0, machine.value());
        assertTrue(machine.needsReset());
    }

    @Test
    void failedActivationShowsWithDriverOk() {
        failActivation = true;
        machine.write(15);
        assertEquals(0x4f, machine.value());
    }

    @Test
    void suspendAndDriverOkReplaceEachOther() {
        machine.write(16);
        machine.write(11);
        machine.write(31);
        assertEquals(15, machine.value(), "not before initialization is complete");
        steps.clear();
        machine.write(31);
        assertEquals(15, machine.value(), "the device is not at rest yet");
        machine.suspended();
        assertEquals(27, machine.value());
        assertTrue(machine.isLive());
        machine.write(27);
        machine.write(1);
        assertEquals(27, machine.value());
        machine.write(31);
        assertEquals(15, machine.value());
        assertEquals(List.of("suspend", "resume"), steps);
        machine.suspended();
        machine.needsReset();
        machine.write(31);
        assertEquals(91, machine.value(), "only a reset helps");
    }
}
