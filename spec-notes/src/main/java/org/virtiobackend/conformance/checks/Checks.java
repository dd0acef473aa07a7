package org.virtiobackend.conformance.checks;

import java.util.List;
import java.util.Map;
import org.virtiobackend.conformance.runner.CheckMethod;
import org.virtiobackend.conformance.runner.Probe;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Everything that the runner can check. */
public final class Checks {
    private Checks() {}

    /** All checks, in the order in which they run. */
    public static List<CheckMethod> all() {
        return CheckMethod.of(List.of(
                new FunctionChecks(),
                new CommonConfigChecks(),
                new NotifyCapabilityChecks(),
                new InitializationChecks(),
                new ConfigWindowChecks(),
                new InterruptChecks(),
                new RingChecks(),
                new SplitRingChecks(),
                new PackedRingChecks(),
                new BrokenRingChecks(),
                new QueueResetChecks(),
                new SuspendChecks(),
                new RegionChecks(),
                new BlkChecks(),
                new FsChecks(),
                new NetChecks(),
                new NetTransmitChecks(),
                new NetReceiveChecks(),
                new NetFilterChecks(),
                new NetQueueChecks(),
                new NetCoalescingChecks()));
    }

    /** Requests by device type. */
    public static Map<Integer, Probe> probes() {
        return Map.of(
                VirtioDeviceId.BLOCK,
                new BlkProbe(),
                VirtioDeviceId.FS,
                new FsProbe(),
                VirtioDeviceId.NET,
                new NetProbe());
    }
}
