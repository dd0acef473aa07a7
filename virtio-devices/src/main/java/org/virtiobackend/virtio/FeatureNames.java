package org.virtiobackend.virtio;

import java.lang.reflect.Field;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** Names of feature bits, in the specification's order and without its prefix. */
public final class FeatureNames {
    private final String prefix;
    private final Map<String, Long> masks = new LinkedHashMap<>();

    /** @param prefix that the specification's names have, for example {@code VIRTIO_BLK_F_} */
    public FeatureNames(String prefix) {
        this.prefix = prefix;
    }

    /** The constants of a class whose names begin with the prefix, in their order. */
    public static FeatureNames of(Class<?> constants, String prefix) {
        FeatureNames names = new FeatureNames(prefix);
        try {
            for (Field field : constants.getDeclaredFields()) {
                if (field.getName().startsWith(prefix)) {
                    names.add(field.getName().substring(prefix.length()), field.getLong(null));
                }
            }
        } catch (IllegalAccessException e) {
            throw new IllegalArgumentException(constants + " has constants that are not public", e);
        }
        return names;
    }

    /** Adds a name, to be written without the prefix. */
    public FeatureNames add(String name, long mask) {
        masks.put(name, mask);
        return this;
    }

    /** Names of the bits that are set and known, separated by spaces. */
    public String names(long features) {
        StringJoiner text = new StringJoiner(" ");
        masks.forEach((name, mask) -> {
            if ((features & mask) != 0) {
                text.add(name);
            }
        });
        return text.toString();
    }

    /** The mask of a feature; case and the prefix do not matter; 0 when unknown. */
    public long byName(String name) {
        String wanted = name.toUpperCase(Locale.ROOT);
        return masks.getOrDefault(wanted.startsWith(prefix) ? wanted.substring(prefix.length()) : wanted, 0L);
    }
}
