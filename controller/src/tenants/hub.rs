//! Inboxes: what changed, by cluster, the latest state of each object only.
//!
//! An inbox cannot grow beyond the number of objects: a second change of an object replaces the first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaTopic, KafkaUser};
use tokio::sync::Notify;

use crate::store::Key;

/// An object of a tenant.
#[derive(Clone, Debug)]
pub enum Object {
    /// A topic.
    Topic(Arc<KafkaTopic>),
    /// A user.
    User(Arc<KafkaUser>),
    /// An ACL.
    Acl(Arc<KafkaACL>),
    /// A grant.
    Grant(Arc<KafkaAccessGrant>),
}

/// A kind of tenants' objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `KafkaTopic`
    Topic,
    /// `KafkaUser`
    User,
    /// `KafkaACL`
    Acl,
    /// `KafkaAccessGrant`
    Grant,
}

/// What became of an object.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is so now. `fresh` is false when it was only listed.
    Is {
        /// The object.
        object: Object,
        /// Whether it was told as a change, not as part of a list.
        fresh: bool,
    },
    /// It is there and cannot be read: nothing may be concluded from it.
    Unreadable,
    /// It is gone.
    Gone,
}

/// What one worker has still to hear.
#[derive(Default)]
pub struct Pending {
    /// Objects, the latest state of each.
    pub changes: HashMap<(Kind, Key), Change>,
    /// Users whose Secret changed.
    pub secrets: Vec<Key>,
    /// Uids of Secrets that are gone.
    pub secrets_gone: Vec<String>,
    /// The cluster, or something that all objects depend on, changed.
    pub cluster: bool,
    /// Roles changed.
    pub roles: bool,
    /// Labels of namespaces changed.
    pub surroundings: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.secrets.is_empty()
            && !self.cluster
            && !self.roles
            && !self.surroundings
    }
}

/// One cluster's inbox.
pub struct Inbox {
    /// The cluster.
    pub key: Key,
    pending: Mutex<Pending>,
    bell: Notify,
}

impl Inbox {
    /// Resolves when there is something.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Everything that is there.
    pub fn take(&self) -> Pending {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, fill: impl FnOnce(&mut Pending)) {
        fill(&mut self.lock());
        self.bell.notify_one();
    }
}

/// All inboxes.
#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    bell: Notify,
    roles: Notify,
}

#[derive(Default)]
struct Inner {
    inboxes: HashMap<Key, Arc<Inbox>>,
    unattended: VecDeque<Arc<Inbox>>,
}

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into a cluster's inbox. The hub is held meanwhile: else the inbox, new or empty until now, could be
    /// given up between being found and being filled, and what was put into it never be read.
    fn put(&self, cluster: &Key, fill: impl FnOnce(&mut Pending)) {
        let mut inner = self.lock();
        if let Some(inbox) = inner.inboxes.get(cluster) {
            return inbox.put(fill);
        }
        let inbox = Arc::new(Inbox {
            key: cluster.clone(),
            pending: Mutex::default(),
            bell: Notify::new(),
        });
        inbox.put(fill);
        inner.inboxes.insert(cluster.clone(), Arc::clone(&inbox));
        inner.unattended.push_back(inbox);
        self.bell.notify_one();
    }

    fn put_all(&self, fill: impl Fn(&mut Pending)) {
        self.lock().inboxes.values().for_each(|i| i.put(&fill));
    }

    /// Tells the cluster's worker of an object.
    pub fn tell(&self, cluster: &Key, kind: Kind, key: Key, change: Change) {
        self.put(cluster, |p| {
            let fresh_before = matches!(
                p.changes.get(&(kind, key.clone())),
                Some(Change::Is { fresh: true, .. })
            );
            let change = match change {
                Change::Is { object, fresh } => Change::Is {
                    object,
                    fresh: fresh || fresh_before,
                },
                other => other,
            };
            p.changes.insert((kind, key), change);
        });
    }

    /// Tells the cluster's worker that a user's Secret changed, or with its uid that it is gone.
    pub fn secret(&self, cluster: &Key, user: Key, gone: Option<String>) {
        self.put(cluster, |p| {
            p.secrets_gone.extend(gone);
            if !p.secrets.contains(&user) {
                p.secrets.push(user);
            }
        });
    }

    /// Tells the cluster's worker that its cluster changed.
    pub fn poke(&self, cluster: &Key) {
        self.put(cluster, |p| p.cluster = true);
    }

    /// Resolves when roles changed.
    pub async fn roles_changed(&self) {
        self.roles.notified().await;
    }

    /// Tells of changed roles.
    pub fn role(&self) {
        self.roles.notify_one();
        self.put_all(|p| p.roles = true);
    }

    /// Tells every worker that namespaces changed.
    pub fn surroundings(&self) {
        self.put_all(|p| p.surroundings = true);
    }

    /// Tells every worker that clusters were listed anew.
    pub fn poke_all(&self) {
        self.put_all(|p| p.cluster = true);
    }

    /// An inbox that has no worker yet.
    pub async fn unattended(&self) -> Arc<Inbox> {
        loop {
            if let Some(inbox) = self.lock().unattended.pop_front() {
                return inbox;
            }
            self.bell.notified().await;
        }
    }

    /// Gives an inbox up, unless something has come meanwhile. `true`: its worker may end.
    pub fn retire(&self, inbox: &Inbox) -> bool {
        let mut inner = self.lock();
        if !inbox.lock().is_empty() {
            return false;
        }
        inner.inboxes.remove(&inbox.key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that finds nothing ends at once; what comes in that moment is read by it or by the next one.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_told_is_lost_while_workers_come_and_go() {
        const TOLD: usize = 20_000;
        let hub = Arc::new(Hub::default());
        let key = |name: &str| Key {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        let cluster = key("nowhere");
        let (teller, told) = (Arc::clone(&hub), cluster.clone());
        let telling = tokio::task::spawn_blocking(move || {
            for n in 0..TOLD {
                teller.tell(&told, Kind::Topic, key(&n.to_string()), Change::Gone);
            }
        });
        let mut read = 0;
        while read < TOLD {
            let inbox = tokio::time::timeout(std::time::Duration::from_secs(20), hub.unattended())
                .await
                .unwrap_or_else(|_| panic!("{} of {TOLD} were never read", TOLD - read));
            loop {
                read += inbox.take().changes.len();
                if hub.retire(&inbox) {
                    break;
                }
            }
        }
        telling.await.expect("all was told");
        assert_eq!(read, TOLD, "each was read once");
    }
}
