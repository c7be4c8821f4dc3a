//! How it is added: as a JSON patch (RFC 6902) of additions only, so that nothing of the Pod's own can be overwritten.
//!
//! What is there already and is exactly ours is left alone: after another webhook has changed the Pod this one is asked
//! again, and then adds what is still missing.

use k8s_openapi::api::core::v1::{Container, Pod, Volume, VolumeMount};
use sdm_api::inject::{LABEL, MOUNT_PATH, VOLUME};
use serde::Serialize;
use serde_json::{Value, json};

use super::ask::path;
use super::volume::Added;
use crate::violation::Violation;

/// One addition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    op: &'static str,
    /// Where, as a JSON pointer.
    pub path: String,
    /// What.
    pub value: Value,
}

fn add(path: impl Into<String>, value: impl Serialize) -> Operation {
    Operation {
        op: "add",
        path: path.into(),
        // Plain data: it cannot fail.
        value: serde_json::to_value(value).unwrap_or_default(),
    }
}

/// The additions and the warnings, or everything that is in the way.
pub(super) fn patch(
    pod: &Pod,
    added: &Added,
) -> Result<(Vec<Operation>, Vec<String>), Vec<Violation>> {
    let mut build = Build {
        added,
        operations: Vec::new(),
        warnings: Vec::new(),
        violations: Vec::new(),
    };
    build.annotations(pod);
    build.label(pod);
    let Some(spec) = &pod.spec else {
        return Err(vec![Violation::invalid("spec", "the Pod has none")]);
    };
    build.volume(spec.volumes.as_deref());
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", init), ("containers", &spec.containers)] {
        for (at, container) in containers.iter().enumerate() {
            build.container(list, at, container);
        }
    }
    match build.violations.is_empty() {
        true => Ok((build.operations, build.warnings)),
        false => Err(build.violations),
    }
}

struct Build<'a> {
    added: &'a Added,
    operations: Vec<Operation>,
    warnings: Vec<String>,
    violations: Vec<Violation>,
}

impl Build<'_> {
    fn annotations(&mut self, pod: &Pod) {
        // The Pod asked by annotation, so there are some.
        let there = pod.metadata.annotations.clone().unwrap_or_default();
        for (&key, value) in &self.added.annotations {
            match there.get(key) {
                None => {
                    let pointer = format!("/metadata/annotations/{}", escaped(key));
                    self.operations.push(add(pointer, value));
                }
                Some(there) if there == value => {}
                Some(_) => self.violations.push(Violation::invalid(
                    path(key),
                    "is added by injection, and this one says something else: remove it",
                )),
            }
        }
    }

    fn label(&mut self, pod: &Pod) {
        let ours = self.added.label;
        let there = pod.metadata.labels.as_ref();
        match there.map(|labels| labels.get(LABEL)) {
            None => {
                let labels = json!({ LABEL: ours });
                self.operations.push(add("/metadata/labels", labels));
            }
            Some(None) => {
                let pointer = format!("/metadata/labels/{}", escaped(LABEL));
                self.operations.push(add(pointer, ours));
            }
            Some(Some(there)) if there == ours => {}
            Some(Some(_)) => self.violations.push(Violation::invalid(
                format!("metadata.labels[{LABEL}]"),
                format!(
                    "is added by injection as {ours:?}, and this one says something else: remove it"
                ),
            )),
        }
    }

    fn volume(&mut self, volumes: Option<&[Volume]>) {
        let ours = &self.added.volume;
        match volumes
            .unwrap_or_default()
            .iter()
            .find(|v| v.name == VOLUME)
        {
            Some(there) if there == ours => {}
            Some(_) => self.violations.push(Violation::invalid(
                format!("spec.volumes[{VOLUME}]"),
                "is the name of the volume that injection adds, and this one is not it: rename it",
            )),
            None => self.append("/spec/volumes", volumes.is_some(), vec![ours.clone()]),
        }
    }

    fn container(&mut self, list: &str, at: usize, container: &Container) {
        let field = format!("spec.{list}[{}]", container.name);
        let mounts = container.volume_mounts.as_deref().unwrap_or_default();
        let ours = &self.added.mount;
        let in_the_way = |mount: &&VolumeMount| {
            *mount != ours && (mount.name == VOLUME || is_within(&mount.mount_path, MOUNT_PATH))
        };
        if let Some(mount) = mounts.iter().find(in_the_way) {
            self.violations.push(Violation::invalid(
                format!("{field}.volumeMounts[{}]", mount.mount_path),
                format!("injection mounts its volume {VOLUME:?} at {MOUNT_PATH}: mount another volume elsewhere, or remove the annotation"),
            ));
            return;
        }
        let pointer = format!("/spec/{list}/{at}");
        if !mounts.contains(ours) {
            let there = container.volume_mounts.is_some();
            self.append(
                &format!("{pointer}/volumeMounts"),
                there,
                vec![ours.clone()],
            );
        }
        let env = container.env.as_deref().unwrap_or_default();
        let mut missing = Vec::new();
        for variable in &self.added.env {
            match env.iter().find(|there| there.name == variable.name) {
                None => missing.push(variable.clone()),
                Some(there) if there == variable => {}
                // An application's own setting is its own business; it gains nothing by it but other addresses.
                Some(_) => self.warnings.push(format!(
                    "{field}.env[{}]: is set by the Pod itself and stays as it is",
                    variable.name
                )),
            }
        }
        if !missing.is_empty() {
            self.append(&format!("{pointer}/env"), container.env.is_some(), missing);
        }
    }

    /// Appends to a list, or begins it.
    fn append<T: Serialize>(&mut self, pointer: &str, there: bool, items: Vec<T>) {
        if there {
            let end = format!("{pointer}/-");
            self.operations
                .extend(items.iter().map(|item| add(end.clone(), item)));
        } else {
            self.operations.push(add(pointer, json!(items)));
        }
    }
}

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Whether `path` is `parent` or below it, however it is spelled.
fn is_within(path: &str, parent: &str) -> bool {
    let parts = |path: &str| {
        let mut parts: Vec<String> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part.to_owned()),
            }
        }
        parts
    };
    parts(path).starts_with(&parts(parent))
}
