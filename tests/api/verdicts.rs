//! Acceptance: what is wrong with an object is said in the same words at admission, by `lint` of files alone, and by the
//! controller where nobody was asked at admission. The tables are `tests/verdicts`, one for each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client};
use sdm_tests::paths;
use sdm_tests::wait::until;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admission::{spawn_webhook, start_webhook, unregister};
use crate::property::place::{CLUSTER, HOME, Place};

/// One table.
#[derive(Deserialize)]
struct Table {
    base: Value,
    cases: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    /// Values by JSON pointer.
    set: BTreeMap<String, Value>,
    /// Every sentence, with its path.
    says: BTreeSet<String>,
}

/// An object that is to be refused.
struct Case {
    object: Value,
    says: BTreeSet<String>,
}

impl Case {
    fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }
    fn name(&self) -> String {
        let namespace = self.object["metadata"]["namespace"].as_str();
        let name = self.object["metadata"]["name"].as_str();
        format!(
            "{} {}/{}",
            self.kind(),
            namespace.unwrap_or_default(),
            name.unwrap_or_default()
        )
    }
}

fn tables() -> Result<Vec<Case>> {
    let directory = paths::repository().join("tests/verdicts");
    let mut cases = Vec::new();
    for kind in sdm_core::kinds::KINDS {
        let file = directory.join(format!("{}.yaml", kind.name));
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let table: Table = serde_saphyr::from_str(&text)?;
        for row in table.cases {
            let mut object = table.base.clone();
            object["metadata"]["name"] = json!(format!("case-{}", cases.len()));
            for (pointer, value) in row.set {
                let (parent, key) = pointer.rsplit_once('/').context("a pointer")?;
                let parent = object.pointer_mut(parent).context("in the base")?;
                match (parent, key.parse::<usize>()) {
                    (Value::Array(list), Ok(at)) => list[at] = value,
                    (parent, _) => parent[key] = value,
                }
            }
            cases.push(Case {
                object,
                says: row.says,
            });
        }
    }
    Ok(cases)
}

fn around() -> Result<Vec<Value>> {
    let file = paths::repository().join("tests/verdicts/around.yaml");
    Ok(serde_saphyr::from_multiple(&std::fs::read_to_string(
        file,
    )?)?)
}

