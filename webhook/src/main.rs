//! The admission webhook's process: arguments, and the order in which things start and stop.
//!
//! Start: certificate, what is known of policies and clusters, then serving, then registration, so that API servers are
//! never sent to nobody, nor to somebody who does not know what is forbidden. Stop: not ready,
//! serve on until that is known everywhere, letting callers go with their answers, then drain.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{ArgAction, Parser};
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_runtime::{
    crypto, health, kube_client, shutdown, telemetry, tls_server,
    webhook_ca::{self, CaConfig, WebhookCa},
};
use sdm_webhook::{
    audit, evict, inject,
    registration::{Endpoint, Registration},
    server, watch,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long API servers may still send reviews after readiness is gone.
const LINGER: Duration = Duration::from_secs(5);

/// Validates Kafka resources before Kubernetes stores them, and gives Pods that ask for it an identity in Kafka.
#[derive(Parser)]
#[command(name = "sdm-webhook", version)]
struct Args {
    /// Where reviews are served, over TLS.
    #[arg(long, default_value = "0.0.0.0:9443", value_name = "ADDRESS")]
    address: SocketAddr,
    /// Where health and metrics are served, in plain HTTP.
    #[arg(long, default_value = health::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    health_address: SocketAddr,
    /// The namespace of the Secret `sdm-webhook-ca` and the Service `sdm-webhook`.
    #[arg(long, env = "POD_NAMESPACE", default_value = OPERATOR_NAMESPACE, value_name = "NAME")]
    namespace: String,
    /// This replica's name, part of its identity as a candidate for the lease of whoever audits.
    #[arg(
        long,
        env = "POD_NAME",
        default_value = "sdm-webhook",
        value_name = "NAME"
    )]
    pod_name: String,
    /// Write the webhook configurations, validating and mutating; `false` leaves it to others, such as GitOps.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    manage_registration: bool,
    /// Register this address instead of the Service: for running outside the cluster.
    #[arg(long, value_name = "https://HOST:PORT", value_parser = parse_url)]
    url: Option<Url>,
}

/// An address that API servers are told to dial.
#[derive(Clone)]
struct Url {
    text: String,
    host: String,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let authority = text
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    let authority = authority
        .filter(|rest| !rest.contains(['/', '?', '#', '@']))
        .ok_or("expected https://HOST:PORT")?;
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("expected https://HOST:PORT".to_owned());
    }
    Ok(Url {
        text: text.to_owned(),
        host: host.to_owned(),
    })
}

fn main() -> ExitCode {
    crypto::install();
    let args = Args::parse();
    telemetry::init();
    let result = telemetry::runtime()
        .context("starting the async runtime")
        .and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let asked_to_stop = shutdown::on_signal().context("installing signal handlers")?;
    let (stop_serving, stop_health) = (CancellationToken::new(), CancellationToken::new());

    let health = health::Health::new();
    health.metrics(|registry| {
        telemetry::register_metrics(registry, "sdm-webhook");
        webhook_ca::register_metrics(registry);
        server::register_metrics(registry);
        audit::register_metrics(registry);
    });
    let certificate = health.register("certificate");
    let policies_listed = health.register("policies");
    let registered = health.register("registration");
    let certificates_served = health.register("pod-certificates");
    let plain = TcpListener::bind(args.health_address)
        .await
        .with_context(|| format!("listening on {}", args.health_address))?;
    let health_server = tokio::spawn({
        let (health, stop) = (health.clone(), stop_health.clone());
        async move { health.serve_on(plain, stop).await }
    });

    let client = kube_client::client_for_server("sdm-webhook")
        .await
        .context("connecting to Kubernetes")?;
    let mut config = CaConfig::new(&args.namespace);
    config.host = args.url.as_ref().map(|url| url.host.clone());
    let ca = WebhookCa::new(client.clone(), config);
    if !ca.ready(&asked_to_stop).await {
        return Ok(());
    }
    certificate.set_ready(true, "");
    let mut watches = JoinSet::new();
    let served = inject::Served::start(&client, &mut watches);
    if asked_to_stop
        .run_until_cancelled(served.ready())
        .await
        .is_none()
    {
        return Ok(());
    }
    certificates_served.set_ready(true, "");

    let policies = watch::start(&client, &policies_listed, &mut watches);
    if !watch::ready(&policies, &asked_to_stop).await {
        return Ok(());
    }

    watches.spawn(audit::run(
        client.clone(),
        policies.clone(),
        args.namespace.clone(),
        args.pod_name.clone(),
        asked_to_stop.clone(),
    ));

    let listener = tls_server::listen(args.address)
        .with_context(|| format!("listening on {}", args.address))?;
    tracing::info!(address = %args.address, "serving");
    let router = server::router(policies.clone())
        .merge(evict::router(client.clone(), &args.namespace))
        .merge(inject::router(served, policies.clone()));
    let mut server = tokio::spawn(tls_server::serve(
        listener,
        tls_server::parting(router, asked_to_stop.clone()),
        std::sync::Arc::new(ca.resolver()),
        tls_server::ServerOptions::default(),
        stop_serving.clone(),
    ));
    let endpoint = match args.url.clone() {
        Some(url) => Endpoint::Url(url.text),
        None => Endpoint::Service {
            namespace: args.namespace.clone(),
        },
    };
    let managed = args.manage_registration;
    let registration =
        Registration::new(client, endpoint, policies.filled_in(), managed, registered);
    tokio::select! {
        () = ca.maintain(registration, asked_to_stop) => {}
        // It ends when told to, or when it could not begin; the latter must not go unnoticed.
        ended = &mut server => {
            ended.context("the server task")?.context("serving")?;
            anyhow::bail!("the server ended by itself");
        }
    }

    health.set_draining();
    tokio::time::sleep(LINGER).await;
    stop_serving.cancel();
    server
        .await
        .context("the server task")?
        .context("serving")?;
    stop_health.cancel();
    health_server.await.context("the health task")?;
    tracing::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_url_is_an_https_address_and_nothing_more() {
        for (text, host) in [
            ("https://127.0.0.1:9443", Some("127.0.0.1")),
            ("https://webhook.example/", Some("webhook.example")),
            ("https://[::1]:9443", Some("::1")),
            ("http://127.0.0.1:9443", None),
            ("https://host/validate", None),
            ("https://:9443", None),
        ] {
            assert_eq!(
                parse_url(text).ok().map(|url| url.host).as_deref(),
                host,
                "{text}"
            );
        }
    }
}
