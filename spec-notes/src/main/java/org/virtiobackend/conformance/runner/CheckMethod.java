package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.virtiobackend.conformance.clause.Condition;

/**
 * A check, ready to run.
 *
 * @param when beside the conditions of the clauses
 */
public record CheckMethod(
        String id, List<String> clauses, Condition when, Check.Scope scope, Chapter chapter, Method method) {

    /** The checks of these chapters, in the order of chapters and then of their ids. */
    public static List<CheckMethod> of(List<Chapter> chapters) {
        List<CheckMethod> all = new ArrayList<>();
        for (Chapter chapter : chapters) {
            List<CheckMethod> own = new ArrayList<>();
            for (Method method : chapter.getClass().getMethods()) {
                Check check = method.getAnnotation(Check.class);
                if (check != null) {
                    Condition when = Condition.parse(check.when());
                    own.add(new CheckMethod(
                            check.id(), List.of(check.clauses()), when, check.scope(), chapter, method));
                }
            }
            own.sort(Comparator.comparing(CheckMethod::id));
            all.addAll(own);
        }
        return List.copyOf(all);
    }

    /** Whether a choice means this check, by its id or by the id of one of its clauses. */
    public boolean isChosenBy(Glob choice) {
        return choice.matches(id) || clauses.stream().anyMatch(choice::matches);
    }

    void run(Bench bench) throws IOException {
        try {
            method.invoke(chapter, bench);
        } catch (InvocationTargetException e) {
            Throwable cause = e.getCause();
            if (cause instanceof IOException io) {
                throw io;
            } else if (cause instanceof RuntimeException fault) {
                throw fault;
            } else if (cause instanceof Error error) {
                throw error;
            }
            throw new IllegalStateException(id, cause);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(id, e);
        }
    }
}
