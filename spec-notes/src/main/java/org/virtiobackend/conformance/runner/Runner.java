package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.conformance.clause.Clause;
import org.virtiobackend.conformance.clause.ClauseCatalogue;

/** Runs checks against a device, each after a reset, and ends whatever the server does. */
public final class Runner {
    /** Connections in a row that may fail before the rest is given up. */
    private static final int LOST_LIMIT = 3;

    private final ClauseCatalogue catalogue;
    private final List<CheckMethod> checks;
    private final Map<Integer, Probe> probes;

    /** @param probes by device type */
    public Runner(ClauseCatalogue catalogue, List<CheckMethod> checks, Map<Integer, Probe> probes) {
        this.catalogue = catalogue;
        this.checks = checks;
        this.probes = Map.copyOf(probes);
    }

    /**
     * Runs the chosen checks.
     *
     * @throws CannotRunException nobody answers at the socket, or it is no virtio device
     */
    public RunResult run(Target target, RunOptions options, Progress progress) throws CannotRunException {
        long start = System.nanoTime();
        Trace trace = new Trace();
        try (Station station = new Station(target, trace)) {
            Survey survey = new Survey(station, target, trace, probes, options);
            survey.look();
            List<CheckMethod> chosen = checks.stream().filter(options::chooses).toList();
            List<Plan.Step> steps = Plan.of(chosen, catalogue, survey, options.thorough());
            Tally tally = new Tally(target.peer() != null, survey::offers);
            Execution execution = new Execution(target, options, station, survey, trace, tally);
            String aborted = execution.run(steps, progress);
            if (survey.obstacle() != null) {
                aborted = "the device cannot be driven: " + survey.obstacle();
            }
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            return new RunResult(
                    target.socketPath(),
                    DeviceNames.of(survey.deviceType()),
                    FeatureTable.names(survey.offered(), survey.deviceType()),
                    List.copyOf(survey.sets().keySet()),
                    List.copyOf(execution.rings),
                    survey.remarks(),
                    survey.sets().values().stream().mapToInt(List::size).sum(),
                    options.seed(),
                    millis,
                    execution.done,
                    tally.results(
                            catalogue,
                            chosen,
                            survey.deviceType(),
                            aborted,
                            options.only().isEmpty()));
        }
    }

    /** One run's state. */
    private final class Execution {
        private final Target target;
        private final RunOptions options;
        private final Station station;
        private final Survey survey;
        private final Trace trace;
        private final Tally tally;
        private int done;
        private int lost;
        private final Set<String> rings = new LinkedHashSet<>();

        Execution(Target target, RunOptions options, Station station, Survey survey, Trace trace, Tally tally) {
            this.target = target;
            this.options = options;
            this.station = station;
            this.survey = survey;
            this.trace = trace;
            this.tally = tally;
        }

        /** Runs the steps; returns why it gave up, or null. */
        String run(List<Plan.Step> steps, Progress progress) {
            for (Plan.Step step : steps) {
                progress.at(done, steps.size(), step.check().id());
                Findings findings = runStep(step);
                done++;
                if (findings.failures().keySet().stream().anyMatch(options::stopsAt)) {
                    return "stopped at the first failure";
                }
                if (lost == LOST_LIMIT) {
                    return "the server does not answer any more";
                }
            }
            progress.at(done, done, "");
            return null;
        }

        private Findings runStep(Plan.Step step) {
            trace.clear();
            trace.add("check " + step.check().id() + " (" + step.configuration() + ")");
            Findings findings = findings(step);
            Bench bench = null;
            Future<?> limit = null;
            try {
                Check.Scope scope = step.check().scope();
                boolean plain = scope == Check.Scope.FUNCTION;
                MemoryKind memory = step.configuration().memory();
                Link link = plain ? station.link(memory) : station.ready(memory);
                limit = station.limit();
                lost = 0;
                bench = new Bench(link, target, step.configuration(), survey.probe(), trace, findings, options.seed());
                step.check().run(bench);
                rings.add(step.configuration().ring());
            } catch (IOException e) {
                lost += bench == null ? 1 : 0;
                findings.fail(e.getMessage(), dump(bench));
                station.drop();
            } catch (CheckFailure e) {
                findings.fail(e.getMessage(), dump(bench));
                station.drop();
            } catch (RuntimeException e) {
                // A device can come up with what a check did not think of.
                findings.fail("the check failed itself: " + e, dump(bench));
                station.drop();
            } finally {
                if (limit != null) {
                    limit.cancel(false);
                }
            }
            tally.add(step.check(), step.configuration(), findings);
            return findings;
        }

        private static List<String> dump(Bench bench) {
            return bench == null ? List.of() : bench.dump();
        }

        private Findings findings(Plan.Step step) {
            Map<String, Clause> clauses = new LinkedHashMap<>();
            step.check().clauses().forEach(id -> clauses.put(id, catalogue.get(id)));
            return new Findings(clauses, clause -> survey.holds(clause.when(), step.configuration()), trace);
        }
    }
}
