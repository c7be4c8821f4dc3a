//! `status -A`: one line for every cluster there is.

use std::io;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::{KafkaCluster, condition as kinds};
use serde::Serialize;

use super::condition;
use crate::exit::{Code, Failure, Result};
use crate::output::age::age;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Line>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    namespace: String,
    name: String,
    version: String,
    nodes_ready: Option<String>,
    ready: bool,
    reason: String,
    message: String,
    created: Option<Timestamp>,
}

impl Report for Summary {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&[
            "NAMESPACE",
            "NAME",
            "VERSION",
            "NODES",
            "READY",
            "REASON",
            "AGE",
            "+MESSAGE",
        ]);
        for line in &self.items {
            let ready = if line.ready {
                Cell::painted("True", style::good)
            } else {
                Cell::painted("False", style::bad)
            };
            table.row(vec![
                line.namespace.as_str().into(),
                line.name.as_str().into(),
                line.version.as_str().into(),
                line.nodes_ready.clone().unwrap_or_default().into(),
                ready,
                line.reason.as_str().into(),
                age(line.created, self.now).into(),
                line.message.as_str().into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|line| format!("kafkacluster/{}", line.name))
            .collect()
    }
}

/// Shows all clusters.
///
/// # Errors
/// When they cannot be listed; with `exit_code` also when one is not ready.
pub async fn run(session: &Session, exit_code: bool) -> Result<()> {
    let clusters: Vec<KafkaCluster> = session.list(&ListParams::default()).await?;
    let items: Vec<Line> = clusters
        .iter()
        .map(|cluster| {
            let ready = condition(cluster, kinds::READY);
            Line {
                namespace: cluster.namespace().unwrap_or_default(),
                name: cluster.name_any(),
                version: cluster.spec.version.clone(),
                nodes_ready: cluster.status.as_ref().and_then(|s| s.nodes_ready.clone()),
                ready: ready.is_some_and(|c| c.status == "True"),
                reason: ready.map_or_else(|| "NotObserved".to_owned(), |c| c.reason.clone()),
                message: ready.map(|c| c.message.clone()).unwrap_or_default(),
                created: cluster.metadata.creation_timestamp.as_ref().map(|t| t.0),
            }
        })
        .collect();
    let unhealthy = items.iter().any(|line| !line.ready);
    if items.is_empty() {
        session.output.progress("no Kafka clusters found");
    }
    session.output.report(&Summary {
        api_version: API_VERSION,
        kind: "ClusterStatusList",
        items,
        now: Timestamp::now(),
    })?;
    if exit_code && unhealthy {
        Err(Failure::silent(Code::Unhealthy))
    } else {
        Ok(())
    }
}
