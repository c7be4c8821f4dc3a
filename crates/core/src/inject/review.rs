//! The whole verdict on a Pod that asks: by what is known around it, and by policies.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ask::Asked;
use super::decide::{Injection, World, decide};
use crate::around::Around;
use crate::policy::{Client, Compiled};

/// What becomes of a Pod in `namespace` that asks for `asked`. `served`: whether this Kubernetes has pod certificates.
#[must_use]
pub fn review(
    pod: &Pod,
    namespace: &str,
    asked: &Asked,
    served: bool,
    around: &Around,
    policies: &Compiled,
    now: &Time,
) -> Injection {
    let found = around.cluster(&asked.namespace, &asked.cluster).flatten();
    let world = World {
        served,
        cluster: found.map(|known| &known.cluster),
        labels: around.labels(namespace),
    };
    let (operations, mut warnings, source) = match decide(pod, namespace, asked, &world) {
        Injection::Patch {
            operations,
            warnings,
            source,
        } => (operations, warnings, source),
        refused @ Injection::Refused(_) => return refused,
    };
    let client = Client::of(pod, namespace, world.labels, asked, source, now);
    let said = policies.judge_client(&client).review();
    if !said.violations.is_empty() {
        return Injection::Refused(said.violations);
    }
    warnings.extend(said.warnings);
    Injection::Patch {
        operations,
        warnings,
        source,
    }
}
