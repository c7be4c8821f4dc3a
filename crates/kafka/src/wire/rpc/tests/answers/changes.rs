//! Answers of the calls that change and describe configurations, ACLs, credentials, quotas and replicas.

use super::{Answer, add, long, m, two};

pub(super) fn add_to(all: &mut Vec<Answer>) {
    add::<m::IncrementalAlterConfigsRequest>(all, |r| {
        use m::incremental_alter_configs_response as t;
        r.with_responses(two(
            t::AlterConfigsResourceResponse::default().with_error_message(Some(long()))
        ))
    });
    add::<m::CreatePartitionsRequest>(all, |r| {
        use m::create_partitions_response as t;
        r.with_results(two(
            t::CreatePartitionsTopicResult::default().with_name(m::TopicName(long()))
        ))
    });
    add::<m::DescribeAclsRequest>(all, |r| {
        use m::describe_acls_response as t;
        let acl = t::AclDescription::default()
            .with_principal(long())
            .with_operation(-1);
        r.with_resources(two(t::DescribeAclsResource::default().with_acls(two(acl))))
    });
    add::<m::CreateAclsRequest>(all, |r| {
        use m::create_acls_response as t;
        r.with_results(two(
            t::AclCreationResult::default().with_error_message(Some(long()))
        ))
    });
    add::<m::DeleteAclsRequest>(all, |r| {
        use m::delete_acls_response as t;
        let acl = t::DeleteAclsMatchingAcl::default().with_resource_name(long());
        r.with_filter_results(two(
            t::DeleteAclsFilterResult::default().with_matching_acls(two(acl))
        ))
    });
    add::<m::DescribeUserScramCredentialsRequest>(all, |r| {
        use m::describe_user_scram_credentials_response as t;
        let user = t::DescribeUserScramCredentialsResult::default()
            .with_user(long())
            .with_credential_infos(two(t::CredentialInfo::default()));
        r.with_results(two(user))
    });
    add::<m::AlterUserScramCredentialsRequest>(all, |r| {
        use m::alter_user_scram_credentials_response as t;
        r.with_results(two(
            t::AlterUserScramCredentialsResult::default().with_user(long())
        ))
    });
    add::<m::DescribeClientQuotasRequest>(all, |r| {
        use m::describe_client_quotas_response as t;
        let entry = t::EntryData::default()
            .with_entity(two(t::EntityData::default().with_entity_type(long())))
            .with_values(two(t::ValueData::default().with_value(1e300)));
        r.with_entries(Some(two(entry)))
    });
    add::<m::AlterClientQuotasRequest>(all, |r| {
        use m::alter_client_quotas_response as t;
        let part = t::EntityData::default().with_entity_name(Some(long()));
        r.with_entries(two(t::EntryData::default().with_entity(two(part))))
    });
    add::<m::AlterPartitionReassignmentsRequest>(all, |r| {
        use m::alter_partition_reassignments_response as t;
        let partition =
            t::ReassignablePartitionResponse::default().with_error_message(Some(long()));
        r.with_responses(two(
            t::ReassignableTopicResponse::default().with_partitions(two(partition))
        ))
    });
    add::<m::ListPartitionReassignmentsRequest>(all, |r| {
        use m::list_partition_reassignments_response as t;
        let ids = || two(m::BrokerId(3));
        let partition = t::OngoingPartitionReassignment::default()
            .with_replicas(ids())
            .with_adding_replicas(ids())
            .with_removing_replicas(ids());
        r.with_topics(two(t::OngoingTopicReassignment::default()
            .with_name(m::TopicName(long()))
            .with_partitions(two(partition))))
    });
}
