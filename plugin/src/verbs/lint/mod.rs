//! `lint`: what the webhook would say of manifests in files, without a cluster: every validator, and the policies that
//! are in the files as well. `pods` judges those who ask to be clients.

mod pods;
mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::KafkaPolicy;
use sdm_api::policy::PolicyKind;
use sdm_core::around::Around;
use sdm_core::kinds;
use sdm_core::policy::{Compiled, Finding, Findings, Outcome, World};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};
use crate::files;
use crate::flags::Global;
use crate::output::{API_VERSION, Output};

/// Arguments of `lint`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "KafkaPolicies in the files hold for the objects in the files; Namespaces and KafkaClusters in them are what policies go by. Pods and what makes them (Deployments, CronJobs and so on) are judged if they ask to be clients. Objects without a namespace are taken to be in -n, or default. Exits with 4 if anything would be refused.\nExamples:\n  kubectl kafka lint -f manifests/\n  kubectl kafka lint -f manifests/ -f policies/production-baseline.yaml"
)]
pub struct Args {
    /// Files or directories with resources, - for standard input; may be repeated
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<String>,
    /// The time to judge at, for exceptions that end; now if not given
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Validators and policies.
    Everything,
    /// Policies alone.
    Policies,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lint {
    api_version: &'static str,
    kind: &'static str,
    objects: usize,
    policies: usize,
    items: Vec<Problem>,
}

/// One thing that is wrong, or unwise.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Problem {
    severity: Severity,
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    message: String,
    /// Of a policy: its name, and the part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum Severity {
    /// It would be refused.
    Refused,
    /// It would be accepted, with a warning.
    Warning,
    /// It would be accepted, and counted against the policy.
    Audit,
}

/// Looks at files.
///
/// # Errors
/// With 4 when something would be refused; when files cannot be read, or hold nothing to look at.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    look(global, &args.filename, args.at, Look::Everything)
}

/// Looks at files, as `lint` and `policy test` do.
///
/// # Errors
/// As [`run`].
pub fn look(global: &Global, paths: &[String], at: Option<Timestamp>, how: Look) -> Result<()> {
    let output = Output::new(global);
    let namespace = global.namespace.as_deref().unwrap_or("default");
    let mut objects = files::read_any(paths)?;
    for (object, _) in &mut objects {
        settle(object, namespace);
    }
    let now = Time(at.unwrap_or_else(Timestamp::now));
    let lint = judge(&objects, &now, how);
    if lint.objects + lint.policies == 0 {
        return Err(Failure::usage(
            "there are no resources of Kafka in the files, and no Pods that ask to be clients of it",
        ));
    }
    if how == Look::Policies && lint.policies == 0 {
        return Err(Failure::usage("there is no KafkaPolicy in the files")
            .hint("kubectl kafka policy test -f policy.yaml -f objects/"));
    }
    let refused = lint.refused() > 0;
    output.report(&lint)?;
    if refused {
        Err(Failure::silent(Code::Unhealthy))
    } else {
        Ok(())
    }
}

/// As the API server would: what has a namespace is in one, a namespace has its name as a label, and what a definition has
/// a default for has a value.
fn settle(object: &mut Value, namespace: &str) {
    *object = kinds::completed(object);
    let kind = object.get("kind").and_then(Value::as_str);
    let kind = kind.unwrap_or_default().to_owned();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    if kind == "Namespace" {
        let name = metadata.get("name").cloned().unwrap_or_default();
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert("kubernetes.io/metadata.name".to_owned(), name);
        }
    } else if PolicyKind::from_name(&kind).is_some() || pods::has_pod(&kind) {
        metadata
            .entry("namespace")
            .or_insert_with(|| namespace.into());
    }
}

