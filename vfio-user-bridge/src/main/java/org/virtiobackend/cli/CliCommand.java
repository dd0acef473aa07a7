package org.virtiobackend.cli;

import java.util.concurrent.Callable;

/**
 * A sub-command of {@code virtio-backend}: a class with picocli's {@code @Command} that is named in
 * {@code META-INF/services/org.virtiobackend.cli.CliCommand}, in this module or a later one.
 *
 * <p>{@link #call} returns the exit status. A {@link BadInputException} ends with status 2, any other exception with
 * 1, each after one line on stderr.
 */
public interface CliCommand extends Callable<Integer> {}
