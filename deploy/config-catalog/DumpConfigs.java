import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import kafka.server.KafkaConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.ConfigKey;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Writes what a version of Kafka says of its own configuration, or judges values as it would.
 *
 * <p>Run by {@code dump} beside it, against Kafka's jars; {@code README.md} says what the columns are.
 */
public class DumpConfigs {
    /** Documentation is cut at the end of a sentence before so many characters. */
    private static final int DOCUMENTATION_AT_MOST = 600;
    private static final Pattern DEPRECATED = Pattern.compile("(?i)this config(uration)? (is|has been) deprecated");

    public static void main(String[] args) throws Exception {
        // Loggers write to standard output, where answers go.
        PrintStream out = System.out;
        System.setOut(System.err);
        if (args.length == 4 && args[0].equals("write")) {
            write(Path.of(args[1]), Path.of(args[2]), args[3]);
        } else if (args.length == 1 && args[0].equals("judge")) {
            judge(out);
        } else if (args.length == 1 && args[0].equals("start")) {
            start(out);
        } else {
            System.err.println("usage: write DATA-DIRECTORY DOCUMENTATION-DIRECTORY LINE | judge <QUESTIONS | start <QUESTIONS");
            System.exit(2);
        }
        out.flush();
    }

    private static Map<String, ConfigKey> brokers() {
        Map<String, ConfigKey> keys = new TreeMap<>(AbstractKafkaConfig.CONFIG_DEF.configKeys());
        // Of running brokers only, never in their files.
        QuotaConfig.brokerQuotaConfigs().configKeys().forEach(keys::putIfAbsent);
        return keys;
    }

    private static Map<String, ConfigKey> topics() {
        return new TreeMap<>(LogConfig.configDefCopy().configKeys());
    }

    private static void write(Path data, Path documentation, String line) throws Exception {
        Map<String, String> modes = updateModes();
        Map<String, ConfigKey> inFiles = AbstractKafkaConfig.CONFIG_DEF.configKeys();
        write(data, documentation, line + "-brokers.tsv", brokers(),
            key -> inFiles.containsKey(key) ? modes.getOrDefault(key, "read-only") : "live-only");
        write(data, documentation, line + "-topics.tsv", topics(),
            key -> ServerTopicConfigSynonyms.TOPIC_CONFIG_SYNONYMS.getOrDefault(key, ""));
    }

    private static void write(Path data, Path documentation, String name, Map<String, ConfigKey> keys, Column last)
        throws IOException {
        List<String> lines = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (ConfigKey key : keys.values()) {
            String text = plain(key.documentation);
            lines.add(String.join("\t",
                key.name,
                key.type.name().toLowerCase(),
                defaultOf(key),
                valid(key),
                key.importance.name().toLowerCase(),
                key.internalConfig ? "internal" : "",
                last.of(key.name),
                deprecation(text)).stripTrailing());
            texts.add(key.name + "\t" + shortened(firstParagraph(key.documentation)));
        }
        Files.write(data.resolve(name), lines);
        Files.write(documentation.resolve(name), texts);
    }

    private interface Column {
        String of(String key);
    }

    /** Which keys change live. The class has moved between versions. */
    @SuppressWarnings("unchecked")
    private static Map<String, String> updateModes() throws ReflectiveOperationException {
        Class<?> owner;
        Object instance = null;
        try {
            owner = Class.forName("org.apache.kafka.server.config.DynamicBrokerConfig");
        } catch (ClassNotFoundException older) {
            owner = Class.forName("kafka.server.DynamicBrokerConfig$");
            instance = owner.getField("MODULE$").get(null);
        }
        return (Map<String, String>) owner.getMethod("dynamicConfigUpdateModes").invoke(instance);
    }

    /** Nothing if a value must be given, else `null` or `=` and the value. */
    private static String defaultOf(ConfigKey key) {
        if (!key.hasDefault()) {
            return "";
        }
        String value = ConfigDef.convertToString(key.defaultValue, key.type);
        if (value == null) {
            return "null";
        }
        if (value.matches("(?s).*[\\t\\n].*")) {
            throw new IllegalStateException(key.name + " has a default of several lines");
        }
        return "=" + value;
    }

