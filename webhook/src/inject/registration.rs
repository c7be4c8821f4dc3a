//! The webhook that gives Pods an identity. It never blocks a Pod: one that asks while no webhook answers starts without
//! what it asked for.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, RuleWithOperations,
};
use sdm_api::inject::{ANNOTATION, OPT_OUT};

use crate::registration::Endpoint;

/// Its name, as users read it in refusals.
pub const WEBHOOK: &str = "inject.kafka.sdm.dev";

/// The webhook as it should be, but for the certificates to trust.
#[must_use]
pub fn webhook(endpoint: &Endpoint) -> MutatingWebhook {
    let one = |word: &str| Some(vec![word.to_owned()]);
    let rule = RuleWithOperations {
        api_groups: one(""),
        api_versions: one("v1"),
        resources: one("pods"),
        operations: one("CREATE"),
        scope: Some("Namespaced".to_owned()),
    };
    let annotations = "object.metadata.annotations";
    MutatingWebhook {
        name: WEBHOOK.to_owned(),
        client_config: endpoint.client_config(super::PATH),
        rules: Some(vec![rule]),
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        // Others may add containers after us.
        reinvocation_policy: Some("IfNeeded".to_owned()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(3),
        admission_review_versions: vec!["v1".to_owned()],
        namespace_selector: Some(endpoint.elsewhere()),
        // Whoever does not ask never waits for us.
        match_conditions: Some(vec![MatchCondition {
            name: "asks".to_owned(),
            expression: format!(
                "has({annotations}) && '{ANNOTATION}' in {annotations} && {annotations}['{ANNOTATION}'] != '{OPT_OUT}'"
            ),
        }]),
        ..MutatingWebhook::default()
    }
}
