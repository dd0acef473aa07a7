package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.fuse.FuseInit;
import org.virtiobackend.devices.fs.passthrough.LockOptions;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.FileLocks;
import org.virtiobackend.posix.NativeBuffer;

/** Locks between the driver's owners, and between driver and host. */
class LockTest {
    private static final int READ = 0;
    private static final int WRITE = 1;
    private static final int NONE = 2;
    private static final int FLOCK = 1;

    @TempDir
    private Path root;

    private FsFixture fs;
    private long node;
    private long fh;
    private Fd host;

    @BeforeEach
    void start() throws Exception {
        Files.writeString(root.resolve("f"), "content");
        fs = new FsFixture(root, PassthroughOptions.defaults());
        node = fs.node(ROOT, "f");
        fh = fs.handle(node, O_RDWR);
        host = FileIo.open(root.resolve("f").toString(), FileIo.O_RDWR, 0);
    }

    @AfterEach
    void stop() {
        host.close();
        fs.close();
    }

    private FuseMessage lock(int opcode, long owner, int type, long from, long to, int flags) {
        return fs.message(opcode, node)
                .u64(fh)
                .u64(owner)
                .u64(from)
                .u64(to)
                .u32(type)
                .u32(77)
                .u32(flags)
                .u32(0);
    }

    private int set(long owner, int type, long from, long to) throws Exception {
        return fs.call(lock(FUSE_SETLK, owner, type, from, to, 0), 0).error();
    }

