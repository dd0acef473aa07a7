package org.virtiobackend.cli;

import picocli.CommandLine.Option;

/** How much the program says. Applied before the first logger exists. */
final class LogOptions {
    /** slf4j-simple's levels under the names of the option. */
    enum LogLevel {
        error,
        warn,
        info,
        debug
    }

    private static final String PREFIX = "org.slf4j.simpleLogger.";

    @Option(
            names = "--log-level",
            paramLabel = "LEVEL",
            defaultValue = "info",
            description = "error, warn, info or debug (default: ${DEFAULT-VALUE})")
    private LogLevel level = LogLevel.info;

    void apply() {
        System.setProperty(PREFIX + "defaultLogLevel", level.name());
        System.setProperty(PREFIX + "showThreadName", "false");
        System.setProperty(PREFIX + "showLogName", "false");
        System.setProperty(PREFIX + "showShortLogName", "false");
    }
}
