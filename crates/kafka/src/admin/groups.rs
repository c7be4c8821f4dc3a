//! ListGroups, DescribeGroups, ConsumerGroupDescribe and DeleteGroups: groups of both protocols, classic and KIP-848.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::join_all;
use kafka_protocol::messages::consumer_group_describe_response::{
    DescribedGroup as DescribedConsumers, Member,
};
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    ListGroupsResponse,
};
use tokio::time::Instant;

use super::{group_id, optional_text, text};
use crate::client::{Client, Repeat, Retry};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::model::{GroupDescription, GroupListing, GroupMember, GroupType, ListedGroup};
use crate::wire::reader::{Malformed, Read, Reader};
use crate::wire::rpc::Rpc;

/// The protocol type of classic groups whose members are consumers.
const CONSUMER: &str = "consumer";
/// How a broker that describes classic groups before version 6 says that there is none.
const DEAD: &str = "Dead";

impl Client {
    /// All groups that the caller may see. Every live broker is asked for those it coordinates; one that does not answer
    /// is named in the result.
    pub async fn list_groups(&self) -> Result<GroupListing> {
        let deadline = self.deadline();
        let brokers = self.metadata_by(Some(&[]), deadline).await?.brokers;
        let answers = join_all(brokers.iter().map(|broker| async move {
            let groups = self.groups_of(broker.id, deadline).await;
            (broker.id, groups)
        }));
        let mut listing = GroupListing {
            groups: Vec::new(),
            unanswered: Vec::new(),
        };
        for (broker, groups) in answers.await {
            match groups {
                Ok(groups) => listing.groups.extend(groups),
                Err(e) => listing.unanswered.push((broker, e)),
            }
        }
        listing.groups.sort_by(|a, b| a.id.cmp(&b.id));
        // While its coordinator moves, two brokers may name a group.
        listing.groups.dedup_by(|a, b| a.id == b.id);
        Ok(listing)
    }

