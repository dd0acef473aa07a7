package org.virtiobackend.conformance.runner;

/** Hears how a run goes on. Called by the running thread. */
@FunctionalInterface
public interface Progress {
    Progress NONE = (done, total, check) -> {};

    /** A check begins. */
    void at(int done, int total, String check);
}
