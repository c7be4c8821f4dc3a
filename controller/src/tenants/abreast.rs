//! Whether everything was heard of that says who may do what. Each kind has a watch of its own, so what was written later
//! may be heard of earlier: that a role went, before that the ACL does not need it any more. Who acts on the first alone
//! takes away what was wanted all the time.
//!
//! Owns the question to the API server, asked before anything of Kafka's changes, and how far each watch has told. What is
//! there and not heard of can only add to what is wanted; that something went and was not heard of takes nothing away
//! too early. So it is enough to know all that there is. Users are too many for that: before something is taken away, it
//! is asked for those that ACLs name and nobody has heard of.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaUser};
use sdm_core::access::Expansion;
use sdm_core::validate::{dns_label, dns_name};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::gate::Open;
use super::hub::Kind;
use super::worker::Worker;
use crate::error::Error;
use crate::store::{Key, version};

/// Objects in one answer.
const PAGE: u32 = 500;
/// A watch that has not told by then of what was listed is interrupted: what is known has to do.
const LONGEST: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(2);
/// Where changes never end, what is done follows from what was there a moment ago.
const LOOKS: usize = 5;
/// So many users are asked for one by one, at the same time; for more, all that there are is listed.
const FEW: usize = 8;

/// The newest version of each kind. Versions of one kind are ordered, and so are the events of its watch (KEP-5504): who
/// heard of one has heard of all before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Of roles.
    pub roles: u64,
    /// Of grants.
    pub grants: u64,
    /// Of ACLs.
    pub acls: u64,
}

impl Newest {
    /// Whether whoever heard of this has heard of all of the other.
    pub fn covers(self, other: Self) -> bool {
        self.roles >= other.roles && self.grants >= other.grants && self.acls >= other.acls
    }

    /// Asks for all of it, at the same time. ACLs are left out unless something else changed: what was written to one
    /// kind is heard of in that order.
    async fn ask(client: &Client, with_acls: bool) -> Result<Self, Error> {
        let acls = async {
            match with_acls {
                true => newest::<KafkaACL>(client).await,
                false => Ok(0),
            }
        };
        let (roles, grants, acls) = tokio::try_join!(
            newest::<KafkaRole>(client),
            newest::<KafkaAccessGrant>(client),
            acls
        )?;
        Ok(Self {
            roles,
            grants,
            acls,
        })
    }
}

async fn newest<K>(client: &Client) -> Result<u64, Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut newest = 0;
    each::<K>(client, |one| newest = newest.max(version(one).unwrap_or(0))).await?;
    Ok(newest)
}

/// Goes through all objects of a kind, a page at a time.
async fn each<K>(client: &Client, mut visit: impl FnMut(&PartialObjectMeta<K>)) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list_metadata(&page).await?;
        list.items.iter().for_each(&mut visit);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// Those of these users that there are.
async fn existing(client: &Client, users: BTreeSet<Key>) -> Result<Vec<Key>, Error> {
    if users.len() > FEW {
        let mut found = Vec::new();
        let visit = |one: &PartialObjectMeta<KafkaUser>| {
            let key = Key {
                namespace: one.namespace().unwrap_or_default(),
                name: one.name_any(),
            };
            found.extend(users.contains(&key).then_some(key));
        };
        each(client, visit).await?;
        return Ok(found);
    }
    let questions = users.into_iter().map(|user| async {
        let api: Api<KafkaUser> = Api::namespaced(client.clone(), &user.namespace);
        let found = api.get_metadata_opt(&user.name).await?;
        Ok::<_, Error>(found.map(|_| user))
    });
    let found = try_join_all(questions).await?;
    Ok(found.into_iter().flatten().collect())
}

/// How far the watch of a kind has told.
#[derive(Clone, Debug, Default)]
pub struct Position(Arc<Mutex<[u64; 2]>>);

impl Position {
    /// An event has reached everybody whom it concerns. A list is in no order: it counts when all of it was told.
    pub fn note<K: Resource>(&self, event: &Event<K>) {
        let [told, listed] = &mut *self.lock();
        match event {
            Event::Init => *listed = 0,
            Event::InitApply(one) => *listed = (*listed).max(version(one).unwrap_or(0)),
            Event::InitDone => *told = (*told).max(*listed),
            Event::Apply(one) | Event::Delete(one) => {
                *told = (*told).max(version(one).unwrap_or(0))
            }
        }
    }

