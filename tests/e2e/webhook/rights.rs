//! What the webhook's service account may do: what is written down, nothing else, and nothing that it does not do.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use sdm_api::KafkaPolicy;
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_tests::node::Node;
use sdm_tests::paths;
use sdm_tests::space::Space;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use super::{NAME, rolling};
use crate::{PATIENCE, TENANTS, drain, operator_only, tenants};

/// One thing that may be done: verb, resource (or URL) and the name that it is restricted to, if it is.
type Right = (String, String, String);

/// What `kubectl auth can-i --list` prints for an account in a namespace.
async fn listed(node: &Node, account: &str, namespace: &str) -> Result<BTreeSet<Right>> {
    let account = format!("--as=system:serviceaccount:{OPERATOR_NAMESPACE}:{account}");
    // As Kubernetes sees a service account: without these it would lack what all of them may.
    let groups = [
        "--as-group=system:serviceaccounts".to_owned(),
        format!("--as-group=system:serviceaccounts:{OPERATOR_NAMESPACE}"),
        "--as-group=system:authenticated".to_owned(),
    ];
    let mut arguments = vec!["auth", "can-i", "--list", "-n", namespace, &account];
    arguments.extend(groups.iter().map(String::as_str));
    let (done, out, err) = node.kubectl_says(&arguments).await?;
    ensure!(done, "{err}");
    let mut rights = BTreeSet::new();
    for line in out.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        rights.extend(row(line).with_context(|| line.to_owned())?);
    }
    Ok(rights)
}

/// A line: a resource, then URLs, names and verbs in brackets.
fn row(line: &str) -> Result<Vec<Right>> {
    let (resource, rest) = line.split_at(line.find('[').context("no bracket")?);
    let lists: Vec<Vec<&str>> = rest
        .split('[')
        .skip(1)
        .map(|list| {
            list.trim_end()
                .trim_end_matches(']')
                .split_whitespace()
                .collect()
        })
        .collect();
    let [urls, names, verbs] = &lists[..] else {
        bail!("{} lists", lists.len());
    };
    let resource = resource.trim();
    let what = if resource.is_empty() {
        urls.clone()
    } else {
        vec![resource]
    };
    Ok(combined(&what, names, verbs))
}

fn combined<S: AsRef<str>>(what: &[S], names: &[S], verbs: &[S]) -> Vec<Right> {
    let text = |s: &S| s.as_ref().to_owned();
    let names: Vec<String> = match names {
        [] => vec![String::new()],
        names => names.iter().map(text).collect(),
    };
    let mut rights = Vec::new();
    for (what, verb) in what.iter().flat_map(|w| verbs.iter().map(move |v| (w, v))) {
        rights.extend(
            names
                .iter()
                .map(|name| (text(verb), text(what), name.clone())),
        );
    }
    rights
}

/// A resource as kubectl writes it: the group goes before a subresource.
fn named(resource: &str, group: &str, sub: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if sub.is_empty() { "" } else { "/" };
    format!("{resource}{dot}{group}{slash}{sub}")
}

