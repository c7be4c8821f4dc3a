//! Users as resources: certificates, quotas and ACLs for hundreds and thousands, and how soon an ACL is in effect.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use sdm_api::user::LABEL_USER;
use sdm_api::{
    AclResource, AclSubject, ClusterRef, KafkaACL, KafkaACLSpec, KafkaUser, KafkaUserSpec, Pattern,
    QuotaSpec, ResourceType, SubjectKind,
};
use sdm_kafka::AclFilter;
use sdm_tests::bulk;
use sdm_tests::node::Node;
use sdm_tests::wait::until;

use crate::{CLUSTER, Figures, NAMESPACE, PATIENCE, floor, median, rounded};

fn meta(name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(NAMESPACE.to_owned()),
        ..ObjectMeta::default()
    }
}

fn cluster() -> ClusterRef {
    ClusterRef {
        name: CLUSTER.to_owned(),
        namespace: None,
    }
}

/// Users with a certificate and a quota.
pub fn users(prefix: &str, count: usize) -> Vec<KafkaUser> {
    (0..count)
        .map(|n| KafkaUser {
            metadata: meta(format!("{prefix}-{n}")),
            spec: KafkaUserSpec {
                cluster_ref: cluster(),
                quotas: Some(QuotaSpec {
                    producer_byte_rate: Some(1_000_000),
                    ..QuotaSpec::default()
                }),
                ..KafkaUserSpec::default()
            },
            status: None,
        })
        .collect()
}

/// For each user one object that stands for two ACLs: it may read and describe a topic.
pub fn acls(prefix: &str, count: usize) -> Vec<KafkaACL> {
    (0..count)
        .map(|n| KafkaACL {
            metadata: meta(format!("{prefix}-{n}")),
            spec: KafkaACLSpec {
                cluster_ref: cluster(),
                subjects: vec![AclSubject {
                    kind: SubjectKind::KafkaUser,
                    name: format!("{prefix}-{n}"),
                    namespace: None,
                }],
                roles: vec!["consumer".to_owned()],
                resources: vec![AclResource {
                    type_: ResourceType::Topic,
                    name: Some(format!("{prefix}-topic")),
                    pattern: Pattern::Literal,
                }],
                ..KafkaACLSpec::default()
            },
            status: None,
        })
        .collect()
}

fn names(count: usize, prefix: &str) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// Lifecycles before those that count, Kafka's part alone, for its compilers.
const WARM: usize = 60;

/// Created until users and ACLs are Ready; deleted until objects, Secrets and ACLs are gone.
pub async fn lifecycle(node: &Node, prefix: &str, count: usize) -> Result<(Duration, Duration)> {
    let api: Api<KafkaUser> = Api::namespaced(node.client.clone(), NAMESPACE);
    let acl_api: Api<KafkaACL> = Api::namespaced(node.client.clone(), NAMESPACE);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let names = names(count, prefix);
    let began = Instant::now();
    tokio::try_join!(
        bulk::until_ready(
            &api,
            &names,
            1,
            PATIENCE,
            bulk::create(&node.client, users(prefix, count))
        ),
        bulk::until_ready(
            &acl_api,
            &names,
            1,
            PATIENCE,
            bulk::create(&node.client, acls(prefix, count))
        ),
    )?;
    let ready = began.elapsed();
    let ours = |principal: &str| principal.contains(&format!("/user/{prefix}-"));
    let held = kafka.describe_acls(&AclFilter::any()).await?;
    let held = held.iter().filter(|a| ours(&a.principal)).count();
    ensure!(held == 2 * count, "{held} ACLs for {count} users");
    let began = Instant::now();
    tokio::try_join!(bulk::delete(&api, &names), bulk::delete(&acl_api, &names))?;
    let secrets: Api<Secret> = Api::namespaced(node.client.clone(), NAMESPACE);
    until("users, Secrets and ACLs to be gone", PATIENCE, || async {
        let left = secrets
            .list_metadata(&ListParams::default().labels(LABEL_USER))
            .await?;
        let left = left
            .items
            .iter()
            .filter(|s| {
                s.metadata
                    .name
                    .as_ref()
                    .is_some_and(|n| n.starts_with(prefix))
            })
            .count();
        let acls = kafka.describe_acls(&AclFilter::any()).await?;
        let acls = acls.iter().filter(|a| ours(&a.principal)).count();
        ensure!(
            left == 0 && acls == 0,
            "{left} Secrets and {acls} ACLs are left"
        );
        Ok(Some(()))
    })
    .await?;
    Ok((ready, began.elapsed()))
}

/// From the apply of an ACL object to the ACL in Kafka, one at a time.
async fn effective(node: &Node, figures: &mut Figures) -> Result<()> {
    let api: Api<KafkaUser> = Api::namespaced(node.client.clone(), NAMESPACE);
    let acl_api: Api<KafkaACL> = Api::namespaced(node.client.clone(), NAMESPACE);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let prefix = "bench-effective";
    let count = 20;
    let names = names(count, prefix);
    bulk::until_ready(
        &api,
        &names,
        1,
        PATIENCE,
        bulk::create(&node.client, users(prefix, count)),
    )
    .await?;
    let mut took = Vec::new();
    for acl in acls(prefix, count) {
        let name = acl.metadata.name.clone().context("a name")?;
        let filter = AclFilter::principal(format!("User:{NAMESPACE}/user/{name}"));
        let began = Instant::now();
        acl_api.create(&Default::default(), &acl).await?;
        while kafka.describe_acls(&filter).await?.len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.push(began.elapsed().as_secs_f64());
    }
    tokio::try_join!(bulk::delete(&api, &names), bulk::delete(&acl_api, &names))?;
    took.sort_by(f64::total_cmp);
    figures.insert(
        "acl_effective_s",
        (took[took.len() / 2] * 1e3).round() / 1e3,
    );
    Ok(())
}

/// The figures.
pub async fn measure(node: &Node, figures: &mut Figures) -> Result<()> {
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    // Brokers that have never seen a quota compile what they run: the first lifecycle is a figure of its own.
    let first = lifecycle(node, "bench-500-first", 500).await?;
    println!("500 users, first: {first:.2?}");
    figures.insert("users_500_first_ready_s", rounded(first.0.as_secs_f64()));
    floor::clear(node).await?;
    floor::users_in_kafka_alone(node, 500, WARM).await?;
    let (mut ready, mut gone) = (Vec::new(), Vec::new());
    let (mut ready_floor, mut gone_floor) = (Vec::new(), Vec::new());
    for run in 0..3 {
        let floor = floor::users(node, 500).await?;
        ready_floor.push(floor.0);
        gone_floor.push(floor.1);
        let took = lifecycle(node, &format!("bench-500-{run}"), 500).await?;
        println!("500 users: {took:.2?}");
        ready.push(took.0.as_secs_f64());
        gone.push(took.1.as_secs_f64());
    }
    figures.insert("users_500_ready_s", median(ready));
    figures.insert("users_500_ready_floor_s", median(ready_floor));
    figures.insert("users_500_gone_s", median(gone));
    figures.insert("users_500_gone_floor_s", median(gone_floor));
    effective(node, figures).await
}

/// Thousands.
pub async fn scale(node: &Node, figures: &mut Figures) -> Result<()> {
    for (count, figure) in [(2000, "users_2000_ready_s"), (5000, "users_5000_ready_s")] {
        let (ready, gone) = lifecycle(node, &format!("bench-{count}"), count).await?;
        println!("{count} users: ready {ready:.2?}, gone {gone:.2?}");
        figures.insert(figure, rounded(ready.as_secs_f64()));
    }
    Ok(())
}
