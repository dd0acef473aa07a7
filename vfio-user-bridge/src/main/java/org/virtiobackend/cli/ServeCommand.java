package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves many devices of any kind from one process, whose threads they share. */
@Command(
        name = "serve",
        description = "Serves all the devices that a file lists, in one process.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "FILE is JSON; a device has a type and the options of the command of that name:",
            "  {\"workers\": 2,",
            "   \"devices\": [",
            "     {\"type\": \"blk\", \"socket-path\": \"a.sock\", \"image\": \"a.img\", \"image-format\": \"raw\"},",
            "     {\"type\": \"blk\", \"socket-path\": \"b.sock\", \"image\": \"ram:64M\", \"read-only\": true}]}",
            "workers, poll-us and stats-file are the process's own and stand beside devices."
        })
public final class ServeCommand implements CliCommand {
    @Option(names = "--config", paramLabel = "FILE", required = true, description = "what to serve")
    private Path config;

    @Mixin
    private LogOptions logOptions;

    @Override
    public Integer call() throws BadInputException, IOException {
        ServeConfig parsed = ServeConfig.read(config);
        List<Service> services = new ArrayList<>();
        try {
            int greedy = parsed.devices().stream()
                    .mapToInt(device -> device.command().greedyClients())
                    .sum();
            Set<String> sockets = new HashSet<>();
            for (ServeConfig.Device device : parsed.devices()) {
                device.command().setGreedyClientsOfProcess(greedy);
                Service service = open(device);
                services.add(service);
                String socket = service.options().socketPath();
                if (socket != null && !sockets.add(socket)) {
                    throw new BadInputException(
                            device.where() + ": socket-path " + socket + " is another device's too");
                }
            }
        } catch (BadInputException | IOException | RuntimeException e) {
            services.forEach(service -> service.export().close());
            throw e;
        }
        ServerProcess.serve(services, threads(parsed, services), pollMicros(parsed, services), parsed.statsFile());
        return ExitStatus.OK;
    }

    private static Service open(ServeConfig.Device device) throws BadInputException, IOException {
        try {
            return device.command().service();
        } catch (BadInputException e) {
            throw new BadInputException(device.where() + ": " + e.getMessage());
        }
    }

    private static int threads(ServeConfig config, List<Service> services) {
        int queues = services.stream().mapToInt(Service::queues).sum();
        return config.workers() != null
                ? config.workers()
                : Math.min(queues, Runtime.getRuntime().availableProcessors());
    }

    /** Who polls longest by default has the most to lose from sleeping workers. */
    private static long pollMicros(ServeConfig config, List<Service> services) {
        return config.pollMicros() != null
                ? config.pollMicros()
                : services.stream()
                        .mapToLong(service -> service.options().pollMicros())
                        .max()
                        .orElseThrow();
    }
}