/// What the committed manifest gives: everywhere, and in the operator's own namespace.
fn committed() -> Result<(BTreeSet<Right>, BTreeSet<Right>)> {
    let path = paths::repository().join("deploy/rbac/sdm-webhook.yaml");
    let text = std::fs::read_to_string(path)?;
    let (mut everywhere, mut own) = (BTreeSet::new(), BTreeSet::new());
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document)?;
        let rights = match object["kind"].as_str() {
            Some("ClusterRole") => &mut everywhere,
            Some("Role") if object["metadata"]["namespace"] == OPERATOR_NAMESPACE => &mut own,
            Some("ClusterRoleBinding" | "RoleBinding") => continue,
            kind => bail!("{kind:?} in the manifest"),
        };
        for rule in object["rules"].as_array().into_iter().flatten() {
            let words = |key: &str| -> Vec<String> {
                let list = rule[key].as_array().into_iter().flatten();
                list.filter_map(|w| w.as_str().map(str::to_owned)).collect()
            };
            let groups = words("apiGroups");
            let of_group = |resource: &String| {
                let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
                let all = groups.iter().map(|group| named(resource, group, sub));
                all.collect::<Vec<_>>()
            };
            let resources: Vec<String> = words("resources").iter().flat_map(of_group).collect();
            rights.extend(combined(
                &resources,
                &words("resourceNames"),
                &words("verbs"),
            ));
        }
    }
    Ok((everywhere, own))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_may_do_what_is_written_down_and_nothing_else() -> Result<()> {
    let node = operator_only().await?;
    let (everywhere, own) = committed()?;
    ensure!(
        !everywhere.is_empty() && !own.is_empty(),
        "nothing is written down"
    );
    let both: BTreeSet<Right> = everywhere.union(&own).cloned().collect();
    for (namespace, wanted) in [
        ("default", &everywhere),
        ("kube-system", &everywhere),
        (OPERATOR_NAMESPACE, &both),
    ] {
        // What Kubernetes gives everybody is what it gives to somebody whom nobody gave anything.
        let everybody = listed(&node, "nobody-at-all", namespace).await?;
        let rights = listed(&node, NAME, namespace).await?;
        let given: BTreeSet<Right> = rights.difference(&everybody).cloned().collect();
        let more: Vec<_> = given.difference(wanted).collect();
        let less: Vec<_> = wanted.difference(&given).collect();
        println!("{namespace}: {} rights of its own", given.len());
        ensure!(
            more.is_empty() && less.is_empty(),
            "{namespace}: more {more:?}, less {less:?}"
        );
        ensure!(
            !given
                .iter()
                .any(|(verb, what, _)| verb.contains('*') || what.contains('*')),
            "{namespace}: a wildcard"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_cannot_read_secrets_of_others_nor_enter_pods() -> Result<()> {
    let node = operator_only().await?;
    let account = format!("--as=system:serviceaccount:{OPERATOR_NAMESPACE}:{NAME}");
    for (may, namespace, verb, what) in [
        (true, OPERATOR_NAMESPACE, "get", "secrets/sdm-webhook-ca"),
        (false, OPERATOR_NAMESPACE, "get", "secrets/another"),
        (false, OPERATOR_NAMESPACE, "list", "secrets"),
        (
            false,
            OPERATOR_NAMESPACE,
            "delete",
            "secrets/sdm-webhook-ca",
        ),
        (false, "default", "get", "secrets/sdm-webhook-ca"),
        (false, "default", "list", "secrets"),
        (true, "default", "get", "pods"),
        // For the audit of who has an identity.
        (true, "default", "list", "pods"),
        (false, "default", "watch", "pods"),
        (false, "default", "create", "pods/exec"),
        (false, "default", "create", "pods/eviction"),
        (false, "default", "delete", "pods"),
        (false, "default", "create", "kafkatopics.kafka.sdm.dev"),
        (false, "default", "delete", "kafkaclusters.kafka.sdm.dev"),
        (false, OPERATOR_NAMESPACE, "create", "serviceaccounts/token"),
        (
            false,
            "default",
            "patch",
            "validatingwebhookconfigurations/another",
        ),
        (false, "default", "escalate", "clusterroles"),
    ] {
        let asked = ["auth", "can-i", verb, what, "-n", namespace, &account];
        let (_, out, err) = node.kubectl_says(&asked).await?;
        let said = out.lines().next().unwrap_or_default();
        ensure!(
            said == if may { "yes" } else { "no" },
            "{verb} {what} in {namespace}: {said:?} {err}"
        );
    }
    Ok(())
}

/// Verbs and what they are for.
type Rights = BTreeSet<(String, String)>;

/// What the webhook did, of what somebody may be permitted to do; and what it was not permitted.
fn done(events: &[Value]) -> (Rights, Rights) {
    let (mut done, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let object = &event["objectRef"];
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        if event["user"]["username"] != format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{NAME}")
            || text("resource").is_empty()
        {
            continue;
        }
        let what = named(text("resource"), text("apiGroup"), text("subresource"));
        let verb = event["verb"].as_str().unwrap_or_default();
        match event["responseStatus"]["code"].as_u64() {
            Some(403) => drop(forbidden.insert((verb.to_owned(), what))),
            // An apply that makes an object needs the right to do so as well.
            Some(201) if verb == "patch" => {
                done.insert(("create".to_owned(), what.clone()));
                done.insert((verb.to_owned(), what));
            }
            Some(200..300 | 404) => drop(done.insert((verb.to_owned(), what))),
            _ => {}
        }
    }
    (done, forbidden)
}

/// Has the webhook do what it does not do by itself: audit a policy, judge an eviction, replace its authority.
async fn provoke(node: &Node, space: &Space) -> Result<()> {
    let policies: Api<KafkaPolicy> = Api::all(node.client.clone());
    let policy = serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": space.name},
        "spec": {
            "match": {"namespaces": [space.name], "kinds": ["KafkaACL"]},
            "injection": {"forbiddenServiceAccounts": ["root"]},
            "cel": [{"name": "any", "rule": "object.metadata.name != ''"}]
        }
    }))?;
    policies.create(&PostParams::default(), &policy).await?;
    // The first question ever makes the place where they are put, and others are put there. Whether it may go or has to
    // wait is not what matters here.
    for _ in 0..2 {
        let before = node.pod_uids(TENANTS.0, TENANTS.1).await?;
        let went = drain::evict(node, TENANTS.0, "tenants-0").await?;
        if went.is_ok() {
            until("the evicted broker to come back", PATIENCE, || async {
                let after = node.pod_uids(TENANTS.0, TENANTS.1).await?;
                Ok((!after.is_empty() && after != before).then_some(()))
            })
            .await?;
        }
        node.ready(TENANTS.0, TENANTS.1, PATIENCE).await?;
    }
    review_ahead(node).await?;
    rolling::ask_for_authority(node).await.map(drop)
}