    fn told(&self) -> u64 {
        self.lock()[0]
    }

    fn lock(&self) -> MutexGuard<'_, [u64; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the watches have told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Of roles.
    pub roles: Position,
    /// Of grants.
    pub grants: Position,
    /// Of ACLs.
    pub acls: Position,
}

impl Told {
    /// The newest that was told of.
    pub fn newest(&self) -> Newest {
        Newest {
            roles: self.roles.told(),
            grants: self.grants.told(),
            acls: self.acls.told(),
        }
    }
}

impl Worker {
    /// What is granted. If something has to be done therefore, it follows from all that there was by then.
    pub(super) async fn expand_abreast(&mut self, open: &Open) -> Result<Expansion, Error> {
        // Each is waited for once: one that cannot be read is never heard of.
        let mut awaited = BTreeSet::new();
        for _ in 0..LOOKS {
            let expansion = self.expand(open);
            if !self.differs(&expansion) {
                return Ok(expansion);
            }
            let there = Newest::ask(&self.context.client, self.state.is_beyond_acls()).await?;
            let users = match self.takes_away(&expansion) {
                true => self.unheard(&awaited).await?,
                false => Vec::new(),
            };
            if self.told.covers(there) && users.is_empty() {
                return Ok(expansion);
            }
            let caught_up = async {
                while !self.told.covers(there) || users.iter().any(|user| self.is_stranger(user)) {
                    sleep(PERIOD).await;
                    self.hear();
                }
            };
            let _ = timeout(LONGEST, caught_up).await;
            for user in users.iter().filter(|user| self.is_stranger(user)) {
                tracing::warn!(cluster = %self.key, %user, "the watch of users does not tell of one that ACLs name: access follows without it");
            }
            awaited.extend(users);
            self.state.access = false;
        }
        tracing::warn!(cluster = %self.key, "the watches do not catch up: access follows from what they have told so far");
        Ok(self.expand(open))
    }

    /// Users that are there, are named by ACLs, and were not heard of; neither of these, nor who was just heard to go.
    async fn unheard(&self, but: &BTreeSet<Key>) -> Result<Vec<Key>, Error> {
        let unknown = self.state.named_users().filter(|user| {
            let others = &self.state.other_users;
            self.is_stranger(user) && !but.contains(user) && !others.contains(user)
        });
        // What cannot be a user's name needs no question.
        let unknown = unknown.filter(|user| dns_label(&user.namespace) && dns_name(&user.name));
        existing(&self.context.client, unknown.collect()).await
    }

    /// Whether nothing was heard of a user, of whichever cluster.
    fn is_stranger(&self, user: &Key) -> bool {
        let unreadable = (Kind::User, user.clone());
        !self.state.users.contains_key(user)
            && !self.state.unreadable.contains(&unreadable)
            && !self.shared.is_user_elsewhere(user, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(version: u64) -> KafkaRole {
        let mut role = KafkaRole::new("role", Default::default());
        role.metadata.resource_version = Some(version.to_string());
        role
    }

    #[test]
    fn a_watch_has_told_what_its_events_say_and_of_a_list_nothing_before_its_end() {
        let position = Position::default();
        let after = |event: &Event<KafkaRole>| {
            position.note(event);
            position.told()
        };
        let events = [
            (Event::Init, 0),
            (Event::InitApply(role(7)), 0),
            (Event::InitApply(role(3)), 0),
            (Event::InitDone, 7),
            (Event::Apply(role(9)), 9),
            (Event::Delete(role(12)), 12),
            // Listed anew, after it was interrupted.
            (Event::Init, 12),
            (Event::InitApply(role(9)), 12),
            (Event::InitDone, 12),
            (Event::Init, 12),
            (Event::InitApply(role(20)), 12),
            (Event::InitDone, 20),
        ];
        for (event, told) in &events {
            assert_eq!(after(event), *told, "{event:?}");
        }
    }

    #[test]
    fn all_of_a_kind_is_covered_by_what_is_as_new() {
        let newest = |roles, grants, acls| Newest {
            roles,
            grants,
            acls,
        };
        let there = newest(5, 5, 5);
        for (heard, covers) in [
            (newest(5, 6, 5), true),
            (newest(4, 9, 9), false),
            (newest(9, 4, 9), false),
            (newest(9, 9, 4), false),
        ] {
            assert_eq!(heard.covers(there), covers, "{heard:?}");
        }
    }
}