fn api_of(client: &Client, object: &Value) -> Result<Api<DynamicObject>> {
    let text = |path| object.pointer(path).and_then(Value::as_str);
    let version = text("/apiVersion").context("apiVersion")?;
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let kind = text("/kind").context("kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Ok(match text("/metadata/namespace") {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

/// Creates an object; the error is the API server's answer.
async fn create(
    client: &Client,
    object: &Value,
    dry_run: bool,
) -> Result<DynamicObject, kube::Error> {
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let api = api_of(client, object).map_err(|e| kube::Error::Service(e.into()))?;
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    api.create(&params, &object).await
}

/// The causes of a refusal, a sentence each.
async fn at_admission(client: &Client, case: &Case) -> Result<BTreeSet<String>> {
    let status = match create(client, &case.object, true).await {
        Ok(_) => bail!("accepted"),
        Err(kube::Error::Api(status)) => status,
        Err(error) => return Err(error.into()),
    };
    ensure!(
        status.message.contains("validate.kafka.sdm.dev"),
        "not by the webhook: {}",
        status.message
    );
    ensure!(matches!(status.code, 403 | 422), "{}", status.code);
    let causes = status.details.map(|d| d.causes).unwrap_or_default();
    Ok(causes
        .into_iter()
        .map(|c| match c.field.is_empty() {
            true => c.message,
            false => format!("{}: {}", c.field, c.message),
        })
        .collect())
}

/// What `lint` says of it, with what is around in files beside it.
fn by_lint(case: &Case, around: &[Value], directory: &std::path::Path) -> Result<BTreeSet<String>> {
    let file = directory.join("lint.yaml");
    let objects = around.iter().chain([&case.object]);
    let text: Vec<String> = objects.map(Value::to_string).collect();
    std::fs::write(&file, text.join("\n---\n"))?;
    let output = Command::new(paths::program("kubectl-kafka"))
        .args(["lint", "-o", "json", "-f"])
        .arg(&file)
        .env_remove("KUBECONFIG")
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let items = report["items"].as_array().context("items")?;
    let of = items.iter().filter(|item| {
        item["severity"] == "refused"
            && item["kind"] == case.object["kind"]
            && item["name"] == case.object["metadata"]["name"]
    });
    Ok(of
        .map(|item| {
            let message = item["message"].as_str().unwrap_or_default();
            match item["path"].as_str() {
                Some(path) => format!("{path}: {message}"),
                None => message.to_owned(),
            }
        })
        .collect())
}

/// What is said in status of an object that was stored all the same: all of it, and nothing else.
async fn by_the_controller(client: &Client, case: &Case) -> Result<()> {
    let api = api_of(client, &case.object)?;
    let name = case.object["metadata"]["name"].as_str().unwrap_or_default();
    until(&case.name(), Duration::from_secs(60), || async {
        let object = api.get(name).await?;
        let status = &object.data["status"];
        let conditions = status["conditions"].as_array();
        let stalled = conditions
            .into_iter()
            .flatten()
            .find(|c| c["type"] == "Stalled");
        let stalled = stalled.filter(|c| c["status"] == "True");
        let Some(stalled) = stalled else {
            bail!("{status}");
        };
        let mut rest = match status["refused"].as_array() {
            Some(refused) if !refused.is_empty() => refused
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("; "),
            _ => stalled["message"].as_str().unwrap_or_default().to_owned(),
        };
        // Some sentences are said there without the field that they are about.
        let mut says: Vec<&String> = case.says.iter().collect();
        says.sort_by_key(|sentence| std::cmp::Reverse(sentence.len()));
        for sentence in says {
            let bare = sentence.split_once(": ").map_or("", |(_, bare)| bare);
            let found = [sentence.as_str(), bare]
                .into_iter()
                .find(|s| rest.contains(s));
            let found = found.with_context(|| format!("no {sentence:?} in {rest:?}"))?;
            rest = rest.replacen(found, "", 1);
        }
        let words = rest
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty());
        // What is left are reasons.
        let other: Vec<&str> = words.filter(|w| !REASONS.contains(w)).collect();
        ensure!(other.is_empty(), "beside it: {other:?}");
        Ok(Some(()))
    })
    .await
}

/// What a refusal in status begins with.
const REASONS: [&str; 11] = [
    "DenyNotOwned",
    "InvalidSpec",
    "NamespaceNotAllowed",
    "TopicNotOwned",
    "OperationNotGranted",
    "WildcardPrincipal",
    "OperatorPrincipal",
    "ClusterRightsNotAllowed",
    "GroupNotOwned",
    "TransactionalIdNotOwned",
    "SubjectOfAnotherCluster",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_three_verdicts_are_the_same() -> Result<()> {
    let cases = tables()?;
    ensure!(cases.len() >= 120, "{} cases", cases.len());
    let place = Place::start("verdicts").await?;
    let client = place.plane.client.clone();
    let mut around = around()?;
    for object in &around {
        match create(&client, object, false).await {
            Ok(_) => {}
            // Some namespaces are there already.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error).context(object.to_string()),
        }
    }
    let cluster: Value = serde_json::to_value(
        Api::<sdm_api::KafkaCluster>::namespaced(client.clone(), HOME)
            .get(CLUSTER)
            .await?,
    )?;
    around.push(cluster);

    let webhook = start_webhook(&place.plane).await?;
    let mut wrong = Vec::new();
    for case in &cases {
        for (whose, said) in [
            ("at admission", at_admission(&client, case).await),
            ("by lint", by_lint(case, &around, &place.plane.dir)),
        ] {
            match said {
                Ok(said) if said == case.says => {}
                Ok(said) => wrong.push(format!(
                    "{} {whose}: {said:#?} and not {:#?}",
                    case.name(),
                    case.says
                )),
                Err(error) => wrong.push(format!("{} {whose}: {error:#}", case.name())),
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

    // With nobody asked, all of it is stored. Policies are judged by the process of the webhook, asked or not.
    drop(webhook);
    unregister(&client).await?;
    Api::<MutatingWebhookConfiguration>::all(client.clone())
        .delete("sdm-webhook", &DeleteParams::default())
        .await?;
    let _audit = spawn_webhook(&place.plane, &["--manage-registration=false".to_owned()])?;
    for case in &cases {
        create(&client, &case.object, false)
            .await
            .with_context(|| case.name())?;
    }
    let told: Vec<Result<()>> = futures::stream::iter(&cases)
        .map(|case| by_the_controller(&client, case))
        .buffered(16)
        .collect()
        .await;
    let wrong: Vec<String> = told
        .into_iter()
        .filter_map(|t| Some(format!("{:#}", t.err()?)))
        .collect();
    ensure!(wrong.is_empty(), "by the controller:\n{}", wrong.join("\n"));
    println!("{} objects, three times the same verdict", cases.len());
    Ok(())
}
