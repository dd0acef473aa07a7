package org.virtiobackend.cli;

import java.io.PrintWriter;
import java.util.ServiceLoader;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.ParameterException;

/** The program: finds its sub-commands, runs one, turns every failure into one line and an exit status. */
@Command(
        name = "virtio-backend",
        description = "Virtio devices over vfio-user, with or without access to guest memory.",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND")
public final class Main implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    public static void main(String[] arguments) {
        // before netty's first class is loaded: both would make a newer JDK print warnings
        System.setProperty("io.netty.noUnsafe", "true");
        System.setProperty("io.netty.tryReflectionSetAccessible", "false");
        int status = run(arguments);
        System.exit(status);
    }

    /** Runs a command line and returns its exit status. */
    static int run(String... arguments) {
        return commandLine().execute(arguments);
    }

    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new Main());
        for (CliCommand command : ServiceLoader.load(CliCommand.class)) {
            line.addSubcommand(command);
        }
        line.setParameterExceptionHandler(Main::badCommandLine);
        line.setExecutionExceptionHandler(Main::failed);
        line.setExecutionStrategy(Main::execute);
        return settle(line);
    }

    /** How options are read, wherever they come from. */
    static CommandLine settle(CommandLine line) {
        return line.setCaseInsensitiveEnumValuesAllowed(true).setOverwrittenOptionsAllowed(false);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing");
    }

    private static int execute(CommandLine.ParseResult parsed) throws ExecutionException {
        CommandLine.ParseResult last = parsed;
        while (last.hasSubcommand()) {
            last = last.subcommand();
        }
        Object options = last.commandSpec().mixins().containsKey("logOptions")
                ? last.commandSpec().mixins().get("logOptions").userObject()
                : new LogOptions();
        if (options instanceof LogOptions logOptions) {
            logOptions.apply();
        }
        return new CommandLine.RunLast().execute(parsed);
    }

    private static int badCommandLine(ParameterException e, String[] arguments) {
        CommandLine line = e.getCommandLine();
        String name = line.getCommandSpec().qualifiedName();
        say(line, name, e.getMessage() + " (see " + name + " --help)");
        return ExitStatus.BAD_INPUT;
    }

    private static int failed(Exception e, CommandLine line, CommandLine.ParseResult parsed) {
        String name = line.getCommandSpec().qualifiedName();
        if (e instanceof BadInputException) {
            say(line, name, e.getMessage());
            return ExitStatus.BAD_INPUT;
        }
        say(line, name, e.getMessage() == null ? e.toString() : e.getMessage());
        if (Boolean.getBoolean("virtiobackend.trace")) {
            e.printStackTrace();
        }
        return ExitStatus.FAULT;
    }

    private static void say(CommandLine line, String name, String message) {
        PrintWriter err = line.getErr();
        err.println(name + ": " + message.replaceAll("\\s*\\R\\s*", " "));
        err.flush();
    }
}
