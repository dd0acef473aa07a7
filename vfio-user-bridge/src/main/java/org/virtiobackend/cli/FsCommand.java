package org.virtiobackend.cli;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.devices.fs.FsSettings;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.fs.passthrough.CachePolicy;
import org.virtiobackend.devices.fs.passthrough.IdMap;
import org.virtiobackend.devices.fs.passthrough.LockOptions;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.devices.fs.passthrough.SharedDirectory;
import org.virtiobackend.devices.fs.passthrough.XattrMap;
import org.virtiobackend.posix.Credentials;
import org.virtiobackend.posix.DirectoryChanges;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.FileSpace;
import org.virtiobackend.virtio.device.io.IoPool;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Shares a directory. */
@Command(
        name = "fs",
        description = "Shares a directory of the host as a virtio file system.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class FsCommand extends ServingCommand {
    /** How long a driver may believe what it was told. */
    enum Cache {
        none(CachePolicy.NONE),
        never(CachePolicy.NONE),
        auto(CachePolicy.AUTO),
        always(CachePolicy.ALWAYS);

        private final CachePolicy policy;

        Cache(CachePolicy policy) {
            this.policy = policy;
        }
    }

    /** How the process is shut in. */
    enum Sandbox {
        /** By landlock if the kernel has it and it leaves renaming alone. */
        auto,
        landlock,
        none
    }

    /** Whose locks the guest's are. */
    enum Locks {
        host,
        guest
    }

    private static final String CAPABILITIES = "{\"type\": \"fs\", \"features\": [\"read-only\"]}";
    private static final int MAX_DEFAULT_QUEUES = 8;
    private static final long DESCRIPTORS = 1_000_000;
    /** Files that a guest may know, with a descriptor or without. */
    private static final int MAX_FILES = 4_000_000;
    /** Of the heap for each of them: 220, and the name, 255 at most. */
    private static final int FILE_BYTES = 500;
    /** Descriptors that are no files of the driver: sockets, memory, the program's own. */
    private static final long RESERVED_DESCRIPTORS = 512;

    @Option(names = "--shared-dir", paramLabel = "DIR", description = "directory to share")
    private String sharedDir;

    @Option(names = "--tag", paramLabel = "NAME", description = "what the guest mounts: 1 to 36 bytes")
    private String tag;

    @Option(names = "--read-only", description = "nothing is changed, whatever the driver does")
    private boolean readOnly;

    @Option(
            names = "--cache",
            paramLabel = "MODE",
            defaultValue = "auto",
            description = "what the guest may keep: none (never), auto: for a second (default), or always: nobody else"
                    + " changes the directory")
    private Cache cache;

    @Option(names = "--writeback", description = "the guest may collect writes before it sends them")
    private boolean writeback;

    @Option(names = "--xattr", description = "serve extended attributes")
    private boolean xattr;

    @Option(
            names = "--xattr-prefix",
            paramLabel = "PREFIX",
            description =
                    "keep the guest's extended attributes under this prefix, e.g. user.virtiofs. (implies --xattr)")
    private String xattrPrefix;

    @Option(
            names = "--xattrmap",
            paramLabel = "RULES",
            description =
                    "which extended attributes of the host are the guest's, by rules as virtiofsd has them:"
                            + " :prefix|ok|bad|unsupported:client|server|all:KEY:PREPEND: or :map:KEY:PREPEND: (implies --xattr)")
    private String xattrRules;

    @Option(names = "--posix-acl", description = "serve access control lists (implies --xattr)")
    private boolean posixAcl;

    @Option(
            names = "--sandbox",
            paramLabel = "MODE",
            defaultValue = "auto",
            description =
                    "landlock: what serves the guest reaches no files but the shared ones and the system's libraries; none; or"
                            + " auto: landlock where the kernel has it, a warning where not (default)")
    private Sandbox sandbox;

    @Option(names = "--allow-direct-io", description = "O_DIRECT in the guest is O_DIRECT on the host")
    private boolean directIo;

    @Option(names = "--allow-device-nodes", description = "the guest may make device nodes")
    private boolean deviceNodes;

    @Option(names = "--no-announce-submounts", description = "file systems mounted below are not told apart")
    private boolean noSubmounts;

    @Option(
            names = "--translate-uid",
            paramLabel = "RULE",
            description = "guest|host|map|squash-guest|squash-host:FROM:TO:COUNT or forbid-guest:FROM:COUNT; may be"
                    + " repeated")
    private List<String> uidRules = new ArrayList<>();

    @Option(names = "--translate-gid", paramLabel = "RULE", description = "the same for groups")
    private List<String> gidRules = new ArrayList<>();

    @Option(
            names = "--locks",
            paramLabel = "WHOSE",
            defaultValue = "host",
            description =
                    "host: the guest's locks hold against the host's processes, and the other way round (default);"
                            + " guest: they hold in the guest alone, whose kernel keeps them")
    private Locks locks;

    @Option(
            names = "--lock-wait",
            paramLabel = "SECONDS",
            defaultValue = "" + LockOptions.RANGE_SECONDS,
            description = "how long a process of the guest waits for a byte range, which Linux cannot interrupt on a"
                    + " virtiofs; then ENOLCK; 0: for ever (default: 60)")
    private int lockWait;

    @Option(
            names = "--flock-wait",
            paramLabel = "SECONDS",
            defaultValue = "" + LockOptions.WHOLE_SECONDS,
            description = "the same for flock (default: 3600)")
    private int flockWait;

    @Option(
            names = "--notifications",
            description = "offer a notification queue: a driver that reads it is told of what others change (no driver"
                    + " of Linux up to 7.3 does)")
    private boolean notifications;

    @Option(
            names = "--queues",
            paramLabel = "N",
            description = "request queues; a processor of the guest that has its own hears of its own answers only"
                    + " (default: one for each processor of the host, at most 8; 1 with a region)")
    private Integer queues;

    @Option(
            names = "--queue-size",
            paramLabel = "N",
            defaultValue = "1024",
            description = "entries of a queue (default: 1024)")
    private int queueSize;

    @Option(
            names = "--io-threads",
            paramLabel = "N",
            defaultValue = "4",
            description = "threads that wait for the storage (default: 4)")
    private int ioThreads;

    @Option(
            names = "--max-clients",
            paramLabel = "N",
            defaultValue = "1",
            description = "clients at the same time (default: 1)")
    private int maxClients;

    private int clientsOfProcess;

    @Override
    String capabilities() {
        return CAPABILITIES;
    }

    @Override
    Service service() throws BadInputException, IOException {
        FsExport export = export();
        boolean shutIn = sandbox == Sandbox.landlock || sandbox == Sandbox.auto && FsSandbox.isPossibleFor(sharedDir);
        FsSandbox.Tree tree = new FsSandbox.Tree(export.root(), readOnly, deviceNodes, sandbox == Sandbox.landlock);
        // the high-priority queue needs no thread of its own
        return new Service(export, serveOptions, queues(), shutIn ? tree : null);
    }

    @Override
    int greedyClients() {
        return maxClients;
    }

    @Override
    void setGreedyClientsOfProcess(int clients) {
        clientsOfProcess = clients;
    }

    private FsExport export() throws BadInputException {
        FsSettings settings = settings();
        int[] queueSizes = new int[settings.queueCount()];
        Arrays.fill(queueSizes, queueSize);
        serveOptions.check(queueSizes);
        check("--io-threads", ioThreads, 1024);
        check("--max-clients", maxClients, 256);
        SharedDirectory directory = open(options());
        return new FsExport(directory, new IoPool(ioThreads), settings, maxClients);
    }

    private int queues() {
        if (queues != null) {
            return queues;
        }
        boolean region = serveOptions.policy() != ServeOptions.Policy.direct;
        return region ? 1 : Math.min(MAX_DEFAULT_QUEUES, Runtime.getRuntime().availableProcessors());
    }

    private FsSettings settings() throws BadInputException {
        if (tag == null) {
            throw new BadInputException("--tag is needed");
        }
        try {
            return new FsSettings(tag, queues(), queueSize, notifications());
        } catch (IllegalArgumentException e) {
            throw new BadInputException(e.getMessage());
        }
    }

    private Notifications notifications() throws BadInputException {
        if (!notifications) {
            return Notifications.NONE;
        }
        try {
            DirectoryChanges.open().close();
        } catch (ErrnoException e) {
            throw new BadInputException("--notifications: " + e.getMessage());
        }
        // what another client changes is changed by this process
        return Math.max(maxClients, clientsOfProcess) == 1 ? Notifications.OTHERS : Notifications.ALL;
    }

    private PassthroughOptions options() throws BadInputException {
        long descriptors = FileSpace.raiseDescriptorLimit(DESCRIPTORS) - RESERVED_DESCRIPTORS;
        int clients = Math.max(maxClients, clientsOfProcess);
        int each = (int) Math.max(64, Math.min(descriptors, DESCRIPTORS) / clients);
        boolean translated = !uidRules.isEmpty() || !gidRules.isEmpty();
        boolean mapped = xattrPrefix != null || xattrRules != null;
        if (posixAcl && (mapped || translated)) {
            throw new BadInputException("--posix-acl does not go with --xattrmap, --xattr-prefix, --translate-uid or"
                    + " --translate-gid: the lists name the host's ids");
        }
        return PassthroughOptions.builder()
                .readOnly(readOnly)
                .cache(cache.policy)
                .writeback(writeback)
                .xattr(xattr || posixAcl || mapped)
                .posixAcl(posixAcl)
                .deviceNodes(deviceNodes)
                .directIo(directIo)
                .submounts(!noSubmounts)
                .ids(ids("--translate-uid", uidRules), ids("--translate-gid", gidRules))
                .xattrMap(xattrMap())
                .locks(lockOptions())
                .limits(maxFiles(Runtime.getRuntime().maxMemory(), clients), each - each / 4 - each / 16, each / 4)
                .build();
    }

    /** Files that each client may know: half of the heap is for them. */
    static int maxFiles(long heapBytes, int clients) {
        return (int) Math.min(MAX_FILES, heapBytes / 2 / FILE_BYTES / clients);
    }

    private LockOptions lockOptions() throws BadInputException {
        if (lockWait < 0 || flockWait < 0) {
            throw new BadInputException((lockWait < 0 ? "--lock-wait" : "--flock-wait") + " must be 0 or more");
        }
        return new LockOptions(locks == Locks.host, Duration.ofSeconds(lockWait), Duration.ofSeconds(flockWait));
    }

    private XattrMap xattrMap() throws BadInputException {
        if (xattrPrefix != null && xattrRules != null) {
            throw new BadInputException("--xattr-prefix=P is --xattrmap=:map::P:; only one of them");
        }
        String option = xattrRules != null ? "--xattrmap" : "--xattr-prefix";
        try {
            if (xattrRules != null) {
                return XattrMap.parse(xattrRules);
            }
            return xattrPrefix == null ? XattrMap.IDENTITY : XattrMap.prefixed(xattrPrefix);
        } catch (IllegalArgumentException e) {
            throw new BadInputException(option + ": " + e.getMessage());
        }
    }

    private static IdMap ids(String option, List<String> rules) throws BadInputException {
        try {
            return IdMap.parse(rules);
        } catch (IllegalArgumentException e) {
            throw new BadInputException(option + ": " + e.getMessage());
        }
    }

    private SharedDirectory open(PassthroughOptions options) throws BadInputException {
        if (sharedDir == null) {
            throw new BadInputException("--shared-dir is needed");
        }
        try {
            Credentials.tryOut();
            return SharedDirectory.open(sharedDir, options);
        } catch (ErrnoException e) {
            throw new BadInputException(e.getMessage());
        }
    }
}
