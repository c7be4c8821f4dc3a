//! How the API server is reached: the kubeconfig or the pod's own account, and the flags on top of it.

use std::time::Duration;

use kube::Config;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::exit::{Failure, Result};
use crate::flags::Global;

/// The configuration of the kubeconfig, or of the pod we run in, and its name for messages.
pub(super) async fn read(global: &Global) -> Result<(Config, String)> {
    let options = KubeConfigOptions {
        context: global.context.clone(),
        cluster: global.cluster.clone(),
        user: global.user.clone(),
    };
    let read = match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let chosen = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    match read {
        Ok(file) => {
            let context = global
                .context
                .clone()
                .or_else(|| file.current_context.clone());
            let place = format!(
                "context {}",
                context
                    .as_deref()
                    .filter(|c| !c.is_empty())
                    .unwrap_or("<none>")
            );
            match (
                Config::from_custom_kubeconfig(file, &options).await,
                &global.server,
            ) {
                (Ok(config), _) => Ok((config, place)),
                (Err(_), Some(server)) if !chosen => {
                    Ok((bare(server)?, format!("server {server}")))
                }
                (Err(error), _) => Err(unusable(&error, global).at(place)),
            }
        }
        Err(error) => {
            if let Some(server) = global
                .server
                .as_deref()
                .filter(|_| global.kubeconfig.is_none() && !chosen)
            {
                return Ok((bare(server)?, format!("server {server}")));
            }
            match Config::incluster() {
                Ok(config) if global.kubeconfig.is_none() && !chosen => {
                    Ok((config, "this pod's service account".to_owned()))
                }
                _ => Err(unusable(&error, global)),
            }
        }
    }
}

fn bare(server: &str) -> Result<Config> {
    let uri = server
        .parse()
        .map_err(|e| Failure::usage(format!("--server {server}: {e}")))?;
    Ok(Config::new(uri))
}

fn unusable(error: &KubeconfigError, global: &Global) -> Failure {
    let failure = Failure::general(format!("no usable kubeconfig: {error}"));
    match (error, &global.kubeconfig) {
        (KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet, _) => {
            failure.hint("kubectl config get-contexts")
        }
        (_, Some(_)) => failure.hint("check the path given with --kubeconfig"),
        _ => failure.hint("set KUBECONFIG, or give --kubeconfig FILE"),
    }
}

/// What the flags say of it.
pub(super) fn apply(config: &mut Config, global: &Global) -> Result<()> {
    sdm_runtime::kube_client::set_user_agent(
        config,
        &sdm_runtime::kube_client::user_agent("kubectl-kafka"),
    );
    config.default_retry = false;
    if !global.request_timeout.is_zero() {
        config.connect_timeout = Some(global.request_timeout.min(Duration::from_secs(30)));
    }
    if let Some(server) = &global.server {
        config.cluster_url = bare(server)?.cluster_url;
    }
    if let Some(name) = &global.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if global.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    if let Some(token) = &global.token {
        // The kubeconfig's own reader makes the secret string, and a token given here excludes other credentials.
        let (user, groups) = (
            config.auth_info.impersonate.take(),
            config.auth_info.impersonate_groups.take(),
        );
        config.auth_info =
            serde_json::from_value::<AuthInfo>(serde_json::json!({ "token": token }))
                .map_err(|_| Failure::usage("--token: not usable"))?;
        config.auth_info.impersonate = user;
        config.auth_info.impersonate_groups = groups;
    }
    if !global.as_group.is_empty() && global.as_user.is_none() {
        return Err(Failure::usage(
            "--as-group needs --as: Kubernetes does not let a group act without a user",
        ));
    }
    if let Some(user) = &global.as_user {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups =
            (!global.as_group.is_empty()).then(|| global.as_group.clone());
    }
    Ok(())
}
