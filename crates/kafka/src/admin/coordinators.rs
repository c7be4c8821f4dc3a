//! FindCoordinator, and calls about groups to whichever broker coordinates each (KIP-699).

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kafka_protocol::messages::FindCoordinatorRequest;
use tokio::time::Instant;

use super::{optional_text, port, text, wire};
use crate::client::{Client, Pause, Repeat};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::model::NodeInfo;
use crate::wire::rpc::Rpc;

/// Keys are group ids.
const GROUP: i8 = 0;

/// What an answer says of each group.
pub(super) type PerGroup<T> = BTreeMap<String, Result<T, ItemError>>;

impl Client {
    /// Asks each group's coordinator, all groups of a broker in one `request`, and `read`s what it says of them. The
    /// results stand in the order asked.
    ///
    /// Follows coordinators that move until the deadline: one that says it is not, or not ready, has done nothing.
    pub(super) async fn ask_coordinators<R: Rpc, T: Clone>(
        &self,
        groups: &[&str],
        repeat: Repeat,
        deadline: Instant,
        request: impl Fn(&[String]) -> R,
        read: impl Fn(i32, R::Response) -> PerGroup<T>,
    ) -> Vec<(String, Result<T>)> {
        let mut found: BTreeMap<String, Result<T>> = BTreeMap::new();
        let mut open: BTreeSet<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        let mut pause = Pause::default();
        while !open.is_empty() {
            let mut again = BTreeSet::new();
            let mut by_broker: BTreeMap<i32, Vec<String>> = BTreeMap::new();
            for (group, coordinator) in self.find_coordinators(&open, deadline).await {
                match coordinator {
                    Ok(broker) => by_broker.entry(broker).or_default().push(group),
                    Err(error) => {
                        if Repeat::Read.allows(&error) {
                            again.insert(group.clone());
                        }
                        found.insert(group, Err(error));
                    }
                }
            }
            let asked = by_broker.iter().map(|(broker, groups)| {
                let request = request(groups);
                async move {
                    let connection = self.broker(*broker, deadline).await?;
                    connection.call(&request, deadline).await
                }
            });
            let answers = join_all(asked).await;
            for ((broker, groups), answer) in by_broker.iter().zip(answers) {
                let mut told = answer.map(|answer| read(*broker, answer));
                for group in groups {
                    let (result, retry) = match &mut told {
                        Err(error) => (Err(error.clone()), repeat.allows(error) || is_gone(error)),
                        Ok(told) => match told.remove(group) {
                            Some(Ok(result)) => (Ok(result), false),
                            Some(Err(error)) => {
                                let moved = is_elsewhere(&error);
                                (Err(error.into_error(R::NAME)), moved)
                            }
                            None => (Err(silent::<R>(*broker, group)), false),
                        },
                    };
                    if retry {
                        again.insert(group.clone());
                    }
                    found.insert(group.clone(), result);
                }
            }
            if again.is_empty() || !pause.before(deadline).await {
                break;
            }
            open = again;
        }
        groups
            .iter()
            .filter_map(|group| Some(((*group).to_owned(), found.get(*group)?.clone())))
            .collect()
    }

    /// [`Client::ask_coordinators`] about one group.
    pub(super) async fn ask_coordinator<R: Rpc + Clone, T: Clone>(
        &self,
        group: &str,
        repeat: Repeat,
        request: &R,
        read: impl Fn(R::Response) -> Result<T, ItemError>,
    ) -> Result<T> {
        let read = |_, answer| PerGroup::from([(group.to_owned(), read(answer))]);
        let told = self
            .ask_coordinators(&[group], repeat, self.deadline(), |_| request.clone(), read)
            .await;
        match told.into_iter().next() {
            Some((_, result)) => result,
            None => Err(silent::<R>(-1, group)),
        }
    }

    async fn find_coordinators(
        &self,
        groups: &BTreeSet<String>,
        deadline: Instant,
    ) -> Vec<(String, Result<i32>)> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(GROUP)
            .with_coordinator_keys(groups.iter().map(|g| wire(g)).collect());
        let found = match self.call_any(&request, Repeat::Read, deadline).await {
            Ok(answer) => answer.coordinators,
            Err(e) => return groups.iter().map(|g| (g.clone(), Err(e.clone()))).collect(),
        };
        let told = groups.iter().map(|group| {
            let Some(found) = found.iter().find(|c| c.key.as_str() == group) else {
                let api = FindCoordinatorRequest::NAME;
                let error = KafkaError::Protocol {
                    peer: "broker".to_owned(),
                    detail: format!("{api} answered without {group:?}"),
                };
                return (group.clone(), Err(error));
            };
            let verdict = ItemError::check(
                found.error_code,
                optional_text(found.error_message.as_ref()),
            );
            let coordinator = verdict.map_err(|e| e.into_error(FindCoordinatorRequest::NAME));
            let coordinator = coordinator.map(|()| {
                self.learn(&[NodeInfo {
                    id: found.node_id.0,
                    host: text(&found.host),
                    port: port(found.port),
                    rack: None,
                    fenced: false,
                }]);
                found.node_id.0
            });
            (group.clone(), coordinator)
        });
        told.collect()
    }
}

/// A coordinator that was found, and then was no live broker any more: another will take over.
fn is_gone(error: &KafkaError) -> bool {
    error.code() == Some(code::BROKER_NOT_AVAILABLE)
}

pub(super) fn is_elsewhere(error: &ItemError) -> bool {
    matches!(
        error.code,
        code::NOT_COORDINATOR
            | code::COORDINATOR_NOT_AVAILABLE
            | code::COORDINATOR_LOAD_IN_PROGRESS
    )
}

fn silent<R: Rpc>(broker: i32, group: &str) -> KafkaError {
    KafkaError::Protocol {
        peer: format!("broker {broker}"),
        detail: format!("{} answered without {group:?}", R::NAME),
    }
}
