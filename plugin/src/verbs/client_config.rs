//! `client-config`: the configuration that Kafka's own tools and any Java client need, from an identity's Secret.
//!
//! The operator writes `client.properties` into the administrator's Secret; for another identity it is made here from
//! its certificate. It holds a private key, so a file is only readable by its owner.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::ValueEnum;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use sdm_api::{KafkaCluster, ListenerTls, names};
use serde::Serialize;

use crate::exit::{Code, Failure, Result};
use crate::kafka::{listener, secret_key};
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

/// Arguments of `client-config`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  kubectl kafka client-config -c events --write client.properties\n  kafka-topics.sh --bootstrap-server events-bootstrap.streaming.svc:9092 --command-config client.properties --list\n\nThe bootstrap address is one inside the Kubernetes cluster."
)]
pub struct Args {
    /// Write it into this file (mode 0600) instead of standard output
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "write")]
    force: bool,
    /// The format
    #[arg(long, value_enum, default_value = "properties", value_name = "FORMAT")]
    format: ConfigFormat,
    /// The Secret (tls.crt, tls.key, ca.crt) to speak as; the cluster's administrator if not given
    #[arg(long, value_name = "SECRET")]
    identity: Option<String>,
    /// The listener; the first one with mutual TLS if not given
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
}

/// Formats of a client configuration.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ConfigFormat {
    /// For Kafka's own tools and Java clients
    Properties,
    /// For librdkafka: kcat -F, confluent-kafka
    Librdkafka,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    api_version: &'static str,
    kind: &'static str,
    bootstrap_servers: String,
    listener: String,
    identity: String,
    text: String,
    #[serde(skip)]
    cluster: String,
}

impl Report for ClientConfig {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.line(self.text.trim_end())
    }
    fn names(&self) -> Vec<String> {
        vec![format!("secret/{}", self.identity)]
    }
}

/// Prints or writes the configuration.
///
/// # Errors
/// When the identity is missing, or the file exists.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let cluster = session.cluster(None).await?;
    let name = cluster.name_any();
    let listener = listener(&cluster, args.listener.as_deref())?;
    let identity = args
        .identity
        .clone()
        .unwrap_or_else(|| names::admin_secret(&name));
    let (api, namespace) = match args.identity {
        Some(_) => (session.namespaced::<Secret>(), session.namespace.as_str()),
        None => (session.beside_cluster(), session.cluster_namespace()),
    };
    let secret = api.get_opt(&identity).await;
    let secret = secret
        .map_err(|e| session.failed_in(namespace, &format!("read secret {identity}"), e))?
        .ok_or_else(|| {
            Failure::new(Code::NotFound, format!("there is no Secret {identity}"))
                .at(format!("cluster {name}, namespace {namespace}"))
                .hint(format!(
                    "kubectl kafka status {name} -n {}",
                    session.cluster_namespace()
                ))
        })?;
    let servers = servers(
        &cluster,
        &listener.name,
        listener.port,
        session.cluster_namespace(),
    );
    let ready = secret_key(&secret, "client.properties")
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let text = match ready {
        Some(text) if args.listener.is_none() && args.format == ConfigFormat::Properties => text,
        _ => compose(args.format, &secret, &servers, listener.tls)?,
    };
    let config = ClientConfig {
        api_version: API_VERSION,
        kind: "ClientConfig",
        bootstrap_servers: servers,
        listener: listener.name.clone(),
        identity,
        text,
        cluster: name,
    };
    match &args.write {
        None => session.output.report(&config),
        Some(path) => {
            write(path, args.force, &config.text)?;
            session
                .output
                .line(&format!("{} written", path.display()))?;
            session.output.progress(format!(
                "bootstrap.servers of cluster {}: {}",
                config.cluster, config.bootstrap_servers
            ));
            Ok(())
        }
    }
}

