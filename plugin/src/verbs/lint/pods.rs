//! Pods that ask to be clients of a cluster, and what Pods are made from: what their template asks for is judged.
//!
//! Owns where the Pod is in an object, and how much can be said of it offline. The rest is `sdm_core::inject`'s.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_core::Violation;
use sdm_core::around::Around;
use sdm_core::inject::{Asked, Injection, Source, World, asked, decide};
use sdm_core::policy::{Client, Compiled};
use serde_json::{Value, json};

use super::{Look, Problem, Severity, about, by_name, of_finding, split, text};

/// Where the Pod is in objects of this kind, as a path and as a pointer; none if it is no kind that has one.
fn place(kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "Pod" => ("", ""),
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => ("spec.template.", "/spec/template"),
        "CronJob" => (
            "spec.jobTemplate.spec.template.",
            "/spec/jobTemplate/spec/template",
        ),
        _ => return None,
    })
}

/// Whether objects of this kind have a Pod in them.
pub fn has_pod(kind: &str) -> bool {
    place(kind).is_some()
}

/// What is wrong with what a Pod asks for; none if the object is no Pod's, or asks for nothing.
pub fn judge(
    (object, file): (&Value, &str),
    how: Look,
    around: &Around,
    policies: &Compiled,
    now: &Time,
) -> Option<Vec<Problem>> {
    let (path, pointer) = place(text(object, "/kind"))?;
    let template = object.pointer(pointer)?;
    // Most Pods ask for nothing, and of those nothing is read.
    template
        .pointer("/metadata/annotations")?
        .get(sdm_api::inject::ANNOTATION)?;
    let problem = |severity, field: &str, message: &str| Problem {
        severity,
        path: format!("{path}{field}").trim_end_matches('.').to_owned(),
        message: message.to_owned(),
        ..about(object, file)
    };
    // That is the webhook's to say, not a policy's.
    let refused = |violations: &[Violation]| {
        let said = violations.iter().filter(|_| how == Look::Everything);
        Some(
            said.map(|v| problem(Severity::Refused, &v.path, &v.message))
                .collect(),
        )
    };
    let namespace = text(object, "/metadata/namespace");
    let pod = json!({"metadata": template["metadata"], "spec": template["spec"]});
    let pod: Pod = match serde_json::from_value(pod) {
        Ok(pod) => pod,
        Err(error) => {
            let message = format!("does not fit the schema: {error}");
            return refused(&[Violation::invalid("", message)]);
        }
    };
    let asked = match asked(&pod, namespace) {
        Ok(asked) => asked?,
        Err(violation) => return refused(&[violation]),
    };
    let mut problems = Vec::new();
    let mut source = Source::PodCertificate;
    if let Some(world) = world(around, namespace, &asked) {
        match decide(&pod, namespace, &asked, &world) {
            Injection::Refused(violations) => return refused(&violations),
            Injection::Patch {
                warnings,
                source: from,
                ..
            } => {
                source = from;
                let warnings = warnings.iter().filter(|_| how == Look::Everything);
                problems.extend(warnings.map(|warning| {
                    let (field, message) = split(warning);
                    problem(Severity::Warning, field, message)
                }));
            }
        }
    }
    let named = by_name(namespace);
    let labels = around.labels(namespace).unwrap_or(&named);
    let client = Client::of(&pod, namespace, Some(labels), &asked, source, now);
    let findings = policies.judge_client(&client);
    problems.extend(findings.0.into_iter().map(|finding| {
        let found = of_finding(finding, object, file);
        Problem {
            path: format!("{path}{}", found.path),
            ..found
        }
    }));
    Some(problems)
}

/// What decides, if it is in the files. Whether pod certificates are served no file says: they are taken to be.
fn world<'a>(around: &'a Around, namespace: &str, asked: &Asked) -> Option<World<'a>> {
    let known = around.cluster(&asked.namespace, &asked.cluster).flatten()?;
    Some(World {
        served: true,
        cluster: Some(&known.cluster),
        labels: Some(around.labels(namespace)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, read};
    use super::super::{Look, judge};

    const AROUND: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: pay, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: out}
---
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaCluster
metadata: {name: events, namespace: streaming}
spec:
  version: 4.3.1
  pools: [{name: node, nodeIds: [0], storage: {volumes: [{name: d, size: 1Gi}]}}]
  listeners: [{name: clients, port: 9092}]
  tenancy: {allowedNamespaces: {matchLabels: {team: a}}}
---
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaPolicy
metadata: {name: short}
spec: {injection: {lifetime: {max: 12h}}}
";

    fn deployment(namespace: &str, annotations: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app, namespace: {namespace}}}\nspec:\n  template:\n    metadata: {{annotations: {annotations}}}\n    spec: {{serviceAccountName: app, containers: [{{name: app, image: i}}]}}\n"
        )
    }

    fn said(yaml: &str, how: Look) -> Vec<String> {
        let lint = judge(&read(yaml), &at("2026-06-01T00:00:00Z"), how);
        let items = lint.items.into_iter();
        items
            .filter(|i| i.kind == "Deployment")
            .map(|i| format!("{} {} {}", i.label(), i.path, i.message))
            .collect()
    }

    #[test]
    fn what_templates_ask_for_is_judged_as_the_webhook_would() {
        let events = |more: &str| format!("{{kafka.sdm.dev/inject: streaming/events{more}}}");
        let with = |d: String| format!("{AROUND}{d}");
        let day = events(", kafka.sdm.dev/inject-lifetime: 24h");
        let half = events(", kafka.sdm.dev/inject-lifetime: 12h");
        assert_eq!(
            said(&with(deployment("pay", &half)), Look::Everything),
            [""; 0]
        );
        let long = said(&with(deployment("pay", &day)), Look::Policies);
        assert_eq!(long.len(), 1, "{long:?}");
        assert!(
            long[0].starts_with("deployment/pay/app spec.template.metadata.annotations[kafka.sdm.dev/inject-lifetime]"),
            "{long:?}"
        );
        let kept_out = said(&with(deployment("out", &half)), Look::Everything);
        assert_eq!(kept_out.len(), 1, "{kept_out:?}");
        assert!(kept_out[0].contains("allowedNamespaces"), "{kept_out:?}");
        // Validators are silent where policies alone are tested.
        assert_eq!(
            said(&with(deployment("out", &half)), Look::Policies),
            [""; 0]
        );
        let nonsense = said(
            &with(deployment("pay", "{kafka.sdm.dev/inject: a/b/c}")),
            Look::Everything,
        );
        assert!(nonsense.concat().contains("is no cluster"), "{nonsense:?}");
    }

    #[test]
    fn what_is_no_pod_is_said_in_the_webhooks_words() {
        let broken = deployment("pay", "{kafka.sdm.dev/inject: events}")
            .replace("[{name: app, image: i}]", "7");
        let said = said(&broken, Look::Everything).concat();
        assert!(
            said.starts_with("deployment/pay/app spec.template does not fit the schema: "),
            "{said}"
        );
    }

    #[test]
    fn of_clusters_in_no_file_only_policies_speak() {
        let elsewhere = "{kafka.sdm.dev/inject: other, kafka.sdm.dev/inject-lifetime: 24h}";
        let said = |yaml: &str| said(yaml, Look::Everything);
        let found = said(&format!("{AROUND}{}", deployment("far", elsewhere)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            said(&format!("{AROUND}{}", deployment("far", "{}"))),
            [""; 0]
        );
    }
}
