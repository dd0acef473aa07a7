package org.virtiobackend.devices.fs.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.virtiobackend.devices.fs.fuse.FuseNotify;
import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryChanges;
import org.virtiobackend.posix.ErrnoException;

/** What is told of an event, where no file system at hand has such names: vfat has 255 characters of up to three bytes. */
class ChangeWatchTest {
    private static final long DIRECTORY = 7;

    @Test
    void aNameThatNoDriverCanSayChangesItsDirectory() {
        try (ChangeWatch watch = new ChangeWatch(null, true, 1)) {
            FuseReply out = new FuseReply(FuseNotify.MAX_BYTES - FuseReply.HEADER_BYTES);
            out.begin(ByteOrder.LITTLE_ENDIAN);
            watch.begin(DIRECTORY, name(FuseRequest.NAME_MAX + 1), DirectoryChanges.NAMES | DirectoryChanges.ATTRIB);
            assertEquals(FuseNotify.FUSE_NOTIFY_INVAL_INODE, watch.next(out));
            assertEquals(DIRECTORY, out.u64At(0));
            assertEquals(0, out.u64At(8), "its entries too");
            assertEquals(0, watch.next(out), "and that is all");
            out.begin(ByteOrder.LITTLE_ENDIAN);
            watch.begin(DIRECTORY, name(FuseRequest.NAME_MAX), DirectoryChanges.NAMES);
            assertEquals(FuseNotify.FUSE_NOTIFY_INVAL_ENTRY, watch.next(out));
        } catch (ErrnoException e) {
            abort(e.getMessage());
        }
    }

    private static byte[] name(int length) {
        byte[] name = new byte[length + 1];
        Arrays.fill(name, 0, length, (byte) 'x');
        return name;
    }
}
