//! The committed manifests are the ones the code stands for: roles are generated from the tables of what the programs
//! call, and the image is this version's.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use sdm_runtime::permissions::{self, CONTROLLER, Permission, WEBHOOK};
use serde::Serialize;

const NAMESPACE: &str = "sdm-system";

fn deploy(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

fn yaml(object: &impl Serialize) -> String {
    serde_saphyr::to_string(object).unwrap()
}

fn roles(name: &str, table: &[Permission]) -> String {
    [
        "# Generated from crates/runtime/src/permissions.rs; `make generate` writes it anew.\n"
            .to_owned()
            + &yaml(&permissions::cluster_role(name, table)),
        yaml(&permissions::cluster_role_binding(name, NAMESPACE)),
        yaml(&permissions::role(name, NAMESPACE, table)),
        yaml(&permissions::role_binding(name, NAMESPACE)),
    ]
    .join("---\n")
}

/// Stale files fail; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn committed_roles_are_current() {
    for (name, table) in [("sdm-controller", CONTROLLER), ("sdm-webhook", WEBHOOK)] {
        let path = deploy("rbac").join(format!("{name}.yaml"));
        let text = roles(name, table);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{name}.yaml is stale: run `make generate`"
        );
    }
}

/// The Deployment in a file of several documents.
fn deployment(file: &str) -> Deployment {
    let text = fs::read_to_string(deploy("install").join(file)).unwrap();
    let document = text
        .split("\n---\n")
        .find(|document| document.contains("kind: Deployment"))
        .unwrap();
    serde_saphyr::from_str(document).unwrap()
}

#[test]
fn deployments_run_this_version_and_meet_the_restricted_standard() {
    let image = concat!("streamingdatamanager/operator:", env!("CARGO_PKG_VERSION"));
    for file in ["controller.yaml", "webhook.yaml"] {
        let spec = deployment(file).spec.unwrap();
        let labels = spec.template.metadata.unwrap().labels.unwrap();
        for (key, value) in spec.selector.match_labels.unwrap() {
            assert_eq!(labels.get(&key), Some(&value), "{file}");
        }
        let pod = Pod {
            spec: spec.template.spec,
            ..Pod::default()
        }
        .spec
        .unwrap();
        assert_eq!(
            pod.security_context.unwrap().run_as_non_root,
            Some(true),
            "{file}"
        );
        for container in pod.containers {
            assert_eq!(container.image.as_deref(), Some(image), "{file}");
            let security = container.security_context.unwrap();
            assert_eq!(security.read_only_root_filesystem, Some(true), "{file}");
            assert_eq!(security.allow_privilege_escalation, Some(false), "{file}");
            let resources = container.resources.unwrap();
            assert!(resources.limits.unwrap().contains_key("memory"), "{file}");
            assert!(resources.requests.unwrap().contains_key("cpu"), "{file}");
        }
    }
}
