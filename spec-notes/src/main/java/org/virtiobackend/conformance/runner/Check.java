package org.virtiobackend.conformance.runner;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** A method of a {@link Chapter}, with a {@link Bench} as its only parameter, that decides some clauses. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Check {
    /** Stable name, such as {@code split.used-length}. */
    String id();

    /** Ids of the clauses that it decides. */
    String[] clauses();

    /** A condition beside those of the clauses; see {@link org.virtiobackend.conformance.clause.Condition}. */
    String when() default "";

    /** How often it runs. */
    Scope scope() default Scope.DEVICE;

    /** How often a check runs. */
    enum Scope {
        /** Once, with the function alone: works when no driver could drive the device. */
        FUNCTION,
        /** Once, before anything is negotiated. */
        OFFER,
        /** As often as it takes to judge each clause: nothing depends on memory. */
        DEVICE,
        /** For each clause with the fewest and with the most features with which it matters: nothing depends on memory. */
        FITTING,
        /** For each kind of memory, with a few sets of features for each. */
        RING,
        /** With every set of features that is tried, for each kind of memory. */
        EVERY_SET
    }
}
