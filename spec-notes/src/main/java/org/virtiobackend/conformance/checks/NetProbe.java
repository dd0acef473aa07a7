package org.virtiobackend.conformance.checks;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.FeatureTable;
import org.virtiobackend.conformance.runner.Probe;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Commands on the control queue of a network device: which frames to receive (virtio 1.4 5.1.9.5). */
final class NetProbe implements Probe {
    private static final byte CLASS_RX = 0;
    private static final byte PROMISC = 0;
    private static final byte ALLMULTI = 1;
    private static final int ERR = 1;

    private static long bit(String name) {
        return FeatureTable.mask("VIRTIO_NET_F_" + name, VirtioDeviceId.NET);
    }

    @Override
    public long required() {
        return bit("CTRL_VQ");
    }

    @Override
    public long choosable() {
        return bit("CSUM")
                | bit("GUEST_CSUM")
                | bit("GUEST_TSO4")
                | bit("HOST_TSO4")
                | bit("HASH_REPORT")
                | bit("MQ")
                | bit("RSS")
                | bit("MTU")
                | bit("MAC")
                | bit("MRG_RXBUF")
                | bit("STATUS")
                | bit("CTRL_RX")
                | bit("CTRL_RX_EXTRA")
                | bit("CTRL_MAC_ADDR")
                | bit("SPEED_DUPLEX");
    }

    @Override
    public int queue(Bench bench) throws IOException {
        return NetSession.controlQueue(bench);
    }

    /** Accepted or refused, both are answers: CTRL_RX may not be negotiated. */
    @Override
    public Request request(Bench bench, int number) {
        byte command = number % 2 == 0 ? PROMISC : ALLMULTI;
        return new Request(new byte[] {CLASS_RX, command, 0}, 1, (in, used) -> {
            if (in[0] < 0 || in[0] > ERR) {
                return "ack is " + (in[0] & 0xff);
            }
            return used < 0 || used == 1 ? null : "of 1 byte written it says " + used;
        });
    }
}