fn servers(cluster: &KafkaCluster, listener: &str, port: i32, namespace: &str) -> String {
    let told = cluster
        .status
        .iter()
        .flat_map(|s| &s.listeners)
        .find(|l| l.name == listener);
    told.map_or_else(
        || {
            format!(
                "{}:{port}",
                names::bootstrap_dns(&cluster.name_any(), namespace)
            )
        },
        |l| l.bootstrap_servers.clone(),
    )
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it exists, unless it is to be replaced.
pub fn write(path: &PathBuf, force: bool, text: &str) -> Result<()> {
    let failed = |e: io::Error| {
        if e.kind() == io::ErrorKind::AlreadyExists {
            return Failure::new(Code::Conflict, format!("{} exists", path.display()))
                .hint("add --force to replace it");
        }
        Failure::from(e).doing(path.display())
    };
    // A file that exists keeps its mode, so it is replaced and not reused.
    if force
        && let Err(e) = std::fs::remove_file(path)
        && e.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(e));
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn compose(
    format: ConfigFormat,
    secret: &Secret,
    servers: &str,
    tls: ListenerTls,
) -> Result<String> {
    let pem = |key: &str| {
        let bytes = secret_key(secret, key).ok_or_else(|| {
            Failure::general(format!("Secret {} has no {key}", secret.name_any()))
        })?;
        Ok::<_, Failure>(String::from_utf8_lossy(bytes).trim().to_owned())
    };
    let mut lines = vec![format!("bootstrap.servers={servers}")];
    let java = format == ConfigFormat::Properties;
    // Java properties go on in the next line after a backslash; librdkafka reads \n as a line feed.
    let inline = |pem: String| {
        if java {
            pem.replace('\n', "\\n\\\n")
        } else {
            pem.replace('\n', "\\n")
        }
    };
    match tls {
        ListenerTls::None => lines.push("security.protocol=PLAINTEXT".to_owned()),
        ListenerTls::Mtls | ListenerTls::Server => {
            lines.push("security.protocol=SSL".to_owned());
            let ca = inline(pem("ca.crt")?);
            lines.push(if java {
                format!("ssl.truststore.type=PEM\nssl.truststore.certificates={ca}")
            } else {
                format!("ssl.ca.pem={ca}")
            });
        }
    }
    if tls == ListenerTls::Mtls {
        let (chain, key) = (inline(pem("tls.crt")?), inline(pem("tls.key")?));
        lines.push(if java {
            format!("ssl.keystore.type=PEM\nssl.keystore.certificate.chain={chain}\nssl.keystore.key={key}")
        } else {
            format!("ssl.certificate.pem={chain}\nssl.key.pem={key}")
        });
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        let data =
            serde_json::json!({"tls.crt": "QQpCCg==", "tls.key": "SwpFCg==", "ca.crt": "Qwo="});
        serde_json::from_value(serde_json::json!({"metadata": {"name": "me"}, "data": data}))
            .unwrap()
    }

    #[test]
    fn every_line_of_a_certificate_ends_up_in_its_property() {
        assert_eq!(
            compose(
                ConfigFormat::Properties,
                &secret(),
                "h:1",
                ListenerTls::Mtls
            )
            .unwrap(),
            "bootstrap.servers=h:1\nsecurity.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates=C\n\
             ssl.keystore.type=PEM\nssl.keystore.certificate.chain=A\\n\\\nB\nssl.keystore.key=K\\n\\\nE\n"
        );
        let kcat = compose(
            ConfigFormat::Librdkafka,
            &secret(),
            "h:1",
            ListenerTls::Mtls,
        )
        .unwrap();
        assert!(kcat.contains("ssl.certificate.pem=A\\nB\n"), "{kcat}");
    }

    #[test]
    fn no_more_is_told_than_the_listener_needs() {
        let plain = compose(
            ConfigFormat::Properties,
            &secret(),
            "h:1",
            ListenerTls::None,
        )
        .unwrap();
        assert_eq!(
            plain,
            "bootstrap.servers=h:1\nsecurity.protocol=PLAINTEXT\n"
        );
        assert!(
            !compose(
                ConfigFormat::Properties,
                &secret(),
                "h:1",
                ListenerTls::Server
            )
            .unwrap()
            .contains("keystore")
        );
    }
}
