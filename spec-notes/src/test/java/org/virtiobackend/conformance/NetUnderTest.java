package org.virtiobackend.conformance;

import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.runner.EchoPeer;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.devices.blk.VirtioBlkDevice;
import org.virtiobackend.devices.net.MacAddress;
import org.virtiobackend.devices.net.NetSettings;
import org.virtiobackend.devices.net.VirtioNetDevice;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.virtio.device.VirtioDevice;

/** Our network device in place of the block device, its link a loop. */
public class NetUnderTest implements Bending {
    protected static final int PAIRS = 2;
    protected static final int MTU = 1500;
    private static final int QUEUE_SIZE = 64;

    private volatile LoopbackBackend loop;

    /** Each client's back end. */
    protected NetBackend backend() {
        loop = new LoopbackBackend(PAIRS);
        return loop;
    }

    protected int mtu() {
        return MTU;
    }

    @Override
    public VirtioDevice device(VirtioDevice block) {
        NetBackend backend = backend();
        long mac = MacAddress.parse("52:54:00:00:00:01");
        return new VirtioNetDevice(backend, new NetSettings(mac, mtu(), backend.channels(), QUEUE_SIZE));
    }

    @Override
    public NetPeer peer() {
        return new EchoPeer();
    }

    /** The cable is pulled out and plugged in again. */
    @Override
    public void change(VirtioBlkDevice newest) {
        loop.setLinkUp(false);
        loop.setLinkUp(true);
    }
}
