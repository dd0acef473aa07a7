package org.virtiobackend.cli;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/**
 * What {@code serve} is told to serve.
 *
 * @param workers threads, or null for the default
 * @param pollMicros how long they poll, as {@link PollTimeConverter} says it, or null for the default
 * @param statsFile or null
 * @param devices at least one
 */
record ServeConfig(Integer workers, Long pollMicros, String statsFile, List<Device> devices) {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .build();
    private static final int MAX_WORKERS = 1024;
    /** Of the process, not of a device. */
    private static final Set<String> PROCESS_KEYS = Set.of("workers", "poll-us", "stats-file");
    /** Options that make no sense for one of several devices. */
    private static final Set<String> NOT_HERE =
            Set.of("workers", "poll-us", "stats-file", "log-level", "print-capabilities", "help", "version");

    /**
     * One device.
     *
     * @param where it stands in the file, for messages
     * @param command with its options set
     */
    record Device(String where, ServingCommand command) {}

    /**
     * Reads a file.
     *
     * @throws BadInputException with the place of what is wrong
     */
    static ServeConfig read(Path file) throws BadInputException, IOException {
        JsonNode root = parse(file);
        if (!root.path("devices").isArray() || root.path("devices").isEmpty()) {
            throw new BadInputException(file + ": \"devices\" has to be an array with a device in it");
        }
        for (Iterator<String> names = root.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!name.equals("devices") && !PROCESS_KEYS.contains(name)) {
                throw new BadInputException(file + ": unknown key \"" + name + "\"");
            }
        }
        List<Device> devices = new ArrayList<>();
        for (JsonNode device : root.path("devices")) {
            devices.add(device(file + ": devices[" + devices.size() + "]", device));
        }
        String stats = root.hasNonNull("stats-file") ? root.get("stats-file").asText() : null;
        return new ServeConfig(workers(file, root), pollMicros(file, root), stats, List.copyOf(devices));
    }

    private static JsonNode parse(Path file) throws BadInputException, IOException {
        try {
            return JSON.readTree(Files.readString(file));
        } catch (NoSuchFileException e) {
            throw new BadInputException("--config=" + file + ": no such file");
        } catch (JsonProcessingException e) {
            String line =
                    e.getLocation() == null ? "" : " line " + e.getLocation().getLineNr();
            throw new BadInputException(file + line + ": " + e.getOriginalMessage());
        }
    }

    private static Integer workers(Path file, JsonNode root) throws BadInputException {
        if (!root.hasNonNull("workers")) {
            return null;
        }
        int workers = root.get("workers").asInt();
        if (workers < 1 || workers > MAX_WORKERS) {
            throw new BadInputException(file + ": workers must be 1 to " + MAX_WORKERS);
        }
        return workers;
    }

    private static Long pollMicros(Path file, JsonNode root) throws BadInputException {
        if (!root.hasNonNull("poll-us")) {
            return null;
        }
        try {
            return new PollTimeConverter().convert(root.get("poll-us").asText());
        } catch (TypeConversionException e) {
            throw new BadInputException(file + ": poll-us: " + e.getMessage());
        }
    }

    private static Device device(String place, JsonNode node) throws BadInputException {
        String type = node.path("type").asText();
        ServingCommand command = command(place, type);
        String where = place + " (" + type + ")";
        List<String> arguments = new ArrayList<>();
        for (Map.Entry<String, JsonNode> option : node.properties()) {
            if (!option.getKey().equals("type")) {
                addArguments(where, option.getKey(), option.getValue(), arguments);
            }
        }
        try {
            Main.settle(new CommandLine(command)).parseArgs(arguments.toArray(String[]::new));
        } catch (ParameterException e) {
            throw new BadInputException(where + ": " + e.getMessage());
        }
        return new Device(where, command);
    }

    /** A fresh command: its fields become this device's options. */
    private static ServingCommand command(String place, String type) throws BadInputException {
        List<String> known = new ArrayList<>();
        for (CliCommand command : ServiceLoader.load(CliCommand.class)) {
            String name = command.getClass().getAnnotation(Command.class).name();
            if (command instanceof ServingCommand serving) {
                if (name.equals(type)) {
                    return serving;
                }
                known.add(name);
            }
        }
        throw new BadInputException(place + ": \"type\" has to be one of " + known + ", not \"" + type + "\"");
    }

    /** {@code true} is the bare option, {@code false} none, an array the option several times. */
    private static void addArguments(String where, String name, JsonNode value, List<String> arguments)
            throws BadInputException {
        if (NOT_HERE.contains(name)) {
            throw new BadInputException(where + ": " + name + " is not an option of one device here");
        }
        if (value.isArray()) {
            for (JsonNode element : value) {
                addArguments(where, name, element, arguments);
            }
        } else if (value.isBoolean()) {
            if (value.asBoolean()) {
                arguments.add("--" + name);
            }
        } else if (value.isValueNode() && !value.isNull()) {
            arguments.add("--" + name + "=" + value.asText());
        } else {
            throw new BadInputException(where + ": " + name + " has to be a string, a number, true, false or an array");
        }
    }
}