    /** What Kafka's validator of this key takes. One that is not known here stops everything: nothing is left out in silence. */
    private static String valid(ConfigKey key) {
        ConfigDef.Validator validator = key.validator;
        if (validator == null) {
            return "";
        }
        String kind = validator.getClass().getSimpleName();
        switch (kind) {
            case "Range":
                return "range:" + number(field(validator, "min")) + ".." + number(field(validator, "max"));
            case "ValidString":
                return "one:" + words(field(validator, "validStrings"));
            case "CaseInsensitiveValidString":
                return "one-any-case:" + words(field(validator, "validStrings"));
            case "ValidList":
                String empty = (boolean) field(validator, "isEmptyAllowed") ? "list:" : "list-not-empty:";
                return empty + words(field(field(validator, "validString"), "validStrings"));
            case "NonEmptyString":
                return "not-empty";
            case "LambdaValidator":
                Matcher matcher = Pattern.compile("\\[(-?\\d+),\\.\\.\\.,(-?\\d+)] or (-?\\d+)").matcher(validator.toString());
                if (matcher.matches()) {
                    return "range:" + matcher.group(1) + ".." + matcher.group(2) + "|" + matcher.group(3);
                }
                break;
            // Keys that the operator sets itself, and a text that may be anything.
            case "ControllerQuorumVotersValidator":
            case "ControllerQuorumBootstrapServersValidator":
            case "ThrottledReplicaListValidator":
            case "NonNullValidator":
                return "";
            default:
        }
        throw new IllegalStateException(key.name + ": what does " + kind + " (" + validator + ") take?");
    }

    private static Object field(Object of, String name) {
        try {
            Field field = of.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(of);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static String number(Object number) {
        return number == null ? "" : number.toString();
    }

    private static String words(Object words) {
        return ((Collection<?>) words).stream().map(Object::toString).sorted().collect(Collectors.joining(","));
    }

    /** Kafka marks deprecation nowhere but in the text: the sentences that say so. */
    private static String deprecation(String text) {
        for (String sentence : text.split("(?<=\\.) ")) {
            if (DEPRECATED.matcher(sentence).find()) {
                return sentence;
            }
        }
        return "";
    }

    private static String firstParagraph(String html) {
        String text = html.strip().replaceFirst("^(?i)<p>", "");
        return plain(text.split("(?i)</p>|<p>|<br\\s*/?>|<ul>|\\n\\s*\\n", 2)[0]);
    }

    private static String plain(String html) {
        return html.replaceAll("(?i)</?(p|ul|li|br)\\s*/?>", " ").replaceAll("<[^>]+>", "")
            .replaceAll("&lt;?", "<").replaceAll("&gt;?", ">").replace("&quot;", "\"").replace("&amp;", "&")
            .replaceAll("\\s+", " ").strip();
    }

    private static String shortened(String text) {
        if (text.length() <= DOCUMENTATION_AT_MOST && !text.endsWith(":")) {
            return text;
        }
        int end = text.lastIndexOf(". ", Math.min(DOCUMENTATION_AT_MOST, text.length()));
        return end < 0 ? text.substring(0, Math.min(DOCUMENTATION_AT_MOST, text.length())) : text.substring(0, end + 1);
    }

    /** One question a line: `broker` or `topic`, the key, the value. Answers `yes`, or `no` and why. */
    private static void judge(PrintStream out) throws IOException {
        Map<String, ConfigKey> brokers = brokers();
        Map<String, ConfigKey> topics = topics();
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            String[] question = line.split("\t", 3);
            ConfigKey key = (question[0].equals("topic") ? topics : brokers).get(question[1]);
            try {
                Object value = ConfigDef.parseType(key.name, question[2], key.type);
                if (key.validator != null) {
                    key.validator.ensureValid(key.name, value);
                }
                out.println("yes");
            } catch (ConfigException refusal) {
                out.println("no " + refusal.getMessage().replace('\n', ' '));
            }
        }
    }

    /** One question a line: `key=value`, with tabs between. Answers whether a broker with these would start, or why not. */
    private static void start(PrintStream out) throws IOException {
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            Properties file = new Properties();
            file.putAll(Map.of(
                "process.roles", "broker",
                "node.id", "1",
                "listeners", "REPLICATION://localhost:9091",
                "inter.broker.listener.name", "REPLICATION",
                "controller.listener.names", "CONTROLLER",
                "listener.security.protocol.map", "CONTROLLER:SSL,REPLICATION:SSL",
                "controller.quorum.bootstrap.servers", "localhost:9090",
                "log.dirs", "/var/lib/kafka/data/data"));
            for (String pair : line.split("\t")) {
                String[] parts = pair.split("=", 2);
                if (parts.length == 2) {
                    file.setProperty(parts[0], parts[1]);
                }
            }
            try {
                KafkaConfig.fromProps(file, false);
                out.println("yes");
            } catch (RuntimeException refusal) {
                out.println("no " + String.valueOf(refusal.getMessage()).replace('\n', ' '));
            }
        }
    }
}
