//! What policies say of Pods that ask to be clients of a cluster.
//!
//! Pods are no objects of ours, and most of them ask for nothing: so no rule in CEL speaks of them, and what is judged is
//! what a Pod asks for and not the Pod. Nothing here needs a policy to be compiled, so that the controller, which has no use
//! for CEL, judges certificates by the same limits as the webhook judges Pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::inject::{ANNOTATION, ANNOTATION_LIFETIME};
use sdm_api::policy::{DurationRange, InjectionLimits, KafkaPolicySpec};

use super::compile::Compiled;
use super::findings::{Finding, Findings, Outcome};
use super::glob;
use super::judge::unknown;
use super::scope::{Scope, clustered, excepted, selected};
use crate::inject::{Asked, Source, account, written};
use crate::outcome::Refusal;
use crate::user::parse_duration;

/// What a Pod asks for, or a certificate for one.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The Pod's namespace.
    pub namespace: &'a str,
    /// The labels of that; none while they are not known.
    pub namespace_labels: Option<&'a BTreeMap<String, String>>,
    /// The Pod's own labels.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// Its service account.
    pub account: &'a str,
    /// The cluster's namespace and name.
    pub cluster: (&'a str, &'a str),
    /// How long a certificate is to be valid, in seconds.
    pub lifetime: i64,
    /// Where the key comes from.
    pub source: Source,
    /// What time it is.
    pub now: &'a Time,
}

impl<'a> Client<'a> {
    /// The client that a Pod in `namespace` asks to be.
    #[must_use]
    pub fn of(
        pod: &'a Pod,
        namespace: &'a str,
        namespace_labels: Option<&'a BTreeMap<String, String>>,
        asked: &'a Asked,
        source: Source,
        now: &'a Time,
    ) -> Self {
        Self {
            namespace,
            namespace_labels,
            labels: pod.metadata.labels.as_ref(),
            account: account(pod),
            cluster: (&asked.namespace, &asked.cluster),
            lifetime: asked.lifetime,
            source,
            now,
        }
    }
}

impl Compiled {
    /// What all policies find wrong with a client.
    #[must_use]
    pub fn judge_client(&self, client: &Client<'_>) -> Findings {
        let all = self.policies.iter();
        judge(all.map(|p| (p.name.as_str(), &p.spec)), client)
    }

    /// Whether a policy speaks of clients at all.
    #[must_use]
    pub fn speaks_of_clients(&self) -> bool {
        self.policies.iter().any(|p| p.spec.injection.is_some())
    }
}

/// Why policies, each by its name, forbid a client; none if they do not.
pub fn forbidden<'p>(
    policies: impl IntoIterator<Item = (&'p str, &'p KafkaPolicySpec)>,
    client: &Client<'_>,
) -> Option<Refusal> {
    let findings = judge(policies, client);
    let first = findings.of(Outcome::Refuse).next()?;
    Some(Refusal {
        reason: "ForbiddenByPolicy",
        message: first.sentence(),
        // What is not known yet is asked again.
        waits: client.namespace_labels.is_none(),
    })
}

fn judge<'p>(
    policies: impl IntoIterator<Item = (&'p str, &'p KafkaPolicySpec)>,
    client: &Client<'_>,
) -> Findings {
    let mut findings = Vec::new();
    for (policy, spec) in policies {
        let Some(limits) = &spec.injection else {
            continue;
        };
        match scope(spec, client) {
            Scope::Out => {}
            Scope::Unknown => {
                findings.extend(unknown(policy, spec.enforcement, client.namespace));
            }
            Scope::In => check(limits, client, |rule, path, message| {
                let place = (client.namespace, client.account);
                if !excepted(spec, rule, place, client.now) {
                    findings.push(Finding {
                        policy: policy.to_owned(),
                        rule: rule.to_owned(),
                        path,
                        message,
                        outcome: spec.enforcement.into(),
                    });
                }
            }),
        }
    }
    findings.sort();
    Findings(findings)
}

fn scope(spec: &KafkaPolicySpec, client: &Client<'_>) -> Scope {
    let matches = &spec.match_;
    let has = |(key, value)| client.labels.and_then(|l| l.get(key)) == Some(value);
    if !glob::any(&matches.namespaces, client.namespace)
        || !matches.labels.iter().all(has)
        || !(matches.clusters.is_empty() || clustered(&matches.clusters, Some(client.cluster)))
    {
        return Scope::Out;
    }
    selected(matches.namespace_selector.as_ref(), || {
        client.namespace_labels
    })
}

fn check(
    limits: &InjectionLimits,
    client: &Client<'_>,
    mut found: impl FnMut(&str, String, String),
) {
    let annotation = |key: &str| format!("metadata.annotations[{key}]");
    if !limits.clusters.is_empty() {
        let own = |pattern: &String| pattern.replace(glob::NAMESPACE, client.namespace);
        let allowed: Vec<String> = limits.clusters.iter().map(own).collect();
        if !clustered(&allowed, Some(client.cluster)) {
            let (namespace, name) = client.cluster;
            let message = format!(
                "Pods here may not be clients of {namespace}/{name}: use {}",
                allowed.join(" or ")
            );
            found("injection.clusters", annotation(ANNOTATION), message);
        }
    }
    let accounts = &limits.forbidden_service_accounts;
    if accounts.iter().any(|p| glob::matches(p, client.account)) {
        let message = format!(
            "the service account {:?} may not be a client: give the Pod one of its own",
            client.account
        );
        let path = "spec.serviceAccountName".to_owned();
        found("injection.forbiddenServiceAccounts", path, message);
    }
    if let Some(message) = limits.lifetime.as_ref().and_then(|r| outside(r, client)) {
        found(
            "injection.lifetime",
            annotation(ANNOTATION_LIFETIME),
            message,
        );
    }
    if limits.forbid_secrets && client.source == Source::Secret {
        let message = "the key would be in a Secret, because this Kubernetes serves no pod certificates or the cluster says so \
                       (spec.injection.mode): use a cluster whose clients' keys are made by kubelets";
        found(
            "injection.forbidSecrets",
            annotation(ANNOTATION),
            message.to_owned(),
        );
    }
}

fn outside(range: &DurationRange, client: &Client<'_>) -> Option<String> {
    let (value, given) = (client.lifetime, written(client.lifetime));
    let parse = |text: &Option<String>| parse_duration(text.as_deref()?).ok();
    match (parse(&range.min), parse(&range.max)) {
        (Some(min), _) if value < min => Some(format!(
            "{given} is too short: use at least {}",
            written(min)
        )),
        (_, Some(max)) if value > max => {
            Some(format!("{given} is too long: use at most {}", written(max)))
        }
        _ => None,
    }
}
