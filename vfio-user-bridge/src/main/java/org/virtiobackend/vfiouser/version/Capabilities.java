package org.virtiobackend.vfiouser.version;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.wire.Limits;

/**
 * What a peer says it can take. What it does not say has the specification's default.
 *
 * @param maxMessageFds descriptors in one message, 0 to 1024
 * @param maxDataTransfer bytes of data in one message, at least 1
 * @param maxDmaMaps regions, at least 0
 * @param pageSizes bits of the supported page sizes, all 64 of them
 */
public record Capabilities(int maxMessageFds, long maxDataTransfer, long maxDmaMaps, long pageSizes) {
    /** What a peer is taken for that sends no text. */
    public static final Capabilities DEFAULT = new Capabilities(
            Limits.DEFAULT_MESSAGE_FDS, Limits.MAX_DATA_TRANSFER, Limits.DEFAULT_DMA_MAPS, Limits.PAGE_SIZE);
    /** What this program says of itself, on either side. */
    public static final Capabilities OURS =
            new Capabilities(Limits.MAX_MESSAGE_FDS, Limits.MAX_DATA_TRANSFER, Limits.MAX_DMA_MAPS, Limits.PAGE_SIZE);

    private static final String CAPABILITIES = "capabilities";
    private static final String MAX_MSG_FDS = "max_msg_fds";
    private static final String MAX_DATA_XFER_SIZE = "max_data_xfer_size";
    private static final String MAX_DMA_MAPS = "max_dma_maps";
    private static final String PGSIZES = "pgsizes";
    private static final String MIGRATION = "migration";
    private static final String PGSIZE = "pgsize";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /**
     * Reads the text of a VERSION message.
     *
     * @param text without the terminating NUL
     * @throws ErrnoException EINVAL, saying what is wrong
     */
    public static Capabilities parse(byte[] text) throws ErrnoException {
        JsonNode root = object(tree(text), "version data");
        JsonNode node = object(root.get(CAPABILITIES), CAPABILITIES);
        checkMigration(node.get(MIGRATION));
        return new Capabilities(
                (int) number(node, MAX_MSG_FDS, DEFAULT.maxMessageFds, 0, Limits.MAX_CLAIMED_FDS),
                number(node, MAX_DATA_XFER_SIZE, DEFAULT.maxDataTransfer, 1, Long.MAX_VALUE),
                number(node, MAX_DMA_MAPS, DEFAULT.maxDmaMaps, 0, Long.MAX_VALUE),
                bits(node, PGSIZES, DEFAULT.pageSizes));
    }

    /** The text to send, without the terminating NUL. */
    public byte[] text() {
        ObjectNode root = JSON.createObjectNode();
        root.putObject(CAPABILITIES)
                .put(MAX_MSG_FDS, maxMessageFds)
                .put(MAX_DATA_XFER_SIZE, maxDataTransfer)
                .put(MAX_DMA_MAPS, maxDmaMaps)
                .put(PGSIZES, new BigInteger(Long.toUnsignedString(pageSizes)));
        return root.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static JsonNode tree(byte[] text) throws ErrnoException {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw invalid("version data is not JSON (" + e.getOriginalMessage() + ")");
        } catch (IOException e) {
            throw invalid("version data is not JSON");
        }
    }

    /** A missing object counts as an empty one. */
    private static JsonNode object(JsonNode node, String name) throws ErrnoException {
        if (node == null) {
            return JSON.createObjectNode();
        }
        if (!node.isObject()) {
            throw invalid(name + " is not a JSON object");
        }
        return node;
    }

    private static long number(JsonNode parent, String name, long absent, long min, long max) throws ErrnoException {
        JsonNode node = parent.get(name);
        if (node == null) {
            return absent;
        }
        if (!node.isIntegralNumber() || !node.canConvertToLong() || node.longValue() < min || node.longValue() > max) {
            throw invalid(name + " is not a number from " + min + " to " + max);
        }
        return node.longValue();
    }

    /** A mask of 64 bits, of which one at least is set. */
    private static long bits(JsonNode parent, String name, long absent) throws ErrnoException {
        JsonNode node = parent.get(name);
        if (node == null) {
            return absent;
        }
        BigInteger value = node.isIntegralNumber() ? node.bigIntegerValue() : BigInteger.ZERO;
        if (value.signum() <= 0 || value.bitLength() > Long.SIZE) {
            throw invalid(name + " is not a number from 1 to 2^64 - 1");
        }
        return value.longValue();
    }

    /** We do not migrate, but a peer that means it must mean our page size. */
    private static void checkMigration(JsonNode migration) throws ErrnoException {
        JsonNode node = object(migration, MIGRATION);
        number(node, PGSIZE, Limits.PAGE_SIZE, Limits.PAGE_SIZE, Limits.PAGE_SIZE);
    }

    private static ErrnoException invalid(String what) {
        return new ErrnoException(what, Errno.EINVAL);
    }
}