    async fn groups_of(&self, broker: i32, deadline: Instant) -> Result<Vec<ListedGroup>> {
        let mut retry = Retry::new(Repeat::Read, deadline);
        loop {
            let attempt = async {
                let connection = self.broker(broker, deadline).await?;
                let request = ListGroupsRequest::default();
                let answer = connection.call(&request, deadline).await?;
                ItemError::check(answer.error_code, None)
                    .map_err(|e| e.into_error(ListGroupsRequest::NAME))?;
                Ok(listed(broker, &answer))
            };
            match attempt.await {
                Ok(groups) => return Ok(groups),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// Groups with their members, in the order asked, each asked of its coordinator. `GROUP_ID_NOT_FOUND` for one that is
    /// not there, or is neither of the two types of consumers' groups.
    pub async fn describe_groups(
        &self,
        groups: &[&str],
    ) -> Vec<(String, Result<GroupDescription>)> {
        let deadline = self.deadline();
        // As Kafka's own client does: the new protocol first, what it does not know by the classic one.
        let mut found = self
            .ask_coordinators(
                groups,
                Repeat::Read,
                deadline,
                |ids| {
                    ConsumerGroupDescribeRequest::default()
                        .with_group_ids(ids.iter().map(|id| group_id(id)).collect())
                },
                |broker, answer| {
                    let groups = answer.groups.iter();
                    groups
                        .map(|group| (text(&group.group_id.0), consumers(broker, group)))
                        .collect()
                },
            )
            .await;
        let rest: BTreeSet<String> = found
            .iter()
            .filter(|(_, group)| group.as_ref().is_err_and(may_be_classic))
            .map(|(id, _)| id.clone())
            .collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let classic = self
            .ask_coordinators(
                &rest,
                Repeat::Read,
                deadline,
                |ids| {
                    DescribeGroupsRequest::default()
                        .with_groups(ids.iter().map(|id| group_id(id)).collect())
                },
                |broker, answer| {
                    let groups = answer.groups.iter();
                    groups
                        .map(|group| (text(&group.group_id.0), classic(broker, group)))
                        .collect()
                },
            )
            .await;
        for (id, group) in &mut found {
            if let Some((_, other)) = classic.iter().find(|(other, _)| other == id) {
                group.clone_from(other);
            }
        }
        found
    }

    /// Deletes groups with all their offsets, in the order given. `NON_EMPTY_GROUP` for one that has members.
    pub async fn delete_groups(&self, groups: &[&str]) -> Vec<(String, Result<()>)> {
        self.ask_coordinators(
            groups,
            Repeat::Write,
            self.deadline(),
            |ids| {
                DeleteGroupsRequest::default()
                    .with_groups_names(ids.iter().map(|id| group_id(id)).collect())
            },
            |_, answer| {
                let results = answer.results.iter();
                results
                    .map(|r| (text(&r.group_id.0), ItemError::check(r.error_code, None)))
                    .collect()
            },
        )
        .await
    }
}

fn listed(broker: i32, answer: &ListGroupsResponse) -> Vec<ListedGroup> {
    let groups = answer.groups.iter().map(|group| ListedGroup {
        id: text(&group.group_id.0),
        group_type: GroupType::of(&group.group_type),
        state: text(&group.group_state),
        protocol_type: text(&group.protocol_type),
        coordinator: broker,
    });
    groups.collect()
}

/// Not there by the new protocol, the new protocol not enabled, or not known to the broker at all.
fn may_be_classic(error: &KafkaError) -> bool {
    matches!(
        error.code(),
        Some(code::GROUP_ID_NOT_FOUND | code::UNSUPPORTED_VERSION)
    ) || matches!(error, KafkaError::Protocol { .. })
}

fn consumers(broker: i32, group: &DescribedConsumers) -> Result<GroupDescription, ItemError> {
    ItemError::check(
        group.error_code,
        optional_text(group.error_message.as_ref()),
    )?;
    Ok(GroupDescription {
        id: text(&group.group_id.0),
        group_type: GroupType::Consumer,
        state: text(&group.group_state),
        protocol: text(&group.assignor_name),
        coordinator: broker,
        members: sorted(group.members.iter().map(consumer)),
    })
}

fn consumer(member: &Member) -> GroupMember {
    let assigned = member.assignment.topic_partitions.iter();
    GroupMember {
        member_id: text(&member.member_id),
        instance_id: optional_text(member.instance_id.as_ref()),
        client_id: text(&member.client_id),
        host: host(&member.client_host),
        assignment: in_order(
            assigned.map(|topic| (text(&topic.topic_name.0), topic.partitions.clone())),
        ),
    }
}

fn classic(broker: i32, group: &DescribedGroup) -> Result<GroupDescription, ItemError> {
    ItemError::check(
        group.error_code,
        optional_text(group.error_message.as_ref()),
    )?;
    if group.group_state.as_str() == DEAD {
        ItemError::check(code::GROUP_ID_NOT_FOUND, None)?;
    }
    let consumers = group.protocol_type.as_str() == CONSUMER;
    Ok(GroupDescription {
        id: text(&group.group_id.0),
        group_type: GroupType::Classic,
        state: text(&group.group_state),
        protocol: text(&group.protocol_data),
        coordinator: broker,
        members: sorted(group.members.iter().map(|m| classic_member(m, consumers))),
    })
}

fn classic_member(member: &DescribedGroupMember, consumers: bool) -> GroupMember {
    // Members write it themselves: what is no assignment is shown as none.
    let assigned = if consumers {
        assignment(member.member_assignment.clone()).unwrap_or_default()
    } else {
        Vec::new()
    };
    GroupMember {
        member_id: text(&member.member_id),
        instance_id: optional_text(member.group_instance_id.as_ref()),
        client_id: text(&member.client_id),
        host: host(&member.client_host),
        assignment: in_order(assigned),
    }
}

/// ConsumerProtocolAssignment: what a classic group's leader has given to a member.
fn assignment(bytes: Bytes) -> Read<Vec<(String, Vec<i32>)>> {
    let mut r = Reader(bytes);
    // A member that has just joined has none yet.
    if r.left() == 0 {
        return Ok(Vec::new());
    }
    if r.i16()? < 0 {
        return Err(Malformed("an assignment's version is negative"));
    }
    r.array(|r| Ok((r.short_text()?, r.array(Reader::i32)?)))
}

fn in_order(assigned: impl IntoIterator<Item = (String, Vec<i32>)>) -> Vec<(String, Vec<i32>)> {
    let mut assigned: Vec<_> = assigned.into_iter().collect();
    for (_, partitions) in &mut assigned {
        partitions.sort_unstable();
    }
    assigned.sort();
    assigned
}

fn sorted(members: impl Iterator<Item = GroupMember>) -> Vec<GroupMember> {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    members
}

/// Java prints an address as `name/address`, without the name here.
fn host(printed: &str) -> String {
    printed.strip_prefix('/').unwrap_or(printed).to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_assignment_is_read_as_clients_write_it() {
        let mut out = BytesMut::new();
        out.put_i16(3);
        out.put_i32(2);
        for (topic, partitions) in [("orders", &[4, 1][..]), ("a", &[])] {
            out.put_i16(topic.len() as i16);
            out.put_slice(topic.as_bytes());
            out.put_i32(partitions.len() as i32);
            partitions.iter().for_each(|p| out.put_i32(*p));
        }
        out.put_i32(-1); // user data
        let read = in_order(assignment(out.clone().freeze()).unwrap());
        assert_eq!(read, [("a".into(), vec![]), ("orders".into(), vec![1, 4])]);
        assert_eq!(assignment(Bytes::new()), Ok(Vec::new()));
        for len in 1..out.len() - 4 {
            assert!(assignment(out.clone().freeze().slice(..len)).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_assignment_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = assignment(bytes.into());
        }
    }
}
