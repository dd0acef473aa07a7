package org.virtiobackend.cli;

import java.io.IOException;

/** A command that serves one export; {@code serve} runs several of them in one process. */
interface ServingCommand extends CliCommand {
    /**
     * Checks the options and opens what they name.
     *
     * @throws BadInputException what the user has to change
     */
    Service service() throws BadInputException, IOException;
}
