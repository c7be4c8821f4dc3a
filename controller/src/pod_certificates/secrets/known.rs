//! Who needs a Secret, and which Secrets of ours there are. No key is kept: it is cut off as it arrives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Secret};
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use sdm_api::inject::{FILE_AUTHORITIES, FILE_CERTIFICATE};
use sdm_core::inject::secret::{Holder, needs};
use sdm_runtime::pki::{CertInfo, inspect};

use crate::store::{Key, version};
use crate::tenants::secrets;

/// A Pod that needs a Secret.
struct Needy {
    holder: Holder,
    lifetime: i64,
    uid: Option<String>,
}

/// A Secret of ours, without what is secret in it.
pub struct Remembered {
    /// Its metadata, as it is needed to replace it.
    pub secret: Secret,
    /// Its certificate, if it can be read.
    pub certificate: Option<CertInfo>,
    /// The authorities in it.
    pub authorities: String,
    /// Whether the content is what was written.
    pub intact: bool,
}

/// Who needs what, and what is there.
#[derive(Default)]
pub struct Known {
    pods: HashMap<Key, Needy>,
    by_holder: BTreeMap<Holder, BTreeSet<Key>>,
    secrets: BTreeMap<Holder, Remembered>,
    /// What was there before a list that is under way, and was not in it so far.
    pods_before: BTreeSet<Key>,
    secrets_before: BTreeSet<Holder>,
    listed: (bool, bool),
}

impl Known {
    /// Whether all Pods and Secrets were seen once.
    pub fn is_listed(&self) -> bool {
        self.listed == (true, true)
    }

    /// Everybody who needs a Secret or has one.
    pub fn holders(&self) -> BTreeSet<Holder> {
        let all = self.by_holder.keys().chain(self.secrets.keys());
        all.cloned().collect()
    }

    /// The longest lifetime that a Pod of the holder asks for; none if it has no Pod.
    pub fn lifetime(&self, holder: &Holder) -> Option<i64> {
        let pods = self.by_holder.get(holder)?;
        let lifetimes = pods.iter().filter_map(|pod| self.pods.get(pod));
        lifetimes.map(|needy| needy.lifetime).max()
    }

    /// The Secret of the holder.
    pub fn delivered(&self, holder: &Holder) -> Option<&Remembered> {
        self.secrets.get(holder)
    }

    /// The Pods of the holder, as events are about them.
    pub fn pods(&self, holder: &Holder) -> Vec<ObjectReference> {
        let keys = self.by_holder.get(holder).into_iter().flatten();
        let reference = |key: &Key| ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(key.namespace.clone()),
            name: Some(key.name.clone()),
            uid: self.pods.get(key).and_then(|needy| needy.uid.clone()),
            ..ObjectReference::default()
        };
        keys.map(reference).collect()
    }

    /// Takes note of a Pod; who has to be looked at therefore.
    pub fn pod(&mut self, event: Event<Pod>) -> Vec<Holder> {
        match event {
            Event::Init => {
                self.pods_before = self.pods.keys().cloned().collect();
                Vec::new()
            }
            Event::InitApply(pod) | Event::Apply(pod) => {
                let Some(key) = key_of(&pod) else {
                    return Vec::new();
                };
                self.pods_before.remove(&key);
                let mut touched: Vec<_> = self.forget(&key).into_iter().collect();
                if let Some((holder, lifetime)) = needs(&pod) {
                    let pods = self.by_holder.entry(holder.clone()).or_default();
                    pods.insert(key.clone());
                    let needy = Needy {
                        holder: holder.clone(),
                        lifetime,
                        uid: pod.uid(),
                    };
                    self.pods.insert(key, needy);
                    touched.push(holder);
                }
                touched
            }
            Event::Delete(pod) => key_of(&pod)
                .and_then(|key| self.forget(&key))
                .into_iter()
                .collect(),
            Event::InitDone => {
                self.listed.0 = true;
                let gone = std::mem::take(&mut self.pods_before);
                gone.iter().filter_map(|key| self.forget(key)).collect()
            }
        }
    }

    fn forget(&mut self, pod: &Key) -> Option<Holder> {
        let holder = self.pods.remove(pod)?.holder;
        if let Some(pods) = self.by_holder.get_mut(&holder) {
            pods.remove(pod);
            if pods.is_empty() {
                self.by_holder.remove(&holder);
            }
        }
        Some(holder)
    }

    /// Takes note of a Secret; who has to be looked at therefore.
    pub fn secret(&mut self, event: Event<Secret>) -> Vec<Holder> {
        match event {
            Event::Init => {
                self.secrets_before = self.secrets.keys().cloned().collect();
                Vec::new()
            }
            Event::InitApply(secret) | Event::Apply(secret) => {
                let Some(holder) = Holder::of(&secret) else {
                    return Vec::new();
                };
                self.secrets_before.remove(&holder);
                self.remember(holder.clone(), secret);
                vec![holder]
            }
            Event::Delete(secret) => {
                let Some(holder) = Holder::of(&secret) else {
                    return Vec::new();
                };
                // Another one may have been written since.
                let same = |there: &Remembered| there.secret.uid() == secret.uid();
                if self.secrets.get(&holder).is_some_and(same) {
                    self.secrets.remove(&holder);
                }
                vec![holder]
            }
            Event::InitDone => {
                self.listed.1 = true;
                let gone: Vec<_> = std::mem::take(&mut self.secrets_before)
                    .into_iter()
                    .collect();
                for holder in &gone {
                    self.secrets.remove(holder);
                }
                gone
            }
        }
    }

    /// Keeps a Secret of ours in mind, unless a later version of it is known.
    pub fn remember(&mut self, holder: Holder, mut secret: Secret) {
        let later = |there: &Remembered| {
            there.secret.uid() == secret.uid() && version(&there.secret) > version(&secret)
        };
        if self.secrets.get(&holder).is_some_and(later) {
            return;
        }
        let text = |file: &str| {
            let content = secret.data.as_ref().and_then(|data| data.get(file));
            content.map(|c| String::from_utf8_lossy(&c.0).into_owned())
        };
        let authorities = text(FILE_AUTHORITIES).unwrap_or_default();
        let certificate = text(FILE_CERTIFICATE).and_then(|pem| inspect(&pem).ok());
        secrets::prune(&mut secret);
        secret.data = None;
        let remembered = Remembered {
            intact: secrets::is_intact(&secret),
            secret,
            certificate,
            authorities,
        };
        self.secrets.insert(holder, remembered);
    }

    /// The Secret is gone.
    pub fn lose(&mut self, holder: &Holder) {
        self.secrets.remove(holder);
    }
}