fn judge(objects: &[(Value, String)], now: &Time, how: Look) -> Lint {
    let (mut world, mut around) = (World::default(), Around::default());
    let mut policies: Vec<KafkaPolicy> = Vec::new();
    for (object, _) in objects {
        world.take(object);
        around.take(object);
        if is(object, "KafkaPolicy")
            && let Ok(policy) = serde_json::from_value(object.clone())
        {
            policies.push(policy);
        }
    }
    // A namespace that is in no file has its name and no labels: the same answer each time, with or without a cluster.
    for (object, _) in objects {
        let namespace = text(object, "/metadata/namespace");
        if !namespace.is_empty() && !world.knows_namespace(namespace) {
            world.set_namespace(namespace, &by_name(namespace));
        }
    }
    let compiled = Compiled::new(&policies);
    let (mut items, mut seen) = (Vec::new(), 0);
    for (object, file) in objects {
        let Some(kind) = kind_of(object) else {
            let problems = pods::judge((object, file), how, &around, &compiled, now);
            seen += usize::from(problems.is_some());
            items.extend(problems.into_iter().flatten());
            continue;
        };
        let of_policy = is(object, "KafkaPolicy");
        if how == Look::Everything || of_policy {
            let review = kind.review(object, None, &around);
            let problem = |severity, path: &str, message: &str| Problem {
                severity,
                path: path.to_owned(),
                message: message.to_owned(),
                ..about(object, file)
            };
            for v in &review.violations {
                items.push(problem(Severity::Refused, &v.path, &v.message));
            }
            for warning in &review.warnings {
                let (path, message) = split(warning);
                items.push(problem(Severity::Warning, path, message));
            }
        }
        if !of_policy {
            seen += 1;
            let findings = findings(&compiled, &world, object, now);
            items.extend(findings.0.into_iter().map(|f| of_finding(f, object, file)));
        }
    }
    Lint {
        api_version: API_VERSION,
        kind: "LintReport",
        objects: seen,
        policies: policies.len(),
        items,
    }
}

/// What policies find, as if the object were being created; with their defaults filled in before.
fn findings(compiled: &Compiled, world: &World, object: &Value, now: &Time) -> Findings {
    let Some(kind) = PolicyKind::from_name(text(object, "/kind")) else {
        return Findings::default();
    };
    let (namespace, name) = (
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    );
    let request = json!({
        "operation": "CREATE", "namespace": namespace, "name": name,
        "userInfo": {"username": "", "groups": []},
    });
    let mut asked = world.ask(kind, (namespace, name), object, now);
    asked.request = Some(&request);
    let defaulted = compiled.defaulted(&asked);
    asked.object = defaulted.as_ref().unwrap_or(object);
    compiled.judge(&asked)
}

/// The labels of a namespace that is in no file.
fn by_name(namespace: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(
        "kubernetes.io/metadata.name".to_owned(),
        namespace.to_owned(),
    )])
}

/// The field that a warning is about, and what it says.
fn split(warning: &str) -> (&str, &str) {
    warning.split_once(": ").unwrap_or(("", warning))
}

fn of_finding(finding: Finding, object: &Value, file: &str) -> Problem {
    Problem {
        severity: match finding.outcome {
            Outcome::Refuse => Severity::Refused,
            Outcome::Warn | Outcome::Stored => Severity::Warning,
            Outcome::Count => Severity::Audit,
        },
        path: finding.path,
        message: finding.message,
        policy: Some(finding.policy),
        rule: Some(finding.rule),
        ..about(object, file)
    }
}

fn about(object: &Value, file: &str) -> Problem {
    Problem {
        severity: Severity::Warning,
        kind: text(object, "/kind").to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        file: file.to_owned(),
        path: String::new(),
        message: String::new(),
        policy: None,
        rule: None,
    }
}

/// The object's kind, if it is one of Kafka.
fn kind_of(object: &Value) -> Option<&'static kinds::Kind> {
    let group = text(object, "/apiVersion").split('/').next();
    kinds::find(text(object, "/kind")).filter(|_| group == Some(sdm_api::GROUP))
}

fn is(object: &Value, kind: &str) -> bool {
    kind_of(object).is_some_and(|k| k.name == kind)
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    let text = object.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
