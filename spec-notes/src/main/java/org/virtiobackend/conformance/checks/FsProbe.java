package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.fs.VirtioFsDevice.VIRTIO_FS_F_NOTIFICATION;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Probe;

/** FUSE requests that change nothing: a session begins, the root's attributes, figures about the file system (virtio 1.4 5.11.6). */
final class FsProbe implements Probe {
    static final int IN_HEADER = 40;
    static final int OUT_HEADER = 16;
    private static final int FUSE_GETATTR = 3;
    private static final int FUSE_STATFS = 17;
    private static final int FUSE_INIT = 26;
    private static final int MAJOR = 7;
    private static final int MINOR = 31;

    @Override
    public long choosable() {
        return VIRTIO_FS_F_NOTIFICATION;
    }

    /** virtio 1.4 5.11.2: the queue for notifications comes before those for requests, when there is one. */
    @Override
    public int queue(Bench bench) {
        return bench.has(VIRTIO_FS_F_NOTIFICATION) ? 2 : 1;
    }

    @Override
    public Request request(Bench bench, int number) {
        return switch (number % 3) {
            case 0 -> init(number);
            case 1 -> request(FUSE_GETATTR, number, 1, ByteBuffer.allocate(16), 104);
            default -> request(FUSE_STATFS, number, 1, ByteBuffer.allocate(0), 80);
        };
    }

    static Request init(long unique) {
        ByteBuffer body = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        body.putInt(MAJOR).putInt(MINOR).putInt(1 << 17).putInt(0);
        return request(FUSE_INIT, unique, 0, body, 64);
    }

    /**
     * A request.
     *
     * @param room for what follows the header of the answer
     */
    static Request request(int opcode, long unique, long node, ByteBuffer body, int room) {
        ByteBuffer out = ByteBuffer.allocate(IN_HEADER + body.capacity()).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(out.capacity()).putInt(opcode).putLong(unique).putLong(node);
        out.position(IN_HEADER);
        out.put(body.array());
        return new Request(out.array(), OUT_HEADER + room, (in, used) -> judge(in, used, unique));
    }

    private static String judge(byte[] in, long used, long unique) {
        ByteBuffer answer = ByteBuffer.wrap(in).order(ByteOrder.LITTLE_ENDIAN);
        long length = answer.getInt(0) & 0xffff_ffffL;
        if (answer.getLong(8) != unique) {
            return "unique is " + answer.getLong(8) + ", not " + unique;
        }
        if (length < OUT_HEADER || length > in.length) {
            return "len is " + length + " in room for " + in.length;
        }
        return used < 0 || used == length ? null : "of an answer of " + length + " bytes it says " + used;
    }
}
