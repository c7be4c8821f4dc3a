//! What the programs may do at the API server: one table each, from which the RBAC manifests are generated.
//!
//! Owns the tables and their rendering as `ClusterRole`, `Role` and bindings. A call that the code makes and these
//! tables do not name fails at run time, so they change together. Writing files is the generator's business.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use kube::api::ObjectMeta;

/// Where a permission holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In all namespaces, and for objects without one.
    Cluster,
    /// In the operator's own namespace only.
    Own,
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Permission {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural resource, with `/subresource` where it is one.
    pub resource: &'static str,
    /// Only these objects; empty for all. Cannot restrict `create` or `list`.
    pub names: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// Where.
    pub scope: Scope,
}

const fn cluster(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Permission {
    Permission {
        group,
        resource,
        names: &[],
        verbs,
        scope: Scope::Cluster,
    }
}

const fn own(
    group: &'static str,
    resource: &'static str,
    names: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Permission {
    Permission {
        group,
        resource,
        names,
        verbs,
        scope: Scope::Own,
    }
}

const KAFKA: &str = "kafka.sdm.dev";
const CERTIFICATES: &str = "certificates.k8s.io";
/// Seen in a cache, and written by server-side apply. (An apply that creates needs `create` as well as `patch`.)
const OWNED: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// What the controller does.
pub const CONTROLLER: &[Permission] = &[
    cluster(KAFKA, "kafkaclusters", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkaclusters/status", &["patch"]),
    // Objects with an owner reference that blocks deletion need this where that admission plugin is on (OpenShift).
    cluster(KAFKA, "kafkaclusters/finalizers", &["update"]),
    cluster(KAFKA, "kafkatopics", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkatopics/status", &["patch"]),
    cluster(KAFKA, "kafkausers", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkausers/status", &["patch"]),
    // Delivered Secrets refer to their user as owner.
    cluster(KAFKA, "kafkausers/finalizers", &["update"]),
    cluster(KAFKA, "kafkaroles", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkaroles/status", &["patch"]),
    cluster(KAFKA, "kafkaacls", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkaacls/status", &["patch"]),
    cluster(KAFKA, "kafkaaccessgrants", &["get", "list", "watch"]),
    cluster(KAFKA, "kafkaaccessgrants/status", &["patch"]),
    // Tenancy goes by the labels of namespaces.
    cluster("", "namespaces", &["get", "list", "watch"]),
    cluster("", "pods", OWNED),
    // The readiness gate.
    cluster("", "pods/status", &["patch"]),
    cluster("", "configmaps", OWNED),
    // A cluster's persisted decisions are replaced on the ground of the version they were read from, not applied.
    cluster("", "configmaps", &["update"]),
    cluster("", "persistentvolumeclaims", OWNED),
    cluster("", "services", OWNED),
    cluster("", "serviceaccounts", OWNED),
    // Certificates and keys of clusters, wherever clusters are.
    cluster("", "secrets", OWNED),
    // A delivered Secret is replaced over the version that is known, so that nobody else's is taken over.
    cluster("", "secrets", &["update"]),
    cluster("policy", "poddisruptionbudgets", OWNED),
    // Racks are zones of nodes.
    cluster("", "nodes", &["get", "list", "watch"]),
    cluster("events.k8s.io", "events", &["create", "patch"]),
    // Client certificates for Pods that ask for them: by the limits of policies requests are answered, and what to trust is
    // published.
    cluster(KAFKA, "kafkapolicies", &["list", "watch"]),
    cluster(CERTIFICATES, "podcertificaterequests", &["list", "watch"]),
    cluster(CERTIFICATES, "podcertificaterequests/status", &["patch"]),
    cluster(
        CERTIFICATES,
        "clustertrustbundles",
        &["list", "watch", "create", "patch", "delete"],
    ),
    Permission {
        // All signers of our domain: one for each cluster.
        names: &["kafka.sdm.dev/*"],
        ..cluster(CERTIFICATES, "signers", &["sign", "attest"])
    },
    own("coordination.k8s.io", "leases", &[], &["create"]),
    own(
        "coordination.k8s.io",
        "leases",
        &["sdm-controller"],
        &["get", "update"],
    ),
];

/// What the webhook does. A review brings what is judged; besides it reads policies, and what policies go by.
pub const WEBHOOK: &[Permission] = &[
    cluster(KAFKA, "kafkapolicies", &["list", "watch"]),
    // The audit reads whatever a policy can be about, and says what it found.
    cluster(KAFKA, "kafkapolicies/status", &["patch"]),
    cluster(KAFKA, "kafkaacls", &["list"]),
    own("coordination.k8s.io", "leases", &[], &["create"]),
    own(
        "coordination.k8s.io",
        "leases",
        &["sdm-policy-audit"],
        &["get", "update"],
    ),
    // What objects are judged by: the cluster, whose a topic is, what was granted, which users and roles there are.
    cluster(KAFKA, "kafkaclusters", &["list", "watch"]),
    cluster(KAFKA, "kafkatopics", &["list", "watch"]),
    cluster(KAFKA, "kafkausers", &["list", "watch"]),
    cluster(KAFKA, "kafkaroles", &["list", "watch"]),
    cluster(KAFKA, "kafkaaccessgrants", &["list", "watch"]),
    // Whether volumes can grow.
    cluster("storage.k8s.io", "storageclasses", &["list"]),
    // One that was made a moment ago may not have been told of yet, so it is asked for.
    cluster("", "namespaces", &["get", "list", "watch"]),
    cluster(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["create"],
    ),
    Permission {
        names: &["sdm-webhook"],
        ..cluster(
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations",
            &["get", "patch"],
        )
    },
    cluster(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["create"],
    ),
    Permission {
        names: &["sdm-webhook"],
        ..cluster(
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations",
            &["get", "patch"],
        )
    },
    // Whose Pod is to be evicted, and what the controller says of it.
    cluster("", "pods", &["get"]),
    // The audit's, of Pods that have an identity.
    cluster("", "pods", &["list"]),
    own("", "configmaps", &[], &["create"]),
    own("", "configmaps", &["sdm-evictions"], &["get", "patch"]),
    own("", "secrets", &[], &["create"]),
    own("", "secrets", &["sdm-webhook-ca"], &["get", "update"]),
];

/// The `ClusterRole` of a program.
#[must_use]
pub fn cluster_role(name: &str, table: &[Permission]) -> ClusterRole {
    ClusterRole {
        metadata: metadata(name, None),
        rules: Some(rules(table, Scope::Cluster)),
        aggregation_rule: None,
    }
}

/// The `Role` of a program in the operator's own namespace.
#[must_use]
pub fn role(name: &str, namespace: &str, table: &[Permission]) -> Role {
    Role {
        metadata: metadata(name, Some(namespace)),
        rules: Some(rules(table, Scope::Own)),
    }
}

/// Gives the `ClusterRole` `name` to the service account `name` of `namespace`.
#[must_use]
pub fn cluster_role_binding(name: &str, namespace: &str) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: metadata(name, None),
        role_ref: role_ref("ClusterRole", name),
        subjects: Some(vec![subject(name, namespace)]),
    }
}

/// Gives the `Role` `name` to the service account `name`, both in `namespace`.
#[must_use]
pub fn role_binding(name: &str, namespace: &str) -> RoleBinding {
    RoleBinding {
        metadata: metadata(name, Some(namespace)),
        role_ref: role_ref("Role", name),
        subjects: Some(vec![subject(name, namespace)]),
    }
}

fn rules(table: &[Permission], scope: Scope) -> Vec<PolicyRule> {
    let rule = |permission: &Permission| PolicyRule {
        api_groups: Some(vec![permission.group.to_owned()]),
        resources: Some(vec![permission.resource.to_owned()]),
        resource_names: (!permission.names.is_empty()).then(|| strings(permission.names)),
        verbs: strings(permission.verbs),
        non_resource_urls: None,
    };
    table
        .iter()
        .filter(|permission| permission.scope == scope)
        .map(rule)
        .collect()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn metadata(name: &str, namespace: Option<&str>) -> ObjectMeta {
    let labels = [
        ("app.kubernetes.io/name", "sdm"),
        ("app.kubernetes.io/component", name),
    ];
    let labels: BTreeMap<_, _> = labels
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn subject(name: &str, namespace: &str) -> Subject {
    Subject {
        api_group: None,
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_wildcard_and_names_do_not_pretend_to_restrict_creation() {
        for permission in CONTROLLER.iter().chain(WEBHOOK) {
            let words = [permission.group, permission.resource]
                .into_iter()
                .chain(permission.verbs.iter().copied());
            assert!(
                words.into_iter().all(|word| !word.contains('*')),
                "{permission:?}"
            );
            assert!(!permission.verbs.is_empty(), "{permission:?}");
            if !permission.names.is_empty() {
                assert!(
                    !permission
                        .verbs
                        .iter()
                        .any(|&verb| ["create", "list"].contains(&verb)),
                    "{permission:?}"
                );
            }
        }
    }

    #[test]
    fn the_webhook_reads_no_secret_but_its_own() {
        let secrets = WEBHOOK
            .iter()
            .filter(|permission| permission.resource == "secrets");
        for permission in secrets {
            assert_eq!(permission.scope, Scope::Own);
            assert!(
                permission.verbs == ["create"] || permission.names == ["sdm-webhook-ca"],
                "{permission:?}"
            );
        }
    }

    #[test]
    fn scopes_end_up_in_different_objects() {
        let all = cluster_role("sdm-controller", CONTROLLER).rules.unwrap();
        let own = role("sdm-controller", "sdm-system", CONTROLLER)
            .rules
            .unwrap();
        assert_eq!(all.len() + own.len(), CONTROLLER.len());
        assert!(
            own.iter()
                .all(|rule| rule.resources == Some(vec!["leases".to_owned()]))
        );
        assert!(
            !all.iter()
                .any(|rule| rule.resources == Some(vec!["leases".to_owned()]))
        );
    }
}
