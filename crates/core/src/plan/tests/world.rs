//! A tiny model of an API server, kubelets, disks and Kafka: enough for plans to be carried out in.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodStatus, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use sdm_api::{KafkaCluster, names};
use serde_json::json;

use super::pods::{condition, container, set};
use crate::eviction::{Question, Verdict, judge};
use crate::plan::{Action, CertificateUse, Kind, Object, Plan, Step, content_hash, plan};
use crate::render::{self, KubeObject, PemParts};
use crate::snapshot::{BrokerView, CertificateView, KafkaView, QuorumView, ReplicaView, Short};
use crate::{ClusterState, Objects, Resolved, Snapshot, resolve};

/// Ticks a node needs until it serves.
const START: u32 = 2;
/// Further ticks until its replicas are in sync.
const SYNC: u32 = 2;

#[derive(Clone, Debug, Default)]
pub struct World {
    pub cluster: Option<KafkaCluster>,
    pub objects: Objects,
    pub certificates: BTreeMap<String, CertificateView>,
    /// Disks by the claim's uid: how they were formatted.
    pub disks: BTreeMap<String, String>,
    /// Ticks that each Pod has been running, by uid.
    pub age: BTreeMap<String, u32>,
    /// Brokers that are fenced by mishap, or mere controllers that fall behind, and for how long.
    pub mishaps: BTreeMap<i32, u32>,
    /// Replicas that each broker hosts.
    pub hosted: BTreeMap<i32, u64>,
    /// The lists of first voters that disks were formatted with.
    pub formats: BTreeSet<String>,
    /// Pods that never start, by node id: a broken configuration.
    pub crashing: BTreeSet<i32>,
    /// What must never happen.
    pub broken: Vec<String>,
    /// Whether Kafka can be asked.
    pub reachable: bool,
    /// Evictions that are asked for.
    pub evictions: BTreeMap<String, Question>,
    /// Partitions that cannot do without a broker.
    pub short: BTreeMap<i32, Short>,
    /// Seconds since the epoch.
    pub now: i64,
    pub writes: u32,
    next: u64,
}

pub fn cluster(config: &str) -> KafkaCluster {
    cluster_of(
        config,
        json!([pool("nodes", &["broker", "controller"], &[0, 1, 2])]),
    )
}

pub fn pool(name: &str, roles: &[&str], ids: &[i32]) -> serde_json::Value {
    json!({ "name": name, "roles": roles, "nodeIds": ids, "storage": { "volumes": [{ "name": "data", "size": "1Gi" }] } })
}

pub fn cluster_of(config: &str, pools: serde_json::Value) -> KafkaCluster {
    let object = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": { "name": "a", "namespace": "ns", "uid": "cluster", "generation": 1 },
        "spec": { "version": "4.3.1", "config": { "num.io.threads": config }, "pools": pools },
    });
    serde_json::from_value(object).unwrap()
}

impl World {
    pub fn new(cluster: KafkaCluster) -> Self {
        let ids: Vec<i32> = cluster
            .spec
            .pools
            .iter()
            .flat_map(|p| p.node_ids.clone())
            .collect();
        let hosted = ids.into_iter().map(|id| (id, 3)).collect();
        Self {
            cluster: Some(cluster),
            hosted,
            reachable: true,
            now: 1_000_000,
            ..Self::default()
        }
    }

    pub fn cluster(&self) -> KafkaCluster {
        self.cluster.clone().unwrap()
    }

    pub fn resolved(&self) -> Resolved {
        resolve(&self.cluster(), None).unwrap().0
    }

    pub fn state(&self) -> Option<ClusterState> {
        self.objects
            .config_maps
            .get("a-state")
            .map(|c| ClusterState::parse(c).unwrap())
    }

