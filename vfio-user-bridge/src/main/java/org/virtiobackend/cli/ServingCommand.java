package org.virtiobackend.cli;

import java.io.IOException;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A command that serves one export; {@code serve} runs several of them in one process. */
abstract class ServingCommand implements CliCommand {
    @Option(names = "--print-capabilities", description = "print what this program can do, as JSON, and end")
    private boolean printCapabilities;

    @Mixin
    ServeOptions serveOptions;

    @Mixin
    private LogOptions logOptions;

    @Override
    public final Integer call() throws BadInputException, IOException {
        if (printCapabilities) {
            System.out.println(capabilities());
        } else {
            serve();
        }
        return ExitStatus.OK;
    }

    /** Serves until the process is told to end. */
    void serve() throws BadInputException, IOException {
        ServerProcess.serve(service());
    }

    /** What {@code --print-capabilities} prints: JSON, as vhost-user's conventions for back ends have it. */
    abstract String capabilities();

    /**
     * Checks the options and opens what they name.
     *
     * @throws BadInputException what the user has to change
     */
    abstract Service service() throws BadInputException, IOException;

    /** @throws BadInputException when {@code value} is not 1 to {@code max} */
    static void check(String option, int value, int max) throws BadInputException {
        if (value < 1 || value > max) {
            throw new BadInputException(option + " must be 1 to " + max);
        }
    }

    /** Clients at a time that would each use all the descriptors that a process can have. */
    int greedyClients() {
        return 0;
    }

    /** Says how many of those there are in the whole process, this command's among them; before {@link #service}. */
    void setGreedyClientsOfProcess(int clients) {}
}
