package org.virtiobackend.devices.fs.passthrough;

import static org.junit.jupiter.api.Assertions.*;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Numbers that a driver is given. */
class SlotTableTest {
    private static final class Thing extends Slot {
        @Override
        void dispose() {}
    }

    @Test
    void numbersAreNeverNegative() throws Exception {
        SlotTable<Thing> table = new SlotTable<>(4);
        var generations = SlotTable.class.getDeclaredField("generations");
        generations.setAccessible(true);
        Arrays.fill((int[]) generations.get(table), Integer.MAX_VALUE - 1); // as if used two billion times
        long last = 0;
        for (int i = 0; i < 4; i++) {
            Thing thing = new Thing();
            assertTrue(table.add(thing));
            assertTrue(thing.id() > 0, "a negative one would be taken for an error");
            assertNotEquals(last, thing.id());
            assertSame(thing, table.pin(thing.id()));
            assertNull(table.pin(last));
            last = thing.id();
            assertTrue(table.remove(last));
        }
    }
}
