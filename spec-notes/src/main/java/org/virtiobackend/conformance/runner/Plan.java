package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.virtiobackend.conformance.clause.Clause;
import org.virtiobackend.conformance.clause.ClauseCatalogue;

/** Which checks run, with which configurations. */
final class Plan {
    /** One run of one check. */
    record Step(CheckMethod check, Configuration configuration) {}

    private final ClauseCatalogue catalogue;
    private final Survey survey;
    private final boolean thorough;
    private final List<Step> steps = new ArrayList<>();

    private Plan(ClauseCatalogue catalogue, Survey survey, boolean thorough) {
        this.catalogue = catalogue;
        this.survey = survey;
        this.thorough = thorough;
    }

    /** The steps, those of one kind of memory together. */
    static List<Step> of(List<CheckMethod> checks, ClauseCatalogue catalogue, Survey survey, boolean thorough) {
        Plan plan = new Plan(catalogue, survey, thorough);
        Set<String> judged = new HashSet<>();
        boolean first = true;
        Map<MemoryKind, List<Configuration>> sets = survey.sets();
        if (sets.isEmpty()) {
            Configuration none = new Configuration(MemoryKind.DIRECT, 0, survey.deviceType());
            boolean driven = survey.obstacle() == null;
            checks.stream()
                    .filter(check -> check.scope() == Check.Scope.FUNCTION
                            || driven && check.scope() == Check.Scope.OFFER && plan.isFor(check))
                    .forEach(check -> plan.steps.add(new Step(check, none)));
        }
        for (Map.Entry<MemoryKind, List<Configuration>> entry : sets.entrySet()) {
            for (CheckMethod check : checks) {
                plan.add(check, entry.getKey(), entry.getValue(), first, judged);
            }
            first = false;
        }
        return plan.steps;
    }

    private boolean isFor(CheckMethod check) {
        int type = check.chapter().deviceType();
        return type == Chapter.ANY_DEVICE || type == survey.deviceType();
    }

    private void add(
            CheckMethod check, MemoryKind kind, List<Configuration> sets, boolean firstMemory, Set<String> judged) {
        if (!isFor(check)) {
            return;
        }
        List<Configuration> possible = sets.stream()
                .filter(set ->
                        survey.holds(check.when(), set) && !clauses(check, set).isEmpty())
                .toList();
        Set<Configuration> chosen = new LinkedHashSet<>();
        switch (check.scope()) {
            case FUNCTION, OFFER -> {
                if (firstMemory && !possible.isEmpty()) {
                    chosen.add(possible.get(0));
                }
            }
            case DEVICE -> chooseMissing(check, possible, judged, chosen);
            case FITTING -> {
                if (firstMemory) {
                    chooseFitting(check, kind, chosen);
                }
            }
            case RING -> {
                for (boolean packed : new boolean[] {false, true}) {
                    List<Configuration> layout = possible.stream()
                            .filter(set -> set.isPacked() == packed)
                            .toList();
                    chooseMissing(check, layout, new HashSet<>(), chosen);
                    chooseRichest(layout, chosen);
                }
            }
            case EVERY_SET -> chosen.addAll(possible);
        }
        if (thorough && check.scope() == Check.Scope.RING) {
            chosen.addAll(possible);
        }
        chosen.forEach(set -> steps.add(new Step(check, set)));
    }

    private void chooseFitting(CheckMethod check, MemoryKind kind, Set<Configuration> chosen) {
        for (String id : check.clauses()) {
            Clause clause = catalogue.get(id);
            if (clause != null) {
                chosen.addAll(survey.fitting(clause.when(), check.when(), kind));
            }
        }
    }

    /** Sets that give a clause of the check its first chance. */
    private void chooseMissing(
            CheckMethod check, List<Configuration> possible, Set<String> judged, Set<Configuration> chosen) {
        for (Configuration set : possible) {
            if (judged.addAll(clauses(check, set))) {
                chosen.add(set);
            }
        }
    }

    /** The set with most features. */
    private static void chooseRichest(List<Configuration> possible, Set<Configuration> chosen) {
        possible.stream()
                .max((a, b) -> Integer.compare(Long.bitCount(a.features()), Long.bitCount(b.features())))
                .ifPresent(chosen::add);
    }

    /** Clauses of the check whose conditions are given. */
    private List<String> clauses(CheckMethod check, Configuration set) {
        List<String> given = new ArrayList<>();
        for (String id : check.clauses()) {
            Clause clause = catalogue.get(id);
            if (clause != null && survey.holds(clause.when(), set)) {
                given.add(id);
            }
        }
        return given;
    }
}
