//! Writing objects, under the plugin's own field manager, and telling what became of them.

use std::io;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{MANAGER, Tenant};
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, Format};
use crate::output::{Output, Report, Text, yaml};
use crate::session::Session;

/// Objects that were written, or would be, each with what was done: `created`, `configured`, `unchanged`.
#[derive(Debug)]
pub struct Written {
    items: Vec<(Value, &'static str)>,
    dry_run: DryRun,
}

impl Written {
    /// Of objects as they are stored, or would be.
    ///
    /// # Errors
    /// When they cannot be represented, which our own types can.
    pub fn new<'a, K: Serialize + 'a>(
        objects: impl Iterator<Item = (&'a K, &'static str)>,
        dry_run: DryRun,
    ) -> Result<Self> {
        let items = objects.map(|(object, verb)| Ok((manifest(object)?, verb)));
        Ok(Self {
            items: items.collect::<Result<_>>()?,
            dry_run,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// An object as somebody would write it down: without what the API server adds for itself.
fn manifest<K: Serialize>(object: &K) -> Result<Value> {
    let mut value = serde_json::to_value(object).map_err(io::Error::from)?;
    if let Some(metadata) = value
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        metadata.remove("managedFields");
    }
    if value.get("status").is_some_and(Value::is_null)
        && let Some(object) = value.as_object_mut()
    {
        object.remove("status");
    }
    Ok(value)
}

/// `kafkatopic/orders`
fn label(object: &Value) -> String {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!(
        "{}/{}",
        text("/kind").to_lowercase(),
        text("/metadata/name")
    )
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [(one, _)] = self.items.as_slice() {
            return one.serialize(serializer);
        }
        let items: Vec<&Value> = self.items.iter().map(|(object, _)| object).collect();
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("apiVersion", "v1")?;
        map.serialize_entry("kind", "List")?;
        map.serialize_entry("items", &items)?;
        map.end()
    }
}

impl Report for Written {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = match self.dry_run {
            DryRun::None => "",
            DryRun::Client => " (dry run, client)",
            DryRun::Server => " (dry run, server)",
        };
        for (object, verb) in &self.items {
            out.line(format!("{} {verb}{suffix}", label(object)))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(|(object, _)| label(object)).collect()
    }
}

/// Prints objects for Git: YAML documents, or with `-o json` a list.
///
/// # Errors
/// When standard output cannot be written.
pub fn documents(output: &Output, objects: &[Value]) -> Result<()> {
    match output.format {
        Format::Json => {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
            output.line(&serde_json::to_string_pretty(&list).map_err(io::Error::from)?)
        }
        Format::Name => objects.iter().try_for_each(|o| output.line(&label(o))),
        _ => {
            let documents: Result<Vec<String>> = objects.iter().map(yaml).collect();
            output.line(documents?.join("---\n").trim_end())
        }
    }
}

fn params(dry_run: DryRun) -> PatchParams {
    PatchParams {
        dry_run: dry_run == DryRun::Server,
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn doing<K: Tenant>(verb: &str, name: &str) -> String {
    format!("{verb} {} {name}", K::kind(&()).to_lowercase())
}

/// An object as somebody would write it down: what is as `default` has it is left out.
///
/// # Errors
/// When it cannot be represented, which our own types can.
pub fn sparse<K: Tenant, S: Serialize>(object: &K, default: &S) -> Result<Value> {
    let mut value = manifest(object)?;
    let default = serde_json::to_value(default).map_err(io::Error::from)?;
    if let Some(spec) = value.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.retain(|key, value| default.get(key) != Some(value));
    }
    Ok(value)
}

/// Creates an object by server-side apply.
///
/// # Errors
/// `Conflict` when there is one of that name; else what the API server answers.
pub async fn create<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    object: &Value,
    dry_run: DryRun,
) -> Result<K> {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let failed = |e: kube::Error| session.failed(&doing::<K>("create", &name), e);
    if api.get_metadata_opt(&name).await.map_err(failed)?.is_some() {
        let what = format!("{}/{name} exists already", K::kind(&()).to_lowercase());
        return Err(
            Failure::new(Code::Conflict, what).at(format!("namespace {}", session.namespace))
        );
    }
    api.patch(&name, &params(dry_run), &Patch::Apply(object))
        .await
        .map_err(failed)
}

/// Changes fields of an object, and leaves the rest: a JSON merge patch.
///
/// # Errors
/// What the API server answers.
pub async fn patch<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    name: &str,
    change: &Value,
    dry_run: DryRun,
) -> Result<K> {
    api.patch(name, &params(dry_run), &Patch::Merge(change))
        .await
        .map_err(|e| session.failed(&doing::<K>("change", name), e))
}

/// Sets an annotation.
///
/// # Errors
/// What the API server answers.
pub async fn annotate<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    name: &str,
    key: &str,
    value: &str,
) -> Result<K> {
    let change = json!({ "metadata": { "annotations": { key: value } } });
    patch(session, api, name, &change, DryRun::None).await
}

/// Says so where somebody else applies an object: they may undo what is changed here.
pub fn tell_manager<K: Tenant>(session: &Session, object: &K) {
    let fields = object.meta().managed_fields.iter().flatten();
    let others =
        fields.filter(|f| f.operation.as_deref() == Some("Apply") && f.subresource.is_none());
    let mut names: Vec<&str> = others
        .filter_map(|f| f.manager.as_deref())
        .filter(|manager| *manager != MANAGER && !manager.starts_with("sdm-"))
        .collect();
    names.dedup();
    if !names.is_empty() {
        session.output.note(format!(
            "{}/{} is applied by {}: change it there too, or this is undone",
            K::kind(&()).to_lowercase(),
            object.meta().name.as_deref().unwrap_or_default(),
            names.join(", ")
        ));
    }
}

/// Deletes exactly this object.
///
/// # Errors
/// What the API server answers; `Conflict` when another one has taken its name.
pub async fn delete<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    object: &K,
    dry_run: DryRun,
) -> Result<()> {
    let name = object.meta().name.clone().unwrap_or_default();
    let params = DeleteParams {
        dry_run: dry_run == DryRun::Server,
        preconditions: Some(Preconditions {
            uid: object.meta().uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    api.delete(&name, &params)
        .await
        .map(|_| ())
        .map_err(|e| session.failed(&doing::<K>("delete", &name), e))
}
