//! Carrying out what differs of ACLs: the record first, then creations, then deletions, each in the order of
//! `sdm_core::access`.

use std::collections::BTreeSet;

use sdm_core::access::{Acl, AclChanges, Expansion, Refusal, Stopped, changes};
use sdm_kafka::{AclBinding, AclFilter, Client};

use super::calls::{ITEMS, acl, binding, refusal};
use super::worker::Worker;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::store::Key;

/// Questions at the same time.
const FEW: usize = 8;

/// What is done with ACLs.
#[derive(Clone, Copy, Debug)]
enum Way {
    Create,
    Delete,
}

/// What came of a step.
#[derive(Default)]
struct Took {
    done: Vec<Acl>,
    /// What Kafka refused and what has to wait therefore, with the reasons.
    refused: Vec<(Acl, Refusal)>,
}

impl Worker {
    /// Whether Kafka has to be told anything.
    pub(super) fn differs(&self, expansion: &Expansion) -> bool {
        let changes = self.acl_changes(expansion);
        changes.is_some_and(|changes| self.salvage || !changes.is_empty())
    }

    /// Whether something that Kafka has is to go.
    pub(super) fn takes_away(&self, expansion: &Expansion) -> bool {
        let changes = self.acl_changes(expansion);
        changes.is_some_and(|changes| changes.delete.iter().any(|some| !some.is_empty()))
    }

    fn acl_changes(&self, expansion: &Expansion) -> Option<AclChanges> {
        let (ledger, present) = (self.ledger.as_ref()?, self.known.acls.as_ref()?);
        Some(changes(&expansion.wanted, present, ledger.acls()))
    }

    /// Carries out the difference. What Kafka refused to create comes back with the reason.
    pub(super) async fn apply_acls(
        &mut self,
        client: &Client,
        expansion: &Expansion,
    ) -> Result<Vec<(Acl, Refusal)>, Error> {
        let had = match std::mem::take(&mut self.salvage) {
            true => self.had(expansion),
            false => Vec::new(),
        };
        let (Some(ledger), Some(present)) = (&mut self.ledger, &mut self.known.acls) else {
            return Ok(Vec::new());
        };
        ledger.begin();
        ledger.add_acls(had.into_iter().filter(|acl| present.contains(*acl)));
        // Who was given a name keeps it, and another process knows.
        ledger.set_claims(&expansion.claims);
        let mut steps = changes(&expansion.wanted, present, ledger.acls());
        if steps.create.iter().any(|some| !some.is_empty()) {
            // What somebody made since the last look is not ours, and would be taken for it.
            let found = made_meanwhile(client, steps.create.iter().flatten()).await?;
            present.extend(found);
            steps = changes(&expansion.wanted, present, ledger.acls());
        }
        ledger.add_acls(steps.create.iter().flatten());
        ledger.commit(&self.context.client).await?;
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        let mut stopped = Stopped::default();
        // Unless all of it is heard of, some may have been done unseen: look again before anything else.
        let Some(mut present) = self.known.acls.take() else {
            return Ok(Vec::new());
        };
        let (metrics, key) = (&self.context.metrics, &self.key);
        let mut failed = Vec::new();
        for step in steps.create {
            let took = take(client, metrics, key, Way::Create, step, &mut stopped).await?;
            present.extend(took.done);
            failed.extend(took.refused);
        }
        ledger.remove_acls(failed.iter().map(|(acl, _)| acl));
        let mut left = None;
        for step in steps.delete {
            let took = take(client, metrics, key, Way::Delete, step, &mut stopped).await?;
            for acl in &took.done {
                present.remove(acl);
            }
            ledger.remove_acls(&took.done);
            left = left.or(took.refused.into_iter().next().map(|(_, why)| why));
        }
        self.known.acls = Some(present);
        ledger.commit(&self.context.client).await?;
        if self.state.left_acls.went(left.is_some())
            && let Some(why) = left
        {
            let note = format!(
                "ACLs that nobody asks for any more are left behind in Kafka: {}; they are taken away when Kafka allows it",
                why.message
            );
            self.tell_left("AclsLeftBehind", note).await;
        }
        Ok(failed)
    }
}

/// Takes a step, as far as nothing stopped it.
async fn take(
    client: &Client,
    metrics: &Metrics,
    cluster: &Key,
    way: Way,
    step: Vec<Acl>,
    stopped: &mut Stopped,
) -> Result<Took, Error> {
    let (go, wait) = stopped.divide(step);
    let mut took = Took {
        refused: wait,
        ..Took::default()
    };
    for part in go.chunks(ITEMS) {
        let bindings: Vec<AclBinding> = part.iter().map(binding).collect();
        let verdicts: Vec<_> = match way {
            Way::Create => client.create_acls(&bindings).await?,
            Way::Delete => {
                let verdicts = client.delete_acls(&bindings).await?.into_iter();
                verdicts.map(|verdict| verdict.map(drop)).collect()
            }
        };
        for (acl, verdict) in part.iter().zip(verdicts) {
            let Err(error) = verdict else {
                took.done.push(acl.clone());
                continue;
            };
            tracing::warn!(%cluster, ?way, ?acl, %error, "ACL refused, will be repeated");
            metrics.error(error.reason());
            let refusal = refusal(&error);
            stopped.note(acl, &refusal);
            took.refused.push((acl.clone(), refusal));
        }
    }
    Ok(took)
}

/// Those of the ACLs that Kafka has by now: asked by principal while these are few.
async fn made_meanwhile<'a>(
    client: &Client,
    acls: impl Iterator<Item = &'a Acl>,
) -> Result<Vec<Acl>, Error> {
    let asked: BTreeSet<&Acl> = acls.collect();
    let principals: BTreeSet<&str> = asked.iter().map(|a| a.principal.as_str()).collect();
    let filters: Vec<AclFilter> = match principals.len() {
        ..=FEW => principals.into_iter().map(AclFilter::principal).collect(),
        _ => vec![AclFilter::any()],
    };
    let answers = filters.iter().map(|filter| client.describe_acls(filter));
    let answers = futures::future::try_join_all(answers).await?;
    let found = answers.iter().flatten().filter_map(acl);
    Ok(found.filter(|acl| asked.contains(acl)).collect())
}
