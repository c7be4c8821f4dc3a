#!/bin/sh
# Kafka's command-line programs. One script under many names: what it starts is decided by the name it is called by
# (a link, as in kafka-topics.sh), or, called as kafka-run-class.sh, by its first argument.
#
# Read from the environment, as in Kafka's own distribution: JAVA_HOME, CLASSPATH, KAFKA_HEAP_OPTS, KAFKA_OPTS,
# KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS.
set -eu

home=$(dirname "$(dirname "$(readlink -f "$0")")")
name=$(basename "$0" .sh)
logging=tools-log4j2.yaml
heap=-Xmx256M
# A tool lives for a second: compile little, collect simply.
tuning='-XX:+UseSerialGC -XX:TieredStopAtLevel=1'

long_running() {
  tuning='-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExplicitGCInvokesConcurrent'
}
server() {
  long_running
  logging=log4j2.yaml heap=-Xmx1G
}

tools=org.apache.kafka.tools
case $name in
  kafka-run-class)
    if [ $# -eq 0 ]; then
      echo "usage: $0 CLASS [ARGUMENT...]" >&2
      exit 2
    fi
    class=$1
    shift
    ;;
  kafka-acls) class=$tools.AclCommand ;;
  kafka-broker-api-versions) class=$tools.BrokerApiVersionsCommand ;;
  kafka-client-metrics) class=$tools.ClientMetricsCommand ;;
  kafka-cluster) class=$tools.ClusterTool ;;
  kafka-configs) class=kafka.admin.ConfigCommand ;;
  kafka-console-consumer) class=$tools.consumer.ConsoleConsumer ;;
  kafka-console-producer) class=$tools.ConsoleProducer ;;
  kafka-console-share-consumer) class=$tools.consumer.ConsoleShareConsumer ;;
  kafka-consumer-groups) class=$tools.consumer.group.ConsumerGroupCommand ;;
  kafka-consumer-perf-test) class=$tools.ConsumerPerformance && long_running ;;
  kafka-delegation-tokens) class=$tools.DelegationTokenCommand ;;
  kafka-delete-records) class=$tools.DeleteRecordsCommand ;;
  kafka-dump-log)
    # Moved between 4.2 and 4.3.
    case $(echo "$home"/libs/kafka_2.13-*.jar) in
      *-4.2.*) class=kafka.tools.DumpLogSegments ;;
      *) class=$tools.DumpLogSegments ;;
    esac
    ;;
  kafka-features) class=$tools.FeatureCommand ;;
  kafka-get-offsets) class=$tools.GetOffsetShell ;;
  kafka-groups) class=$tools.GroupsCommand ;;
  kafka-jmx) class=$tools.JmxTool ;;
  kafka-leader-election) class=$tools.LeaderElectionCommand ;;
  kafka-log-dirs) class=$tools.LogDirsCommand ;;
  kafka-metadata-quorum) class=$tools.MetadataQuorumCommand ;;
  kafka-producer-perf-test) class=$tools.ProducerPerformance && long_running ;;
  kafka-reassign-partitions) class=$tools.reassign.ReassignPartitionsCommand ;;
  kafka-replica-verification) class=$tools.ReplicaVerificationTool ;;
  kafka-share-groups) class=$tools.consumer.group.ShareGroupCommand ;;
  kafka-storage) class=kafka.tools.StorageTool ;;
  kafka-topics) class=$tools.TopicCommand ;;
  kafka-transactions) class=$tools.TransactionsCommand ;;
  kafka-verifiable-consumer) class=$tools.VerifiableConsumer && long_running ;;
  kafka-verifiable-producer) class=$tools.VerifiableProducer && long_running ;;
  kafka-server-start) class=kafka.Kafka && server ;;
  connect-distributed) class=org.apache.kafka.connect.cli.ConnectDistributed && server ;;
  connect-mirror-maker) class=org.apache.kafka.connect.mirror.MirrorMaker && server ;;
  connect-standalone) class=org.apache.kafka.connect.cli.ConnectStandalone && server ;;
  *)
    echo "$0: no Kafka program has this name" >&2
    exit 2
    ;;
esac

if [ -n "${JAVA_HOME:-}" ]; then
  java=$JAVA_HOME/bin/java
else
  java=java
fi
# Options are lists of words: they are meant to be split.
# shellcheck disable=SC2086
exec "$java" ${KAFKA_HEAP_OPTS:-$heap} ${KAFKA_JVM_PERFORMANCE_OPTS:-$tuning} \
  ${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$home/config/$logging} ${KAFKA_OPTS:-} \
  -cp "$home/libs/*${CLASSPATH:+:$CLASSPATH}" "$class" "$@"
