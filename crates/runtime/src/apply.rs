//! Writes to the API server: server-side apply of whole objects and of their status, and deletion by identity.
//!
//! Owns the patch parameters and the write counter. What to write, and whether a write is needed at all, is decided
//! by the caller: an apply of an unchanged object still is a request.

use std::{fmt::Debug, sync::LazyLock};

use kube::{
    Api, Resource,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::object::HasStatus,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// Writes sent to the API server, by kind, verb and result (exposed with the suffix `_total`).
pub const METRIC_WRITES: &str = "sdm_api_writes";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    kind: String,
    verb: &'static str,
    result: &'static str,
}

static WRITES: LazyLock<Family<Labels, Counter>> = LazyLock::new(Family::default);

/// Makes the write counter part of `registry`. Once per process.
pub fn register_metrics(registry: &mut Registry) {
    registry.register(
        METRIC_WRITES,
        "Writes sent to the API server",
        WRITES.clone(),
    );
}

/// Counts one write that was made without the helpers of this module.
pub fn count_write<T>(kind: &str, verb: &'static str, result: &Result<T, kube::Error>) {
    let result = match result {
        Ok(_) => "ok",
        Err(kube::Error::Api(status)) if status.is_conflict() => "conflict",
        Err(_) => "error",
    };
    WRITES
        .get_or_create(&Labels {
            kind: kind.to_owned(),
            verb,
            result,
        })
        .inc();
}

/// Server-side apply with force: `manager` owns exactly the fields that `object` sets. Fields that an earlier apply of
/// the same manager set and this one does not are removed. Returns the object as stored.
///
/// # Errors
/// What the API server answers, or an invalid request when `object` has no name.
pub async fn apply<K>(api: &Api<K>, manager: &str, object: &K) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.meta().name.as_deref().unwrap_or_default();
    let result = api
        .patch(name, &params(manager), &Patch::Apply(object))
        .await;
    count_write(&K::kind(&()), "apply", &result);
    result
}

/// Server-side apply of `.status` alone, under its own field manager. Returns the object as stored.
///
/// # Errors
/// What the API server answers; the object not existing is `NotFound`.
pub async fn apply_status<K, S>(
    api: &Api<K>,
    manager: &str,
    name: &str,
    status: &S,
) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize + Debug,
{
    let patch = serde_json::json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name },
        "status": status,
    });
    let result = api
        .patch_status(name, &params(manager), &Patch::Apply(&patch))
        .await;
    count_write(&K::kind(&()), "apply-status", &result);
    result
}

/// Deletes exactly the object with this uid (when given). `Ok(false)`: there is no such object any more, or another
/// one by that name.
///
/// # Errors
/// What else the API server answers.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<&str>) -> Result<bool, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let preconditions = uid.map(|uid| Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    });
    let params = DeleteParams {
        preconditions,
        ..DeleteParams::background()
    };
    let result = api.delete(name, &params).await;
    count_write(&K::kind(&()), "delete", &result);
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

fn params(manager: &str) -> PatchParams {
    PatchParams::apply(manager).force()
}

/// What has to be merged into `object` for its status to be `wanted`; nothing if it is.
#[must_use]
pub fn status_patch<K>(object: &K, wanted: &K::Status) -> Option<Value>
where
    K: Resource + HasStatus<Status: Serialize + PartialEq>,
{
    if object.status() == Some(wanted) {
        return None;
    }
    let fields = |status: &K::Status| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let before = object.status().map(fields).unwrap_or_default();
    let after = fields(wanted);
    let mut changed = Map::new();
    for key in before.keys().filter(|k| !after.contains_key(*k)) {
        changed.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        if before.get(&key) != Some(&value) {
            changed.insert(key, value);
        }
    }
    // With the uid in it the patch is refused when the object is another one by now.
    Some(json!({ "metadata": { "uid": object.meta().uid }, "status": changed }))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Client, api::ObjectMeta, client::Body};
    use tower_test::mock;

    use super::*;

    /// Answers one request with `status` and `answer`, and returns what was asked: method, path with query, body.
    async fn exchange<F>(
        status: u16,
        answer: &'static str,
        call: impl FnOnce(Api<ConfigMap>) -> F,
    ) -> (F::Output, String, serde_json::Value)
    where
        F: Future,
    {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let api = Api::namespaced(Client::new(service, "default"), "ns");
        let server = async move {
            let (request, send) = handle.next_request().await.unwrap();
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            let answer = Body::from(answer.as_bytes().to_vec());
            send.send_response(Response::builder().status(status).body(answer).unwrap());
            (format!("{} {}", head.method, head.uri), body)
        };
        let (output, (line, body)) = tokio::join!(call(api), server);
        (output, line, body)
    }

    fn config_map() -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some("a-0".into()),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn apply_forces_under_its_manager_and_returns_what_is_stored() {
        let stored = r#"{"metadata":{"name":"a-0","resourceVersion":"7"}}"#;
        let (result, line, body) = exchange(200, stored, |api| async move {
            apply(&api, "sdm-controller", &config_map()).await
        })
        .await;
        assert_eq!(
            line,
            "PATCH /api/v1/namespaces/ns/configmaps/a-0?&force=true&fieldManager=sdm-controller"
        );
        assert_eq!(body["kind"], "ConfigMap");
        assert_eq!(
            result.unwrap().metadata.resource_version.as_deref(),
            Some("7")
        );
    }

    #[tokio::test]
    async fn apply_status_sends_nothing_but_status() {
        let (_, line, body) = exchange(200, r#"{"metadata":{"name":"a"}}"#, |api| async move {
            let status = serde_json::json!({"observedGeneration": 3});
            apply_status(&api, "sdm-controller-status", "a", &status).await
        })
        .await;
        assert!(
            line.starts_with("PATCH /api/v1/namespaces/ns/configmaps/a/status?"),
            "{line}"
        );
        assert!(
            line.contains("fieldManager=sdm-controller-status"),
            "{line}"
        );
        let want = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "status": {"observedGeneration": 3}
        });
        assert_eq!(body, want);
    }

    #[tokio::test]
    async fn delete_is_by_identity_and_absence_is_success() {
        let gone = r#"{"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"gone"}"#;
        let (result, line, body) = exchange(404, gone, |api| async move {
            delete(&api, "a-0", Some("u1")).await
        })
        .await;
        assert!(!result.unwrap());
        assert!(
            line.starts_with("DELETE /api/v1/namespaces/ns/configmaps/a-0"),
            "{line}"
        );
        assert_eq!(body["preconditions"]["uid"], "u1");
    }

    #[tokio::test]
    async fn writes_are_counted() {
        let (_, _, _) = exchange(200, r#"{"metadata":{"name":"a-0"}}"#, |api| async move {
            apply(&api, "m", &config_map()).await
        })
        .await;
        let mut registry = Registry::default();
        register_metrics(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains(r#"sdm_api_writes_total{kind="ConfigMap",verb="apply",result="ok"}"#),
            "{text}"
        );
    }
}
