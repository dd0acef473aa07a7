package org.virtiobackend.conformance;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.cli.BadInputException;
import org.virtiobackend.cli.CliCommand;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.report.HtmlReport;
import org.virtiobackend.conformance.report.JUnitReport;
import org.virtiobackend.conformance.report.JsonReport;
import org.virtiobackend.conformance.report.TextReport;
import org.virtiobackend.conformance.runner.CannotRunException;
import org.virtiobackend.conformance.runner.CheckMethod;
import org.virtiobackend.conformance.runner.ConfigChanger;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.conformance.runner.NetPeers;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Target;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Checks any vfio-user virtio device against virtio 1.4. */
@Command(
        name = "conformance",
        description =
                "Checks the virtio device behind a vfio-user socket, ours or not, against the clauses of virtio 1.4."
                        + " A block device is written to, in its first 8 KiB, and gets its contents back.",
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {"0:no MUST is broken", "1:some MUST is broken, or the run did not end", "2:cannot run"},
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class ConformanceCommand implements CliCommand {
    private static final long CHANGE_SECONDS = 10;

    @Option(names = "--socket-path", paramLabel = "PATH", description = "where the device's server listens")
    private String socketPath;

    @Option(
            names = "--list",
            description = "list the checks, those of --only if it is there, and the clauses they decide, and end")
    private boolean list;

    @Option(
            names = "--only",
            split = ",",
            paramLabel = "GLOB",
            description = "checks whose id, or the id of one of whose clauses, matches, such as 'ring.*' or"
                    + " 'NET-RX-DEV-0?' (see --list)")
    private List<String> only = List.of();

    @Option(names = "--seed", paramLabel = "N", defaultValue = "1", description = "of every choice (default: 1)")
    private long seed;

    @Option(names = "--thorough", description = "every ring check with every set of features")
    private boolean thorough;

    @Option(names = "--fail-fast", description = "stop at the first failure")
    private boolean failFast;

    @Option(
            names = "--memory",
            split = ",",
            paramLabel = "KIND",
            description = "only these kinds of memory: direct, messages, dmb, swiotlb (default: all that work)")
    private List<MemoryKind> memory = List.of();

    @Option(names = "--strict", description = "a SHOULD that is not met counts like a MUST")
    private boolean strict;

    @Option(
            names = "--timeout-ms",
            paramLabel = "N",
            defaultValue = "3000",
            description = "how long anything may take (default: ${DEFAULT-VALUE})")
    private long timeoutMillis;

    @Option(
            names = "--change-command",
            paramLabel = "COMMAND",
            description = "shell command that makes the device change its configuration, such as growing its image")
    private String changeCommand;

    @Option(names = "--report-dir", paramLabel = "DIR", description = "write conformance.xml, .json and .html there")
    private Path reportDir;

    @Option(names = "--junit", paramLabel = "FILE", description = "write JUnit XML")
    private Path junit;

    @Option(names = "--json", paramLabel = "FILE", description = "write JSON")
    private Path json;

    @Option(names = "--html", paramLabel = "FILE", description = "write a page of HTML")
    private Path html;

    @Option(
            names = "--net-peer",
            paramLabel = "PEER",
            description =
                    "the other end of a network device's link: stream:PATH (connects there, or listens when nobody"
                            + " does; frames as QEMU's -netdev stream has them), tap:INTERFACE (the host's side of the device's tap,"
                            + " as root), or echo (what the device sends comes back to it)."
                            + " Without it what the device does with frames is not observable")
    private String netPeer;

    @Option(names = "--verbose", description = "a line for each clause")
    private boolean verbose;

    @Override
    public Integer call() throws BadInputException, IOException {
        List<CheckMethod> checks = Checks.all();
        List<Glob> globs = globs(checks);
        if (list) {
            list(checks, globs);
            return 0;
        }
        validate();
        RunOptions options = new RunOptions(globs, seed, thorough, failFast, Set.copyOf(memory));
        ConfigChanger changer = changeCommand == null ? null : this::change;
        RunResult result;
        try (NetPeer peer = peer()) {
            Target target = new Target(socketPath, timeoutMillis, Target.QUIET_MILLIS, changer, peer);
            result = new Runner(ClauseCatalogue.load(), checks, Checks.probes()).run(target, options, progress());
        } catch (CannotRunException e) {
            throw new BadInputException(e.getMessage());
        }
        new TextReport(System.out, System.console() != null, verbose).print(result);
        write(result);
        boolean good = result.isComplete() && result.faults().isEmpty();
        return good && (!strict || result.weaknesses().isEmpty()) ? 0 : 1;
    }

    private List<Glob> globs(List<CheckMethod> checks) throws BadInputException {
        List<Glob> globs = new ArrayList<>();
        for (String text : only) {
            try {
                globs.add(Glob.of(text));
            } catch (IllegalArgumentException e) {
                throw new BadInputException("--only=" + text + " is no pattern: " + e.getMessage());
            }
            Glob last = globs.get(globs.size() - 1);
            if (checks.stream().noneMatch(check -> check.isChosenBy(last))) {
                throw new BadInputException("--only=" + text + " matches no check and no clause (see --list)");
            }
        }
        return globs;
    }

    /** Null for none. */
    private NetPeer peer() throws BadInputException {
        if (netPeer == null) {
            return null;
        }
        try {
            return NetPeers.open(netPeer);
        } catch (IllegalArgumentException | IOException e) {
            throw new BadInputException("--net-peer=" + netPeer + ": " + e.getMessage());
        }
    }

    private void validate() throws BadInputException {
        if (socketPath == null) {
            throw new BadInputException("--socket-path is missing");
        }
        if (timeoutMillis < 1) {
            throw new BadInputException("--timeout-ms must be at least 1");
        }
    }

    private static void list(List<CheckMethod> checks, List<Glob> globs) {
        for (CheckMethod check : checks) {
            if (!globs.isEmpty() && globs.stream().noneMatch(check::isChosenBy)) {
                continue;
            }
            System.out.printf(Locale.ROOT, "%-24s %s%n", check.id(), String.join(" ", check.clauses()));
        }
    }

    private static Progress progress() {
        if (System.console() == null) {
            return Progress.NONE;
        }
        PrintStream terminal = System.err;
        return (done, total, check) -> {
            if (done < total) {
                terminal.printf(Locale.ROOT, "\r%d/%d %-30s\u001b[K", done, total, check);
            } else {
                terminal.print("\r\u001b[K");
            }
            terminal.flush();
        };
    }

    private void change() throws IOException {
        Process process = new ProcessBuilder("sh", "-c", changeCommand)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            if (!process.waitFor(CHANGE_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException("--change-command does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        if (process.exitValue() != 0) {
            throw new IOException("--change-command ended with status " + process.exitValue());
        }
    }

    private void write(RunResult result) throws IOException {
        if (reportDir != null) {
            Files.createDirectories(reportDir);
            JUnitReport.write(result, reportDir.resolve("conformance.xml"));
            JsonReport.write(result, reportDir.resolve("conformance.json"));
            HtmlReport.write(result, reportDir.resolve("conformance.html"));
        }
        if (junit != null) {
            JUnitReport.write(result, junit);
        }
        if (json != null) {
            JsonReport.write(result, json);
        }
        if (html != null) {
            HtmlReport.write(result, html);
        }
    }
}
