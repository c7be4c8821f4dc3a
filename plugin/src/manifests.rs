//! What `install` applies: the manifests of `deploy/`, embedded, in the order in which they are needed.
//!
//! Owns reading them and naming another image. Applying and waiting is `verbs::install`'s business.

use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};

use crate::exit::{Failure, Result};

/// Every embedded manifest: its path under `deploy/`, its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// The name of the image that the manifests run, and that `--registry` is put in front of.
const IMAGE: &str = "operator";

/// One object to apply.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object.
    pub object: DynamicObject,
    /// Its resource.
    pub resource: ApiResource,
}

impl Manifest {
    /// The object's kind.
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }
    /// The object's name.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }
    /// `deployment/sdm-webhook`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.kind().to_lowercase(), self.name())
    }
    /// Where it comes in the order: lower comes first.
    pub fn rank(&self) -> u8 {
        match self.kind() {
            "Namespace" => 0,
            "CustomResourceDefinition" => 1,
            "ServiceAccount" | "PriorityClass" => 2,
            "ClusterRole" | "Role" => 3,
            "ClusterRoleBinding" | "RoleBinding" => 4,
            // The webhook writes its registration itself, once it serves.
            "Deployment" => 6,
            _ => 5,
        }
    }
}

/// All objects, in order, running `image` (or the one that the manifests name).
///
/// # Errors
/// When an embedded manifest is broken, which a test excludes.
pub fn all(image: Option<&str>) -> Result<Vec<Manifest>> {
    let mut found = Vec::new();
    for (file, text) in FILES {
        let broken =
            |e: &dyn std::fmt::Display| Failure::general(format!("embedded manifest {file}: {e}"));
        let objects: Vec<DynamicObject> =
            serde_saphyr::from_multiple(text).map_err(|e| broken(&e))?;
        for mut object in objects {
            let types = object
                .types
                .clone()
                .ok_or_else(|| broken(&"an object without a kind"))?;
            let gvk = GroupVersionKind::try_from(types).map_err(|e| broken(&e))?;
            if let Some(image) = image {
                set_image(&mut object, image);
            }
            found.push(Manifest {
                resource: ApiResource::from_gvk(&gvk),
                object,
            });
        }
    }
    found.sort_by_key(Manifest::rank);
    Ok(found)
}

/// The image in a registry: the manifests' own name and tag under another prefix.
///
/// # Errors
/// When an embedded manifest is broken.
pub fn image_in(registry: &str) -> Result<String> {
    let current = all(None)?
        .iter()
        .find_map(|m| containers(&m.object).next().map(ToOwned::to_owned));
    let tag = current
        .as_deref()
        .and_then(|image| image.rsplit_once(':'))
        .map_or(env!("CARGO_PKG_VERSION"), |(_, tag)| tag);
    Ok(format!("{}/{IMAGE}:{tag}", registry.trim_end_matches('/')))
}

/// The images of a workload's containers.
pub fn containers(object: &DynamicObject) -> impl Iterator<Item = &str> {
    let list = object
        .data
        .pointer("/spec/template/spec/containers")
        .and_then(|c| c.as_array());
    list.into_iter()
        .flatten()
        .filter_map(|c| c.get("image")?.as_str())
}

fn set_image(object: &mut DynamicObject, image: &str) {
    let list = object
        .data
        .pointer_mut("/spec/template/spec/containers")
        .and_then(|c| c.as_array_mut());
    for container in list.into_iter().flatten() {
        if let Some(field) = container.get_mut("image") {
            *field = image.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_is_an_object_in_the_right_order() {
        let all = all(None).unwrap();
        let kinds: Vec<&str> = all.iter().map(Manifest::kind).collect();
        assert_eq!(kinds[..2], ["Namespace", "CustomResourceDefinition"]);
        assert_eq!(kinds.last(), Some(&"Deployment"));
        for manifest in &all {
            assert!(!manifest.name().is_empty(), "{:?}", manifest.object);
        }
        let deployments: Vec<&str> = all
            .iter()
            .filter(|m| m.kind() == "Deployment")
            .map(Manifest::name)
            .collect();
        assert_eq!(deployments, ["sdm-controller", "sdm-webhook"]);
    }

    #[test]
    fn another_image_reaches_every_container() {
        let image = image_in("registry.example.com/").unwrap();
        assert_eq!(
            image,
            concat!("registry.example.com/operator:", env!("CARGO_PKG_VERSION"))
        );
        let all = all(Some(&image)).unwrap();
        let images: Vec<&str> = all.iter().flat_map(|m| containers(&m.object)).collect();
        assert!(
            images.len() >= 2 && images.iter().all(|i| *i == image),
            "{images:?}"
        );
    }

    #[test]
    fn every_object_knows_its_resource() {
        for manifest in all(None).unwrap() {
            let plural = &manifest.resource.plural;
            assert!(
                plural.ends_with('s') && *plural == plural.to_lowercase(),
                "{plural}"
            );
        }
    }
}
