//! The command lines of a node's Java virtual machines, and the files they read.

use super::config_map::CONFIG_DIR;
use crate::quantity;
use crate::resolve::Node;

/// The jars of the `apache/kafka` image; `java` expands the asterisk itself.
pub(super) const CLASS_PATH: &str = "/opt/kafka/libs/*";

/// Logs go to standard output, without the dump of every configuration value at each start, and without what a broker
/// says of every single replica it starts or ends: some twenty lines, for thousands of replicas at each start. What
/// stays says it once: the controller that serves of each topic that is created, every controller of each configuration
/// that changes and each topic that goes, and the broker of each directory that is to be deleted.
pub(super) const LOG4J2: &str = "\
status=warn
name=kafka
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %c{1}: %m%n
rootLogger.level=info
rootLogger.appenderRef.stdout.ref=stdout
logger.config.name=org.apache.kafka.common.config
logger.config.level=warn
logger.loader.name=org.apache.kafka.image.loader.MetadataLoader
logger.loader.level=warn
logger.request.name=kafka.request.logger
logger.request.level=warn
logger.state.name=state.change.logger
logger.state.level=warn
logger.topicconfig.name=kafka.server.metadata.DynamicConfigPublisher
logger.topicconfig.level=info
logger.topicconfig.filter.each.type=RegexFilter
logger.topicconfig.filter.each.regex=(?s).*] Updating topic .* with new configuration.*
logger.topicconfig.filter.each.onMatch=DENY
logger.topicconfig.filter.each.onMismatch=NEUTRAL
logger.partition.name=kafka.cluster.Partition
logger.partition.level=info
logger.partition.filter.each.type=RegexFilter
logger.partition.filter.each.regex=(?s).*] (No checkpointed highwatermark is|Log loaded for).*
logger.partition.filter.each.onMatch=DENY
logger.partition.filter.each.onMismatch=NEUTRAL
logger.fetcher.name=kafka.server.ReplicaFetcherThread
logger.fetcher.level=info
logger.fetcher.filter.each.type=RegexFilter
logger.fetcher.filter.each.regex=(?s).*] Truncating partition .* with TruncationState.*
logger.fetcher.filter.each.onMatch=DENY
logger.fetcher.filter.each.onMismatch=NEUTRAL
logger.replay.name=org.apache.kafka.controller.ReplicationControlManager
logger.replay.level=info
logger.replay.filter.each.type=RegexFilter
logger.replay.filter.each.regex=(?s).*] Replayed (TopicRecord for topic|PartitionRecord for new partition) .*
logger.replay.filter.each.onMatch=DENY
logger.replay.filter.each.onMismatch=NEUTRAL
logger.logs.name=kafka.log.LogManager
logger.logs.level=info
logger.logs.filter.each.type=RegexFilter
logger.logs.filter.each.regex=(?s)(Created|Deleted) log for partition .*
logger.logs.filter.each.onMatch=DENY
logger.logs.filter.each.onMismatch=NEUTRAL
logger.log.name=org.apache.kafka.storage.internals.log
logger.log.level=info
logger.log.filter.each.type=RegexFilter
logger.log.filter.each.regex=(?s)(.*] (Loading producer state till offset 0|Truncating to [0-9]* has no effect\
|Deleting segments as the log has been deleted|Deleting segment files).*|Deleted (log|offset index|time index) .*)
logger.log.filter.each.onMatch=DENY
logger.log.filter.each.onMismatch=NEUTRAL
";

/// A restarted peer has another address, and one that starts has none yet: neither answer may be
/// remembered for long. Java's defaults are 30 and 10 seconds.
pub(super) const SECURITY: &str = "\
networkaddress.cache.ttl=5
networkaddress.cache.negative.ttl=0
";

/// Options that choose a garbage collector. Java does not start with two of them.
const COLLECTORS: [&str; 6] = [
    "-XX:+UseG1GC",
    "-XX:+UseSerialGC",
    "-XX:+UseParallelGC",
    "-XX:+UseZGC",
    "-XX:+UseShenandoahGC",
    "-XX:+UseEpsilonGC",
];

/// Which of the options choose a garbage collector in place of ours.
pub(crate) fn collectors(options: &[String]) -> impl Iterator<Item = (usize, &str)> {
    let numbered = options.iter().map(String::as_str).enumerate();
    numbered.filter(|(_, option)| COLLECTORS.contains(option))
}

/// The command of the Kafka container. Java is process 1, so that the signal to stop reaches it and
/// begins the controlled shutdown.
pub(super) fn kafka_command(node: &Node) -> Vec<String> {
    let heap = heap(node.jvm.heap.as_deref().unwrap_or_default());
    let mut command = vec![
        "java".to_owned(),
        format!("-Xms{heap}"),
        format!("-Xmx{heap}"),
    ];
    if collectors(&node.jvm.options).next().is_none() {
        command.push("-XX:+UseG1GC".to_owned());
    }
    command.extend(
        [
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-HeapDumpOnOutOfMemoryError",
            "-XX:+PerfDisableSharedMem",
            "-Djava.awt.headless=true",
            "-Djava.io.tmpdir=/tmp",
            "-Dkafka.logs.dir=/var/log/kafka",
        ]
        .map(str::to_owned),
    );
    command.push(format!(
        "-Djava.security.properties={CONFIG_DIR}/java.security"
    ));
    command.push(format!(
        "-Dlog4j2.configurationFile={CONFIG_DIR}/log4j2.properties"
    ));
    command.extend(node.jvm.options.iter().cloned());
    command.extend(["-cp", CLASS_PATH, "kafka.Kafka"].map(str::to_owned));
    command.push(format!("{CONFIG_DIR}/server.properties"));
    command
}

/// A quantity as Java writes sizes.
fn heap(quantity: &str) -> String {
    let bytes = quantity::bytes(quantity).unwrap_or(512 << 20);
    if bytes.is_multiple_of(1 << 20) {
        format!("{}m", bytes >> 20)
    } else {
        format!("{}k", (bytes >> 10).max(1))
    }
}
