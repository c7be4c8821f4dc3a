//! `version`: what runs where, and a word when it does not fit together.

use std::io;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use sdm_api::{KafkaCluster, names};
use serde::Serialize;

use crate::exit::{Code, Failure, Result};
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

/// Version of the plugin.
pub const PLUGIN: &str = env!("CARGO_PKG_VERSION");
const CRD: &str = "kafkaclusters.kafka.sdm.dev";

/// Arguments of `version`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only the plugin's own version; asks no server
    #[arg(long)]
    pub client: bool,
}

/// Kind `Version` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    api_version: &'static str,
    kind: &'static str,
    plugin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operator: Vec<Program>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_versions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<Cluster>,
    #[serde(skip)]
    asked: bool,
}

#[derive(Serialize, Debug)]
struct Program {
    name: String,
    image: String,
    ready: String,
}

#[derive(Serialize, Debug)]
struct Cluster {
    namespace: String,
    name: String,
    kafka: String,
}

impl Version {
    /// The plugin's own version.
    pub fn client() -> Self {
        Self {
            api_version: API_VERSION,
            kind: "Version",
            plugin: PLUGIN,
            ..Self::default()
        }
    }
}

impl Report for Version {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.line(format!("Plugin:      {}", self.plugin))?;
        if let Some(version) = &self.kubernetes {
            out.line(format!("Kubernetes:  {version}"))?;
        }
        if self.asked && self.operator.is_empty() {
            out.line("Operator:    not installed")?;
        }
        for program in &self.operator {
            out.line(format!(
                "Operator:    {} {} ({} ready)",
                program.name, program.image, program.ready
            ))?;
        }
        if !self.resource_versions.is_empty() {
            out.line(format!(
                "Resources:   kafka.sdm.dev {}",
                self.resource_versions.join(", ")
            ))?;
        }
        if !self.clusters.is_empty() {
            out.line("")?;
            let mut table = Table::new(&["NAMESPACE", "CLUSTER", "KAFKA"]);
            for cluster in &self.clusters {
                table.row(vec![
                    cluster.namespace.as_str().into(),
                    cluster.name.as_str().into(),
                    cluster.kafka.as_str().into(),
                ]);
            }
            out.table(&table)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        vec![format!("plugin/{}", self.plugin)]
    }
}

/// Shows all versions. What may not be read is left out, with a note.
///
/// # Errors
/// When the API server cannot be reached.
pub async fn run(session: &Session) -> Result<()> {
    let client = &session.client;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), names::OPERATOR_NAMESPACE);
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let clusters: Api<KafkaCluster> = if session.all_namespaces {
        Api::all(client.clone())
    } else {
        session.namespaced()
    };
    let params = ListParams::default();
    let programs = ListParams::default().labels("app.kubernetes.io/name=sdm");
    let (kubernetes, deployments, crd, clusters) = tokio::join!(
        client.apiserver_version(),
        deployments.list(&programs),
        crds.get_opt(CRD),
        clusters.list(&params)
    );

    let kubernetes = kubernetes.map_err(|e| Failure::from(e).at(&session.place))?;
    let mut report = Version {
        kubernetes: Some(kubernetes.git_version),
        asked: true,
        ..Version::client()
    };
    for deployment in
        seen(session, "the operator", deployments.map(|list| list.items))?.unwrap_or_default()
    {
        let wanted = deployment
            .spec
            .as_ref()
            .and_then(|s| s.replicas)
            .unwrap_or(1);
        let ready = deployment
            .status
            .as_ref()
            .and_then(|s| s.ready_replicas)
            .unwrap_or(0);
        let containers = deployment
            .spec
            .iter()
            .flat_map(|s| &s.template.spec)
            .flat_map(|s| &s.containers);
        let image = containers
            .filter_map(|c| c.image.clone())
            .next()
            .unwrap_or_default();
        report.operator.push(Program {
            name: deployment.name_any(),
            image,
            ready: format!("{ready}/{wanted}"),
        });
    }
    if let Some(crd) = seen(session, "the resource types", crd)?.flatten() {
        report.resource_versions = crd
            .spec
            .versions
            .iter()
            .filter(|v| v.served)
            .map(|v| v.name.clone())
            .collect();
    }
    for cluster in
        seen(session, "Kafka clusters", clusters.map(|list| list.items))?.unwrap_or_default()
    {
        report.clusters.push(Cluster {
            namespace: cluster.namespace().unwrap_or_default(),
            name: cluster.name_any(),
            kafka: cluster.spec.version.clone(),
        });
    }
    for program in &report.operator {
        if let Some(tag) = program
            .image
            .rsplit_once(':')
            .map(|(_, tag)| tag)
            .filter(|tag| *tag != PLUGIN)
        {
            session.output.note(format!("{} runs {tag}, this plugin is {PLUGIN}; kubectl kafka install brings them together", program.name));
        }
    }
    session.output.report(&report)
}

/// What was read; nothing if it is not there or not ours to read.
fn seen<T>(session: &Session, what: &str, result: Result<T, kube::Error>) -> Result<Option<T>> {
    match result.map_err(Failure::from) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.code == Code::NotFound => Ok(None),
        Err(e) if e.code == Code::Denied => {
            session.output.note(format!("{what} may not be read: {e}"));
            Ok(None)
        }
        Err(e) => Err(e.at(&session.place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn without_a_server_only_the_plugin_is_told() {
        let report = Version::client();
        assert_eq!(
            Output::render(Format::Table, &report),
            format!("Plugin:      {PLUGIN}\n")
        );
        let json: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &report)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"apiVersion": API_VERSION, "kind": "Version", "plugin": PLUGIN})
        );
    }
}
