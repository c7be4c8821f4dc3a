//! The ConfigMap of a node: the files that its containers read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use sdm_api::names;

use super::{format, jvm, meta, server};
use crate::resolve::{Node, Resolved};
use crate::state::ClusterState;

/// Where the ConfigMap is mounted.
pub(super) const CONFIG_DIR: &str = "/etc/kafka/sdm";
/// The script of the init container. It says how to format, which must not restart a node when it
/// changes, so it is the one file that does not count for the revision.
pub(super) const FORMAT: &str = "format.sh";

pub(super) fn render(resolved: &Resolved, state: &ClusterState, node: &Node) -> ConfigMap {
    let data = BTreeMap::from([
        (
            "server.properties".to_owned(),
            server::text(resolved, state, node),
        ),
        ("log4j2.properties".to_owned(), jvm::LOG4J2.to_owned()),
        ("java.security".to_owned(), jvm::SECURITY.to_owned()),
        (FORMAT.to_owned(), format::script(resolved, state, node)),
    ]);
    ConfigMap {
        metadata: meta::owned(
            resolved,
            names::node(&resolved.name, node.id),
            meta::node_labels(&resolved.name, node),
        ),
        data: Some(data),
        ..ConfigMap::default()
    }
}