    @Test
    void ownersExcludeEachOtherWhereTheyOverlap() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        assertEquals(-Errno.EAGAIN, set(2, READ, 5, 20));
        assertEquals(0, set(2, WRITE, 10, 20));
        assertEquals(0, set(1, WRITE, 3, 4), "its own again");
        assertEquals(0, set(1, NONE, 0, 9));
        assertEquals(0, set(2, READ, 5, 9));
    }

    @Test
    void tellsWhatIsInTheWay() throws Exception {
        assertEquals(0, set(1, WRITE, 5, Long.MAX_VALUE));
        FuseAnswer found = fs.call(lock(FUSE_GETLK, 2, READ, 0, 100, 0), 24);
        assertEquals(5, found.u64(0));
        assertEquals(Long.MAX_VALUE, found.u64(8));
        assertEquals(WRITE, found.u32(16));
        assertEquals(77, found.u32(20));
        assertEquals(NONE, fs.call(lock(FUSE_GETLK, 1, READ, 0, 100, 0), 24).u32(16), "not its own");
        assertEquals(NONE, fs.call(lock(FUSE_GETLK, 2, READ, 0, 4, 0), 24).u32(16));
    }

    @Test
    void locksHoldBetweenDriverAndHost() throws Exception {
        NativeBuffer memory = NativeBuffer.allocate(FileLocks.BYTES);
        assertEquals(0, set(1, WRITE, 0, 9));
        assertEquals(-Errno.EAGAIN, FileLocks.setRange(host.value(), READ, 0, 5, memory));
        assertEquals(0, FileLocks.setRange(host.value(), WRITE, 10, 5, memory));
        assertEquals(-Errno.EAGAIN, set(1, WRITE, 0, 10));
        try (FileChannel ours = FileChannel.open(root.resolve("f"), StandardOpenOption.WRITE)) {
            assertNull(ours.tryLock(0, 5, false), "a lock of the traditional kind");
        }
    }

    @Test
    void aWaitThatNobodyWouldEverEndIsRefused() throws Exception {
        for (int owner = 1; owner <= 3; owner++) {
            assertEquals(0, set(owner, WRITE, 10 * owner, 10 * owner + 9));
        }
        fs.requests.send(lock(FUSE_SETLKW, 1, WRITE, 20, 24, 0), 0);
        fs.requests.send(lock(FUSE_SETLKW, 2, READ, 35, 50, 0), 0);
        FuseAnswer circle = fs.call(lock(FUSE_SETLKW, 3, WRITE, 10, 10, 0), 0);
        assertEquals(-Errno.EDEADLK, circle.error(), "3 waits for 1, who waits for 2, who waits for 3");
        assertEquals(2, fs.requests.pending());
        fs.requests.send(lock(FUSE_SETLK, 3, NONE, 0, Long.MAX_VALUE, 0), 0);
        assertEquals(0, fs.await(fs.requests).error());
        assertEquals(0, fs.await(fs.requests).error(), "2 has got it");
        fs.requests.send(lock(FUSE_SETLK, 2, NONE, 0, Long.MAX_VALUE, 0), 0);
        assertEquals(0, fs.await(fs.requests).error());
        assertEquals(0, fs.await(fs.requests).error(), "and then 1");
    }

    @Test
    void anOwnerThatWaitsInTwoPlacesClosesACircleInEither() throws Exception {
        for (int owner = 1; owner <= 3; owner++) {
            assertEquals(0, set(owner, WRITE, 10 * owner, 10 * owner + 9));
        }
        for (int owner = 100; owner < 110; owner++) { // in the way of 2 and no part of any circle
            assertEquals(0, set(owner, READ, 40, 49));
        }
        fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 40, 40, 0), 0);
        fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 30, 30, 0), 0);
        fs.requests.send(lock(FUSE_SETLKW, 1, WRITE, 20, 20, 0), 0);
        FuseAnswer circle = fs.call(lock(FUSE_SETLKW, 3, WRITE, 10, 10, 0), 0);
        assertEquals(-Errno.EDEADLK, circle.error());
        assertEquals(3, fs.requests.pending());
    }

    @Test
    void aWaitThatCanEndIsNot() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        assertEquals(0, set(1, READ, 3, 5));
        assertEquals(0, set(2, READ, 3, 5));
        assertEquals(0, set(2, WRITE, 20, 29));
        assertEquals(0, set(1, NONE, 6, 9));
        fs.requests.send(lock(FUSE_SETLKW, 1, WRITE, 20, 20, 0), 0);
        // what 1 only reads, or has let go, keeps nobody waiting
        assertEquals(0, fs.call(lock(FUSE_SETLKW, 2, WRITE, 6, 9, 0), 0).error());
        assertEquals(0, fs.call(lock(FUSE_SETLKW, 2, READ, 3, 5, 0), 0).error());
        fs.requests.send(lock(FUSE_SETLK, 2, NONE, 0, Long.MAX_VALUE, 0), 0);
        assertEquals(0, fs.await(fs.requests).error());
        assertEquals(0, fs.await(fs.requests).error());
    }

    @Test
    void closingTheFileDropsTheOwnersLocks() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        assertEquals(
                0,
                fs.call(fs.message(FUSE_FLUSH, node).u64(fh).u32(0).u32(0).u64(1), 0)
                        .error());
        assertEquals(0, set(2, WRITE, 0, 9));
    }

    @Test
    void releasingTheOpenFileDropsLocksOfAnOwnerThatNeverClosed() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        long other = fs.handle(node, O_RDWR);
        assertEquals(0, fs.release(node, other).error());
        assertEquals(-Errno.EAGAIN, set(2, WRITE, 0, 9), "locked through the one that is still open");
        assertEquals(0, fs.release(node, fh).error());
        fh = fs.handle(node, O_RDWR);
        assertEquals(0, set(2, WRITE, 0, 9));
        assertEquals(0, fs.release(node, fh).error());
        NativeBuffer memory = NativeBuffer.allocate(FileLocks.BYTES);
        assertEquals(0, FileLocks.setRange(host.value(), WRITE, 0, 9, memory), "nor for the host");
        fs.forget(node, 1);
        assertEquals(1, fs.server.inodeCount());
    }

    @Test
    void aReadOnlyDirectoryIsNotOpenedForWritingByALock() throws Exception {
        fs.close();
        Path program = Files.copy(Path.of("/bin/true"), root.resolve("program"));
        fs = new FsFixture(root, PassthroughOptions.defaults().withReadOnly());
        node = fs.node(ROOT, "program");
        fh = fs.handle(node, O_RDONLY);
        assertEquals(0, set(1, READ, 0, 9));
        // a file that is open for writing cannot be executed: ETXTBSY
        assertEquals(0, new ProcessBuilder(program.toString()).start().waitFor());
        assertEquals(-Errno.EBADF, set(1, WRITE, 0, 9));
    }

    @Test
    void beginningInTheOtherByteOrderEndsAWait() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        long waiting = fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0);
        assertEquals(0, fs.getattr(node).error());
        fs.order = ByteOrder.BIG_ENDIAN;
        FuseMessage init = fs.message(FUSE_INIT, 0).u32(7).u32(46).u32(0).u32(0);
        fs.requests.send(init, 64);
        FuseAnswer first = fs.await(fs.requests);
        FuseAnswer second = fs.await(fs.requests);
        FuseAnswer ended = first.unique() == waiting ? first : second;
        FuseAnswer begun = ended == first ? second : first;
        assertEquals(-Errno.ENOLCK, ended.error());
        assertEquals(7, begun.u32(0));
        assertEquals(80, begun.length());
    }

    @Test
    void wholeFileLocksBelongToTheOpenFile() throws Exception {
        assertEquals(0, fs.call(lock(FUSE_SETLK, 1, WRITE, 0, 0, FLOCK), 0).error());
        assertEquals(-Errno.EAGAIN, FileLocks.setWhole(host.value(), READ));
        long other = fs.handle(node, O_RDONLY);
        FuseMessage again = fs.message(FUSE_SETLK, node)
                .u64(other)
                .u64(1)
                .u64(0)
                .u64(0)
                .u32(READ)
                .u32(77)
                .u32(FLOCK)
                .u32(0);
        assertEquals(-Errno.EAGAIN, fs.call(again, 0).error());
        assertEquals(0, fs.release(node, fh).error());
        assertEquals(0, FileLocks.setWhole(host.value(), WRITE));
    }

    @Test
    void aWaitingLockHoldsUpNothingAndComesWhenTheOtherGoes() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        long waiting = fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0);
        assertEquals(0, fs.getattr(node).error(), "others are served meanwhile");
        assertEquals(1, fs.requests.pending());
        fs.requests.send(lock(FUSE_SETLK, 1, NONE, 0, 9, 0), 0);
        assertEquals(0, fs.await(fs.requests).error());
        FuseAnswer granted = fs.await(fs.requests);
        assertEquals(0, granted.error());
        assertEquals(waiting, granted.unique());
        assertEquals(-Errno.EAGAIN, set(1, READ, 0, 9));
    }

    @Test
    void aWaitingLockComesWhenTheHostLetsGo() throws Exception {
        assertEquals(0, FileLocks.setWhole(host.value(), WRITE));
        fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 0, 9, FLOCK), 0);
        assertEquals(0, fs.getattr(node).error());
        assertEquals(0, FileLocks.setWhole(host.value(), NONE));
        assertEquals(0, fs.await(fs.requests).error());
    }

    @Test
    void aWaitCanBeInterrupted() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        long waiting = fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0);
        assertEquals(0, fs.getattr(node).error());
        fs.hiprio.send(fs.message(FUSE_INTERRUPT, 0).u64(waiting), 0);
        assertEquals(0, fs.await(fs.hiprio).length(), "no answer to an interrupt that hit");
        FuseAnswer interrupted = fs.await(fs.requests);
        assertEquals(waiting, interrupted.unique());
        assertEquals(-Errno.EINTR, interrupted.error());
        fs.hiprio.send(fs.message(FUSE_INTERRUPT, 0).u64(waiting), 0);
        assertEquals(-Errno.EAGAIN, fs.await(fs.hiprio).error());
    }

    /** What stress-ng's lockf does: a process waits for its child, which was killed while it waited for a range of the process. */
    @Test
    void aWaitThatNobodyCanInterruptEndsByItself() throws Exception {
        restart(new LockOptions(true, Duration.ofMillis(20), Duration.ZERO));
        assertEquals(0, set(1, WRITE, 0, 9));
        assertEquals(
                -Errno.ENOLCK, fs.call(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0).error());
        assertEquals(0, set(1, NONE, 0, 9));
        assertEquals(0, fs.call(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0).error(), "it left nothing behind");
    }

    @Test
    void aWaitForAWholeFileEndsByItself() throws Exception {
        restart(new LockOptions(true, Duration.ZERO, Duration.ofMillis(20)));
        assertEquals(0, FileLocks.setWhole(host.value(), WRITE));
        assertEquals(
                -Errno.ENOLCK,
                fs.call(lock(FUSE_SETLKW, 2, WRITE, 0, 0, FLOCK), 0).error());
    }

    @Test
    void waitsNeverFillTheQueue() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        for (int owner = 2; owner < 2 + FsFixture.QUEUE_SIZE / 4; owner++) {
            fs.requests.send(lock(FUSE_SETLKW, owner, WRITE, 0, 9, 0), 0);
        }
        FuseAnswer tooMany = fs.call(lock(FUSE_SETLKW, 1000, WRITE, 0, 9, 0), 0);
        assertEquals(-Errno.ENOLCK, tooMany.error());
        assertEquals(FsFixture.QUEUE_SIZE / 4, fs.requests.pending());
        assertEquals(0, fs.getattr(node).error(), "others are served");
    }

    @Test
    void locksOfTheGuestAloneAreLeftToIt() throws Exception {
        restart(new LockOptions(false, Duration.ZERO, Duration.ZERO));
        FuseAnswer begun = fs.init(7, 46, -1L);
        assertEquals(0, begun.u32(12) & (FuseInit.FUSE_POSIX_LOCKS | FuseInit.FUSE_FLOCK_LOCKS));
    }

    private void restart(LockOptions options) throws Exception {
        fs.close();
        fs = new FsFixture(root, PassthroughOptions.defaults().withLocks(options));
        node = fs.node(ROOT, "f");
        fh = fs.handle(node, O_RDWR);
    }

    @Test
    void memoryThatGoesEndsTheWait() throws Exception {
        assertEquals(0, set(1, WRITE, 0, 9));
        fs.requests.send(lock(FUSE_SETLKW, 2, WRITE, 0, 9, 0), 0);
        assertEquals(0, fs.getattr(node).error());
        fs.refreshMemory();
        assertEquals(-Errno.ENOLCK, fs.await(fs.requests).error());
        assertEquals(0, fs.getattr(node).error());
    }

    @Test
    void rangesAreBounded() throws Exception {
        fs.close();
        fs = new FsFixture(root, PassthroughOptions.defaults().withLimits(100, 100, 8));
        node = fs.node(ROOT, "f");
        fh = fs.handle(node, O_RDWR);
        int most = 8 * 512;
        assertEquals(0, set(1, READ, 0, 2 * most));
        for (int i = 1; i < most - 1; i++) {
            assertEquals(0, set(1, NONE, 2 * i, 2 * i), "splits one range");
        }
        assertEquals(0, set(2, READ, 0, 0));
        assertEquals(-Errno.ENOLCK, set(2, READ, 2, 2), "one more of another owner");
        assertEquals(-Errno.ENOLCK, set(1, NONE, 2 * most - 1, 2 * most - 1), "or by unlocking the middle of one");
        assertEquals(0, set(2, READ, 1, 1), "joins one that it has");
        assertEquals(0, set(1, NONE, 0, 1));
        assertEquals(0, set(2, READ, 3, 3), "there is room again");
        assertEquals(-Errno.ENOLCK, set(2, READ, 5, 5));
        assertEquals(
                0,
                fs.call(fs.message(FUSE_FLUSH, node).u64(fh).u32(0).u32(0).u64(1), 0)
                        .error());
        assertEquals(0, set(2, READ, 5, 5), "the other one has closed the file");
    }

    @Test
    void anOwnerThatGotNothingTakesNothing() throws Exception {
        fs.close();
        fs = new FsFixture(root, PassthroughOptions.defaults().withLimits(100, 100, 8)); // two owners
        node = fs.node(ROOT, "f");
        fh = fs.handle(node, O_RDWR);
        int most = 8 * 512;
        assertEquals(0, set(1, READ, 0, 2 * most));
        for (int i = 1; i < most; i++) {
            assertEquals(0, set(1, NONE, 2 * i, 2 * i), "splits one range");
        }
        assertEquals(-Errno.ENOLCK, set(2, READ, 0, 0), "one range too many");
        assertEquals(0, set(1, NONE, 0, Long.MAX_VALUE));
        assertEquals(0, set(3, READ, 0, 0));
    }

    @Test
    void nonsenseIsRefused() throws Exception {
        assertEquals(-Errno.EINVAL, set(1, 7, 0, 9));
        assertEquals(-Errno.EINVAL, set(1, WRITE, 9, 0));
        assertEquals(-Errno.EINVAL, set(1, WRITE, -5, 0));
        assertEquals(
                -Errno.EINVAL, fs.call(lock(FUSE_GETLK, 1, READ, -1, -1, 0), 24).error());
    }
}