    pub fn snapshot(&mut self) -> Snapshot {
        self.next += 1;
        let id = |n: u64| format!("{:0>22}", format!("x{}x{n}", self.next));
        Snapshot {
            cluster: self.cluster(),
            objects: self.objects.clone(),
            certificates: self.certificates.clone(),
            zones: vec!["one".into(), "two".into()],
            kafka: self.kafka(),
            kafka_age: 0,
            kafka_error: None,
            evictions: self.evictions.clone(),
            now: self.now,
            fresh_ids: (0..9).map(id).collect(),
        }
    }

    pub fn plan(&mut self) -> Plan {
        let (snapshot, resolved) = (self.snapshot(), self.resolved());
        plan(&snapshot, &resolved, self.state().as_ref())
    }

    fn uid(&mut self) -> String {
        self.next += 1;
        format!("u{}", self.next)
    }

    fn pods(&self) -> impl Iterator<Item = (i32, &Pod)> {
        self.objects.pods.values().filter_map(|p| {
            let id = p
                .metadata
                .labels
                .as_ref()?
                .get(names::LABEL_NODE_ID)?
                .parse()
                .ok()?;
            Some((id, p))
        })
    }

    fn age_of(&self, id: i32) -> Option<u32> {
        let (_, pod) = self
            .pods()
            .find(|(other, p)| *other == id && p.metadata.deletion_timestamp.is_none())?;
        self.age.get(pod.metadata.uid.as_ref()?).copied()
    }

    /// Runs and is not fenced.
    pub fn serves(&self, id: i32) -> bool {
        self.age_of(id).is_some_and(|age| age >= START) && !self.mishaps.contains_key(&id)
    }

    fn in_sync(&self, id: i32) -> bool {
        self.serves(id) && self.age_of(id).is_some_and(|age| age >= START + SYNC)
    }

    fn voters(&self) -> BTreeMap<i32, String> {
        let list = self.formats.first().cloned().unwrap_or_default();
        let entry = |e: &str| {
            Some((
                e.split('@').next()?.parse().ok()?,
                e.rsplit(':').next()?.to_owned(),
            ))
        };
        list.split(',').filter_map(entry).collect()
    }

    fn kafka(&self) -> Option<KafkaView> {
        let voters = self.voters();
        let up: Vec<i32> = voters
            .keys()
            .copied()
            .filter(|id| self.age_of(*id).is_some_and(|a| a > 0))
            // A node that is a broker too goes on to vote while it is fenced.
            .filter(|id| self.hosted.contains_key(id) || !self.mishaps.contains_key(id))
            .collect();
        if !self.reachable || up.is_empty() {
            return None;
        }
        let leader = (up.len() * 2 > voters.len())
            .then(|| up.first().copied())
            .flatten();
        let ids: Vec<i32> = self.hosted.keys().copied().collect();
        let broker = |id: i32| {
            (
                id,
                BrokerView {
                    fenced: leader.is_none() || !self.serves(id),
                    rack: None,
                },
            )
        };
        let replica = |id: i32, dir: &str| {
            let ago = if up.contains(&id) { 0 } else { 60_000 };
            (
                id,
                ReplicaView {
                    directory_id: dir.to_owned(),
                    lag: ago,
                    caught_up_ms_ago: Some(ago),
                },
            )
        };
        let lagging = ids
            .iter()
            .filter(|id| self.hosted[id] > 0 && !self.in_sync(**id))
            .count();
        let mut view = KafkaView {
            brokers: ids.iter().map(|id| broker(*id)).collect(),
            quorum: Some(QuorumView {
                leader,
                voters: voters.iter().map(|(id, dir)| replica(*id, dir)).collect(),
                observers: BTreeMap::new(),
            }),
            hosted: self.hosted.clone(),
            in_sync: ids
                .iter()
                .filter(|id| self.in_sync(**id))
                .map(|id| (*id, self.hosted[id]))
                .collect(),
            short_without: Some(self.short.clone()),
            ..KafkaView::default()
        };
        view.partitions.under_replicated = u32::try_from(lagging).unwrap();
        Some(view)
    }

