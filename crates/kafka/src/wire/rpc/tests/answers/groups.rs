//! Answers of the calls about groups, elections and logins.

use super::{Answer, add, long, m, two};

pub(super) fn add_to(all: &mut Vec<Answer>) {
    let name = || m::TopicName(long());
    add::<m::FindCoordinatorRequest>(all, |r| {
        use m::find_coordinator_response as t;
        r.with_coordinators(two(t::Coordinator::default().with_key(long())))
    });
    add::<m::ListGroupsRequest>(all, |r| {
        use m::list_groups_response as t;
        r.with_groups(two(
            t::ListedGroup::default().with_group_id(m::GroupId(long()))
        ))
    });
    add::<m::DescribeGroupsRequest>(all, |r| {
        use m::describe_groups_response as t;
        let member = t::DescribedGroupMember::default()
            .with_member_id(long())
            .with_member_assignment(vec![0xff; 300].into());
        r.with_groups(two(t::DescribedGroup::default().with_members(two(member))))
    });
    add::<m::ConsumerGroupDescribeRequest>(all, |r| {
        use m::consumer_group_describe_response as t;
        let topic = t::TopicPartitions::default()
            .with_topic_name(name())
            .with_partitions(vec![1, 2]);
        let assignment = t::Assignment::default().with_topic_partitions(two(topic));
        let member = t::Member::default()
            .with_subscribed_topic_names(two(name()))
            .with_target_assignment(assignment.clone())
            .with_assignment(assignment);
        r.with_groups(two(t::DescribedGroup::default().with_members(two(member))))
    });
    add::<m::DeleteGroupsRequest>(all, |r| {
        use m::delete_groups_response as t;
        r.with_results(two(
            t::DeletableGroupResult::default().with_group_id(m::GroupId(long()))
        ))
    });
    add::<m::OffsetFetchRequest>(all, |r| {
        use m::offset_fetch_response as t;
        let partition = t::OffsetFetchResponsePartitions::default().with_metadata(Some(long()));
        let topic = t::OffsetFetchResponseTopics::default()
            .with_name(name())
            .with_partitions(two(partition));
        r.with_groups(two(
            t::OffsetFetchResponseGroup::default().with_topics(two(topic))
        ))
    });
    add::<m::OffsetCommitRequest>(all, |r| {
        use m::offset_commit_response as t;
        r.with_topics(two(t::OffsetCommitResponseTopic::default()
            .with_name(name())
            .with_partitions(two(t::OffsetCommitResponsePartition::default()))))
    });
    add::<m::OffsetDeleteRequest>(all, |r| {
        use m::offset_delete_response as t;
        r.with_topics(two(t::OffsetDeleteResponseTopic::default()
            .with_name(name())
            .with_partitions(two(t::OffsetDeleteResponsePartition::default()))))
    });
    add::<m::ElectLeadersRequest>(all, |r| {
        use m::elect_leaders_response as t;
        r.with_replica_election_results(two(t::ReplicaElectionResult::default()
            .with_topic(name())
            .with_partition_result(two(t::PartitionResult::default()))))
    });
    add::<m::SaslHandshakeRequest>(all, |r| r.with_mechanisms(two(long())));
    add::<m::SaslAuthenticateRequest>(all, |r| r.with_auth_bytes(vec![0xff; 300].into()));
}
