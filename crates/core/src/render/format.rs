//! The script that formats a node's blank log directories before Kafka starts.
//!
//! Forming a quorum twice would lose everything the first one knew. So the list of first
//! voters is rendered only while the quorum was never seen formed, and a directory that
//! holds anything is never formatted.

use sdm_api::names;

use super::config_map::CONFIG_DIR;
use super::jvm::CLASS_PATH;
use super::server;
use crate::resolve::{Node, Resolved};
use crate::state::ClusterState;

/// POSIX shell. `@...@` is filled in by [`script`].
const TEMPLATE: &str = r#"# Formats the log directories that are blank, and leaves all others alone.
set -eu

cluster_id='@CLUSTER_ID@'
blank=''

fail() {
    echo "format: $1" >&2
    exit 1
}

for dir in @DIRS@; do
    # Written before formatting and removed after it: while it is there, and Kafka has left no trace,
    # the last attempt was cut short and the directory holds nothing of worth.
    marker="$dir/.sdm-formatting"
    if [ -e "$marker" ]; then
        if [ -e "$dir/__cluster_metadata-0/quorum-state" ] || [ -e "$dir/recovery-point-offset-checkpoint" ]; then
            rm -f "$marker"
        else
            echo "format: $dir: the last attempt was cut short, starting over"
            rm -rf "$dir"
        fi
    fi
    if [ -f "$dir/meta.properties" ]; then
        grep -qx "cluster.id=$cluster_id" "$dir/meta.properties" || fail "$dir belongs to another cluster, \
not to $cluster_id: delete its volume claim, or give spec.clusterId the id in $dir/meta.properties"
        grep -qx "node.id=@NODE_ID@" "$dir/meta.properties" || fail "$dir belongs to another node, not to @NODE_ID@"
        continue
    fi
    if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
        fail "$dir holds files and no meta.properties: it is not formatted, as they may be records; move them away"
    fi
    mkdir -p "$dir"
    : >"$marker"
    blank="$blank $dir"
done

if [ -z "$blank" ]; then
    exit 0
fi
java -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir=/tmp -Dkafka.logs.dir=/var/log/kafka \
    -Dlog4j2.configurationFile=@CONFIG_DIR@/log4j2.properties -cp '@CLASS_PATH@' \
    kafka.tools.StorageTool format --ignore-formatted --cluster-id "$cluster_id" \
    --config @CONFIG_DIR@/server.properties @FLAGS@
for dir in $blank; do
    rm -f "$dir/.sdm-formatting"
done
"#;

/// The script of `node`.
#[must_use]
pub fn script(resolved: &Resolved, state: &ClusterState, node: &Node) -> String {
    let dirs: Vec<_> = node.volumes.iter().map(server::log_dir).collect();
    TEMPLATE
        .replace("@CLUSTER_ID@", &state.cluster_id)
        .replace("@NODE_ID@", &node.id.to_string())
        .replace("@DIRS@", &dirs.join(" "))
        .replace("@CONFIG_DIR@", CONFIG_DIR)
        .replace("@CLASS_PATH@", CLASS_PATH)
        .replace("@FLAGS@", &flags(resolved, state, node))
}

fn flags(resolved: &Resolved, state: &ClusterState, node: &Node) -> String {
    if !node.is_controller() || state.bootstrapped || !state.directory_ids.contains_key(&node.id) {
        return "--no-initial-controllers".to_owned();
    }
    let voters: Vec<_> = state
        .directory_ids
        .iter()
        .map(|(id, directory)| {
            let dns = names::node_dns(&resolved.name, &resolved.namespace, *id);
            format!("{id}@{dns}:{}:{directory}", names::CONTROLLER_PORT)
        })
        .collect();
    format!("--initial-controllers '{}'", voters.join(","))
}
