package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.VIRTIO_PCI_CAP_SHARED_MEMORY_CFG;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.Probe.Request;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioDeviceId;

/** The file system device (virtio 1.4 5.11). Makes a file in the shared directory and removes it, where that is allowed. */
public final class FsChecks implements Chapter {
    private static final int CONFIG_NUM_REQUEST_QUEUES = 36;
    private static final int CONFIG_NOTIFY_BUF_SIZE = 40;
    private static final int FUSE_FORGET = 2;
    private static final int FUSE_UNLINK = 10;
    private static final int FUSE_READ = 15;
    private static final int FUSE_WRITE = 16;
    private static final int FUSE_RELEASE = 18;
    private static final int FUSE_CREATE = 35;
    private static final int ENTRY_OUT = 128;
    private static final int OPEN_OUT = 16;
    private static final int O_RDWR_EXCL = 2 | 0x80;
    private static final String NAME = ".virtio-conformance";
    private static final int BUSY = 6;

    @Override
    public int deviceType() {
        return VirtioDeviceId.FS;
    }

    @Check(id = "fs.configuration", clauses = "FS-CONFIG-DEV-01", scope = Scope.OFFER)
    public void configuration(Bench bench) throws IOException {
        bench.about("FS-CONFIG-DEV-01");
        bench.that(bench.registers().device(CONFIG_NUM_REQUEST_QUEUES, 4) >= 1, "num_request_queues is 0");
    }

    @Check(id = "fs.notify-buffer", clauses = "FS-CONFIG-DEV-02")
    public void notifyBuffer(Bench bench) throws IOException {
        bench.about("FS-CONFIG-DEV-02");
        bench.negotiate();
        long size = bench.registers().device(CONFIG_NOTIFY_BUF_SIZE, 4);
        bench.that(size >= FsProbe.OUT_HEADER, "notify_buf_size " + size + " holds no notification");
    }

    @Check(id = "fs.dax-window", clauses = "FS-DAX-DEV-02", scope = Scope.OFFER)
    public void daxWindow(Bench bench) throws IOException {
        bench.about("FS-DAX-DEV-02");
        boolean dmb = bench.structures().common().length() >= RestrictedDma.DMB_SHM_ID_OFFSET + 2;
        long other = dmb ? bench.common(RestrictedDma.DMB_SHM_ID_OFFSET, 2) : -1;
        for (VirtioCapability region : VirtioCapability.list(bench, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG)) {
            bench.that(region.id() == 0 || region.id() == other, "region " + region.id() + " is no DAX window");
        }
        bench.that(true, "");
    }

    /** FORGET has no answer: its chain comes back empty, while requests wait in the other queue. */
    @Check(id = "fs.high-priority", clauses = "FS-HIPRIO-DEV-01", scope = Scope.RING)
    public void highPriority(Bench bench) throws IOException {
        bench.about("FS-HIPRIO-DEV-01");
        bench.negotiate();
        LiveQueue urgent = bench.queue(0, 16, bench.queueVector());
        LiveQueue queue = bench.queue(bench.probe().queue(bench), 16, bench.queueVector());
        bench.driverOk();
        queue.judge(sent(queue, FsProbe.init(1)));
        for (int i = 0; i < BUSY; i++) {
            queue.put(Shape.PLAIN);
        }
        queue.go();
        ByteBuffer body = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 0);
        Request forget = FsProbe.request(FUSE_FORGET, 2, 1, body, -FsProbe.OUT_HEADER);
        urgent.await(sent(urgent, forget));
        bench.that(true, "");
    }

    @Check(id = "fs.read-write", clauses = "FS-DAX-DEV-03", scope = Scope.RING)
    public void readWrite(Bench bench) throws IOException {
        bench.about("FS-DAX-DEV-03");
        LiveQueue queue = bench.start();
        queue.judge(sent(queue, FsProbe.init(1)));
        byte[] name = (NAME + "\0").getBytes(StandardCharsets.US_ASCII);
        ByteBuffer create = buffer(16 + name.length)
                .putInt(O_RDWR_EXCL)
                .putInt(0100600)
                .putInt(0)
                .putInt(0);
        create.put(name);
        ByteBuffer made = answer(queue, FsProbe.request(FUSE_CREATE, 2, 1, create, ENTRY_OUT + OPEN_OUT));
        if (error(made) != 0) {
            bench.skip("FS-DAX-DEV-03", "no file can be made in the shared directory: error " + error(made));
            return;
        }
        long node = made.getLong(FsProbe.OUT_HEADER);
        long handle = made.getLong(FsProbe.OUT_HEADER + ENTRY_OUT);
        byte[] data = new byte[512];
        Arrays.fill(data, (byte) 0x42);
        ByteBuffer write = buffer(40 + data.length).putLong(handle).putLong(0).putInt(data.length);
        write.position(40);
        write.put(data);
        bench.equal(0, error(answer(queue, FsProbe.request(FUSE_WRITE, 3, node, write, 8))), "error of WRITE");
        ByteBuffer read = buffer(40).putLong(handle).putLong(0).putInt(data.length);
        ByteBuffer got = answer(queue, FsProbe.request(FUSE_READ, 4, node, read, data.length));
        byte[] bytes = new byte[data.length];
        got.position(FsProbe.OUT_HEADER);
        got.get(bytes);
        bench.that(error(got) == 0 && Arrays.equals(data, bytes), "READ does not give what WRITE took");
        answer(queue, FsProbe.request(FUSE_RELEASE, 5, node, buffer(24).putLong(handle), 0));
        answer(queue, FsProbe.request(FUSE_UNLINK, 6, 1, ByteBuffer.wrap(name), 0));
    }

    private static ByteBuffer buffer(int length) {
        return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static Sent sent(LiveQueue queue, Request request) throws IOException {
        Sent sent = queue.put(request, Shape.PLAIN, 0xa5);
        queue.go();
        return sent;
    }

    private static ByteBuffer answer(LiveQueue queue, Request request) throws IOException {
        Sent sent = sent(queue, request);
        queue.await(sent);
        return ByteBuffer.wrap(sent.in().get()).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int error(ByteBuffer answer) {
        return answer.getInt(4);
    }
}
