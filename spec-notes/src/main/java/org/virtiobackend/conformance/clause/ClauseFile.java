package org.virtiobackend.conformance.clause;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.List;

/**
 * One data file as it is written; {@link ClauseChecker} decides what it is worth.
 *
 * @param title what the file is about
 * @param sections its normative sections
 */
record ClauseFile(String title, List<Group> sections) {
    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** The clauses of one normative section. */
    record Group(String section, String side, String label, List<Entry> clauses) {}

    /** One clause; what is not written is null. */
    record Entry(
            String id,
            String keyword,
            Integer covers,
            String summary,
            String when,
            String status,
            String check,
            String why) {}

    /** Reads JSON; unknown fields are errors. */
    static ClauseFile parse(String name, String json) {
        try {
            return MAPPER.readValue(json, ClauseFile.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(name + ": " + e.getMessage(), e);
        }
    }
}