fn key_of(pod: &Pod) -> Option<Key> {
    Some(Key {
        namespace: pod.namespace()?,
        name: pod.name_any(),
    })
}

#[cfg(test)]
mod tests {
    use sdm_core::inject::secret::{Material, render};
    use serde_json::json;

    use super::*;

    fn pod(name: &str, lifetime: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "shop", "name": name, "labels": {"kafka.sdm.dev/injected": "secret"},
                "annotations": {"kafka.sdm.dev/inject": "streaming/events", "kafka.sdm.dev/inject-lifetime": lifetime}
            },
            "spec": {
                "serviceAccountName": "orders", "containers": [],
                "volumes": [{"name": "kafka-sdm-dev-client", "projected": {"sources": [
                    {"secret": {"name": "kafka-client.streaming.events.orders"}}
                ]}}]
            }
        }))
        .unwrap()
    }

    fn holder() -> Holder {
        needs(&pod("a", "1h")).unwrap().0
    }

    fn secret(uid: &str, version: u64) -> Secret {
        let material = Material {
            chain: "chain",
            key: "key",
            authorities: "authorities",
        };
        let mut secret = render(&holder(), "account", &material);
        secret.metadata.uid = Some(uid.to_owned());
        secret.metadata.resource_version = Some(version.to_string());
        secret
    }

    #[test]
    fn the_longest_lifetime_of_the_pods_there_are_counts() {
        let mut known = Known::default();
        for (name, lifetime) in [("a", "1h"), ("b", "2h")] {
            assert_eq!(known.pod(Event::Apply(pod(name, lifetime))), [holder()]);
        }
        assert_eq!(known.lifetime(&holder()), Some(7200));
        assert_eq!(known.pods(&holder()).len(), 2);
        known.pod(Event::Delete(pod("b", "2h")));
        assert_eq!(known.lifetime(&holder()), Some(3600));
        // A list that it is not in says that it is gone.
        known.pod(Event::Init);
        assert_eq!(known.pod(Event::InitDone), [holder()]);
        assert_eq!(known.lifetime(&holder()), None);
        assert!(known.holders().is_empty(), "nothing is kept");
    }

    #[test]
    fn what_was_written_is_not_forgotten_for_what_is_heard_late() {
        let mut known = Known::default();
        known.remember(holder(), secret("new", 9));
        known.secret(Event::Apply(secret("new", 8)));
        known.secret(Event::Delete(secret("old", 7)));
        let there = known.delivered(&holder()).unwrap();
        assert_eq!(there.secret.resource_version().as_deref(), Some("9"));
        assert!(there.intact && there.secret.data.is_none());
        assert_eq!(there.authorities, "authorities");
        known.secret(Event::Delete(secret("new", 9)));
        assert!(known.delivered(&holder()).is_none());
        // One that only bears the name is nobody's.
        let mut foreign = secret("x", 1);
        foreign.metadata.owner_references = None;
        assert_eq!(known.secret(Event::Apply(foreign)), []);
        assert!(!known.is_listed());
    }
}