    /// Time passes: Pods start, end and become ready; mishaps pass.
    pub fn tick(&mut self) {
        self.now += 1;
        self.mishaps.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        let ended: Vec<String> = (self.objects.pods.iter())
            .filter(|(_, p)| p.metadata.deletion_timestamp.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in ended {
            let uid = self
                .objects
                .pods
                .remove(&name)
                .and_then(|p| p.metadata.uid)
                .unwrap_or_default();
            self.age.remove(&uid);
        }
        let pods: Vec<(i32, String, String)> = self
            .pods()
            .map(|(id, p)| {
                (
                    id,
                    p.metadata.name.clone().unwrap(),
                    p.metadata.uid.clone().unwrap(),
                )
            })
            .filter(|(id, ..)| !self.crashing.contains(id))
            .collect();
        for (id, name, uid) in pods {
            if !self.age.contains_key(&uid) {
                self.format(id);
            }
            let age = self.age.entry(uid).or_default();
            *age += 1;
            let ready = *age >= START;
            let pod = self.objects.pods.get_mut(&name).unwrap();
            let status = pod.status.get_or_insert_default();
            status.phase = Some("Running".into());
            status.container_statuses = Some(vec![container(ready)]);
            let open = condition(status, names::GATE_SERVING);
            set(status, "Ready", ready && open);
        }
    }

    /// What the format script does, as it stands in the ConfigMap when the Pod starts.
    fn format(&mut self, id: i32) {
        let claim = self
            .objects
            .claims
            .get(&names::claim("a", id, "data"))
            .unwrap();
        let uid = claim.metadata.uid.clone().unwrap();
        let bound = k8s_openapi::api::core::v1::PersistentVolumeClaimStatus {
            phase: Some("Bound".into()),
            ..Default::default()
        };
        let name = claim.metadata.name.clone().unwrap();
        self.objects.claims.get_mut(&name).unwrap().status = Some(bound);
        if self.disks.contains_key(&uid) {
            return;
        }
        let script = self.objects.config_maps[&names::node("a", id)]
            .data
            .clone()
            .unwrap()["format.sh"]
            .clone();
        let list = script
            .split_once("--initial-controllers '")
            .map(|(_, r)| r.split('\'').next().unwrap().to_owned());
        if let Some(list) = &list {
            self.formats.insert(list.clone());
            if self.formats.len() > 1 {
                self.broken.push(format!(
                    "formatted with two lists of voters: {:?}",
                    self.formats
                ));
            }
        }
        self.disks.insert(uid, list.unwrap_or_default());
    }

    /// Carries out one step as the API server would.
    pub fn carry_out(&mut self, step: &Step) {
        self.writes += 1;
        match &step.action {
            Action::CreateState(config_map) => {
                let meta = self.meta(&config_map.metadata, None);
                let entry = self.objects.config_maps.entry("a-state".into());
                entry.or_insert_with(|| ConfigMap {
                    metadata: meta,
                    ..(**config_map).clone()
                });
            }
            Action::UpdateState {
                config_map,
                resource_version,
            } => {
                let stored = &self.objects.config_maps["a-state"];
                if stored.metadata.resource_version.as_ref() == Some(resource_version) {
                    let meta = self.meta(&config_map.metadata, None);
                    let new = ConfigMap {
                        metadata: meta,
                        ..(**config_map).clone()
                    };
                    self.objects.config_maps.insert("a-state".into(), new);
                }
            }
            Action::CreateAuthority { .. } => {
                let secret = render::ca_secret(&self.resolved(), "ca", "key");
                let name = secret.metadata.name.clone().unwrap();
                if !self.objects.secrets.contains_key(&name) {
                    let meta = self.meta(&secret.metadata, None);
                    self.objects.secrets.insert(
                        name.clone(),
                        Secret {
                            metadata: meta,
                            ..secret
                        },
                    );
                    self.certificates.insert(name, CertificateView::default());
                }
            }
            Action::Issue(wanted) => self.issue(wanted),
            Action::Apply(object) => self.apply(object),
            Action::CreatePod(pod) => {
                let name = pod.metadata.name.clone().unwrap();
                if !self.objects.pods.contains_key(&name) {
                    let metadata = self.meta(&pod.metadata, None);
                    let status = Some(PodStatus {
                        phase: Some("Pending".into()),
                        ..PodStatus::default()
                    });
                    self.objects.pods.insert(
                        name,
                        Pod {
                            metadata,
                            status,
                            ..(**pod).clone()
                        },
                    );
                }
            }
            Action::Delete {
                kind, name, uid, ..
            } => self.delete(*kind, name, uid),
            Action::SetServing {
                pod, uid, serving, ..
            } => {
                if let Some(pod) = self
                    .objects
                    .pods
                    .get_mut(pod)
                    .filter(|p| p.metadata.uid.as_ref() == Some(uid))
                {
                    set(
                        pod.status.get_or_insert_default(),
                        names::GATE_SERVING,
                        *serving,
                    );
                }
            }
            Action::AnswerEviction { pod, uid, answer } => {
                let found = self.objects.pods.get_mut(pod);
                if let Some(pod) = found.filter(|p| p.metadata.uid.as_ref() == Some(uid)) {
                    pod.metadata.annotations.get_or_insert_default().insert(
                        crate::eviction::ANNOTATION.to_owned(),
                        serde_json::to_string(answer).unwrap(),
                    );
                }
            }
            Action::Adopt { kind, name, .. } => {
                let owner = OwnerReference {
                    controller: Some(true),
                    uid: "cluster".into(),
                    ..OwnerReference::default()
                };
                let meta = match kind {
                    Kind::Pod => &mut self.objects.pods.get_mut(name).unwrap().metadata,
                    _ => &mut self.objects.secrets.get_mut(name).unwrap().metadata,
                };
                meta.owner_references = Some(vec![owner]);
            }
            Action::Wait => panic!("a wait was carried out: {step:?}"),
        }
    }

    fn issue(&mut self, wanted: &CertificateUse) {
        let none = PemParts {
            certificate: "",
            key: "",
            ca: "",
        };
        let resolved = self.resolved();
        let mut secret = match wanted.node {
            Some(id) => render::node_tls_secret(&resolved, id, none),
            None => render::admin_secret(&resolved, none),
        };
        let hash = content_hash(&secret);
        secret
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(names::ANNOTATION_APPLIED.into(), hash);
        secret.metadata = self.meta(&secret.metadata, None);
        let view = CertificateView {
            common_name: Some(wanted.common_name.into()),
            dns: wanted.dns.clone(),
            not_before: 999_000,
            not_after: 2_000_000,
            of_authority: true,
            hash: self.uid(),
        };
        self.objects.secrets.insert(wanted.secret.clone(), secret);
        self.certificates.insert(wanted.secret.clone(), view);
    }

    fn apply(&mut self, object: &Object) {
        macro_rules! put {
            ($map:ident, $object:expr) => {{
                let mut object = $object.clone();
                let name = object.metadata.name.clone().unwrap();
                let before = self.objects.$map.get(&name).map(|o| o.metadata.clone());
                object.metadata = self.meta(&object.metadata, before.as_ref());
                self.objects.$map.insert(name, object);
            }};
        }
        match object {
            Object::ConfigMap(o) => put!(config_maps, o),
            Object::Claim(o) => put!(claims, o),
            Object::Shared(KubeObject::Service(o)) => put!(services, **o),
            Object::Shared(KubeObject::ServiceAccount(o)) => put!(service_accounts, **o),
            Object::Shared(KubeObject::PodDisruptionBudget(o)) => put!(budgets, **o),
        }
    }

    /// An eviction is tried: the webhook goes by the answer, and the disruption budget by the others' readiness.
    pub fn drain(&mut self, id: i32) {
        let name = format!("a-{id}");
        let Some(pod) = self.objects.pods.get(&name) else {
            return;
        };
        let others = self.resolved().nodes.into_keys().filter(|n| *n != id);
        if judge(pod, self.now) == Verdict::Allow && others.into_iter().all(|n| self.serves(n)) {
            let uid = pod.metadata.uid.clone().unwrap();
            self.delete(Kind::Pod, &name, &uid);
        }
    }

    fn delete(&mut self, kind: Kind, name: &str, uid: &str) {
        match kind {
            Kind::Pod => {
                let Some(pod) = self
                    .objects
                    .pods
                    .get(name)
                    .filter(|p| p.metadata.uid.as_deref() == Some(uid))
                else {
                    return;
                };
                let id: i32 = pod.metadata.labels.as_ref().unwrap()[names::LABEL_NODE_ID]
                    .parse()
                    .unwrap();
                let wanted = self.resolved().nodes;
                let down: Vec<i32> = wanted
                    .keys()
                    .copied()
                    .filter(|other| *other != id && !self.serves(*other))
                    .collect();
                if self.serves(id) && wanted.contains_key(&id) && !down.is_empty() {
                    self.broken
                        .push(format!("node {id} was stopped while {down:?} were down"));
                }
                if !wanted.contains_key(&id) && self.hosted.get(&id).is_some_and(|n| *n > 0) {
                    self.broken
                        .push(format!("node {id} was removed with its replicas"));
                }
                let pod = self.objects.pods.get_mut(name).unwrap();
                pod.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
                self.age.remove(uid);
            }
            Kind::ConfigMap => drop(self.objects.config_maps.remove(name)),
            Kind::Secret => drop(self.objects.secrets.remove(name)),
            Kind::PersistentVolumeClaim => drop(self.objects.claims.remove(name)),
        }
    }

    fn meta(&mut self, wanted: &ObjectMeta, before: Option<&ObjectMeta>) -> ObjectMeta {
        let uid = before
            .and_then(|m| m.uid.clone())
            .unwrap_or_else(|| self.uid());
        ObjectMeta {
            uid: Some(uid),
            resource_version: Some(self.uid()),
            ..wanted.clone()
        }
    }

    /// Carries out everything and lets time pass until nothing is left to do.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..400 {
            let plan = self.plan();
            let nodes: Vec<i32> = self.resolved().nodes.into_keys().collect();
            if plan.is_empty() && nodes.iter().all(|id| self.in_sync(*id)) {
                return Ok(());
            }
            self.go(&plan, usize::MAX);
            self.tick();
        }
        Err(format!("it does not settle: {:#?}", self.plan()))
    }

    /// Carries out the first `most` ready steps of a plan, a disruptive one only after a second
    /// look, as the controller does.
    pub fn go(&mut self, plan: &Plan, most: usize) {
        for step in plan.steps.iter().filter(|s| s.is_ready()).take(most) {
            if step.is_disruptive() {
                let again = self.plan();
                if !again
                    .steps
                    .iter()
                    .any(|s| s.name == step.name && s.is_ready() && s.action == step.action)
                {
                    continue;
                }
            }
            self.carry_out(step);
        }
    }

    /// The names of everything, and of Pods what they run.
    pub fn outcome(&self) -> Vec<String> {
        let o = &self.objects;
        let pods = o.pods.iter().map(|(n, p)| {
            let revision =
                p.metadata.annotations.as_ref().unwrap()[names::ANNOTATION_REVISION].clone();
            // Certificates are random, and a part of the revision.
            format!(
                "Pod/{n}/{}",
                if revision.is_empty() { "none" } else { "some" }
            )
        });
        let configs = o
            .config_maps
            .iter()
            .filter(|(n, _)| *n != "a-state")
            .map(|(n, c)| {
                let text = c.data.as_ref().unwrap()["server.properties"].clone();
                format!("ConfigMap/{n}/{text}")
            });
        (pods.chain(configs))
            .chain(o.secrets.keys().map(|n| format!("Secret/{n}")))
            .chain(o.claims.keys().map(|n| format!("Claim/{n}")))
            .chain(o.services.keys().map(|n| format!("Service/{n}")))
            .collect()
    }
}