/// A review from a namespace that no watch has told of, as one that was made a moment ago is.
async fn review_ahead(node: &Node) -> Result<()> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "ahead", "operation": "CREATE", "namespace": "not-told-of-yet", "name": "t",
            "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": "KafkaTopic"},
            "userInfo": {"username": "test"},
            "object": {
                "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
                "metadata": {"name": "t", "namespace": "not-told-of-yet"},
                "spec": {"clusterRef": {"name": "c"}}
            }
        }
    });
    let path =
        format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/services/https:{NAME}:443/proxy/validate");
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&review)?)?;
    let answer: Value = node.client.request(request).await?;
    ensure!(answer["response"]["uid"] == "ahead", "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_of_the_webhook_is_one_that_it_uses() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "rights").await?;
    provoke(&node, &space).await?;
    let (everywhere, own) = committed()?;
    let both = everywhere.union(&own);
    let wanted: BTreeSet<(String, String)> = both.map(|r| (r.0.clone(), r.1.clone())).collect();
    until("every right to be used", PATIENCE, || async {
        let (used, forbidden) = done(&node.recorded(&format!(":{NAME}\""))?);
        ensure!(forbidden.is_empty(), "not permitted: {forbidden:?}");
        let idle: Vec<_> = wanted.difference(&used).collect();
        ensure!(idle.is_empty(), "never used: {idle:?}");
        Ok(Some(()))
    })
    .await?;
    let policies: Api<KafkaPolicy> = Api::all(node.client.clone());
    policies
        .delete(&space.name, &DeleteParams::default())
        .await?;
    node.ready(TENANTS.0, TENANTS.1, PATIENCE).await?;
    space.close().await
}
