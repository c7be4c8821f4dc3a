//! DescribeAcls, CreateAcls and DeleteAcls (KIP-140, KIP-290).
//!
//! Any broker will do: it describes what it enforces itself, and forwards changes to the active controller. What was
//! changed a moment ago may not have reached the broker that is asked.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::describe_acls_response::DescribeAclsResponse;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::{optional_text, text, wire};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::model::{
    AclBinding, AclFilter, AclOperation, AclPatternFilter, AclPatternType, AclPermission,
    AclResourceType,
};
use crate::wire::rpc::Rpc;

/// The controller takes at most 10,000 records from one request, compares every filter with every ACL there is, and does
/// nothing else meanwhile.
const BATCH: usize = 500;
/// "Any", in every enumeration of a filter.
const ANY: i8 = 1;
/// A pattern filter that finds what affects a name.
const MATCH: i8 = 2;

impl Client {
    /// The ACLs that agree with `filter`, sorted. `SECURITY_DISABLED` where the broker has no authorizer.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>> {
        let answer = self
            .call_any(&question(filter)?, Repeat::Read, self.deadline())
            .await?;
        ItemError::check(
            answer.error_code,
            optional_text(answer.error_message.as_ref()),
        )
        .map_err(|e| e.into_error(DescribeAclsRequest::NAME))?;
        Ok(read(&answer))
    }

    /// Creates ACLs; one that exists already is created again without a change. One verdict per ACL, in order.
    ///
    /// Many go in several requests: when the call fails, some may have been created.
    pub async fn create_acls(&self, acls: &[AclBinding]) -> Result<Vec<Result<(), ItemError>>> {
        let deadline = self.deadline();
        let (codes, known) = sendable(acls);
        let mut told = Vec::with_capacity(known.len());
        for part in known.chunks(BATCH) {
            let creations = part.iter().map(creation).collect();
            let request = CreateAclsRequest::default().with_creations(creations);
            let answer = self.call_any(&request, Repeat::Write, deadline).await?;
            let verdicts = answer.results.iter().map(created).collect();
            told.extend(complete(CreateAclsRequest::NAME, part.len(), verdicts)?);
        }
        Ok(in_order(codes, told))
    }

    /// Deletes exactly these ACLs. One verdict per ACL, in order: how many were deleted, 0 where there was none.
    ///
    /// Many go in several requests: when the call fails, some may have been deleted.
    pub async fn delete_acls(&self, acls: &[AclBinding]) -> Result<Vec<Result<usize, ItemError>>> {
        let deadline = self.deadline();
        let (codes, known) = sendable(acls);
        let mut told = Vec::with_capacity(known.len());
        for part in known.chunks(BATCH) {
            let filters = part.iter().map(exactly).collect();
            let request = DeleteAclsRequest::default().with_filters(filters);
            let answer = self.call_any(&request, Repeat::Write, deadline).await?;
            let verdicts = answer.filter_results.iter().map(deleted).collect();
            told.extend(complete(DeleteAclsRequest::NAME, part.len(), verdicts)?);
        }
        Ok(in_order(codes, told))
    }
}

/// Kafka's numbers of one ACL.
#[derive(Clone, Copy)]
struct Codes {
    resource_type: i8,
    pattern_type: i8,
    operation: i8,
    permission: i8,
}

/// The numbers of each ACL, or the refusal to send one that is not wholly known; and those that are, beside theirs.
#[allow(clippy::type_complexity, reason = "used twice, just above")]
fn sendable(acls: &[AclBinding]) -> (Vec<Result<Codes, ItemError>>, Vec<(&AclBinding, Codes)>) {
    let codes: Vec<_> = acls.iter().map(codes).collect();
    let known = acls
        .iter()
        .zip(&codes)
        .filter_map(|(acl, codes)| codes.as_ref().ok().map(|codes| (acl, *codes)))
        .collect();
    (codes, known)
}

fn codes(acl: &AclBinding) -> Result<Codes, ItemError> {
    let codes = || {
        Some(Codes {
            resource_type: acl.resource_type.code()?,
            pattern_type: acl.pattern_type.code()?,
            operation: acl.operation.code()?,
            permission: acl.permission.code()?,
        })
    };
    codes().ok_or_else(|| ItemError {
        code: code::INVALID_REQUEST,
        name: "INVALID_REQUEST",
        message: Some(format!(
            "not sent: this client does not know all of {} on {} {}, {}, {}",
            acl.operation, acl.resource_type, acl.resource_name, acl.pattern_type, acl.permission
        )),
    })
}

/// One verdict for each ACL that was sent, or the answer is not one.
fn complete<T>(api: &'static str, sent: usize, verdicts: Vec<T>) -> Result<Vec<T>> {
    if verdicts.len() == sent {
        return Ok(verdicts);
    }
    Err(KafkaError::Protocol {
        peer: "broker".to_owned(),
        detail: format!("{api} answered {} of {sent} ACLs", verdicts.len()),
    })
}

/// Gives the broker's verdicts to those that were sent.
fn in_order<T>(
    codes: Vec<Result<Codes, ItemError>>,
    told: Vec<Result<T, ItemError>>,
) -> Vec<Result<T, ItemError>> {
    let mut told = told.into_iter();
    codes
        .into_iter()
        .filter_map(|codes| match codes {
            Ok(_) => told.next(),
            Err(refusal) => Some(Err(refusal)),
        })
        .collect()
}

fn creation((acl, codes): &(&AclBinding, Codes)) -> AclCreation {
    AclCreation::default()
        .with_resource_type(codes.resource_type)
        .with_resource_name(wire(&acl.resource_name))
        .with_resource_pattern_type(codes.pattern_type)
        .with_principal(wire(&acl.principal))
        .with_host(wire(&acl.host))
        .with_operation(codes.operation)
        .with_permission_type(codes.permission)
}

fn created(result: &AclCreationResult) -> Result<(), ItemError> {
    ItemError::check(
        result.error_code,
        optional_text(result.error_message.as_ref()),
    )
}

fn exactly((acl, codes): &(&AclBinding, Codes)) -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_type_filter(codes.resource_type)
        .with_resource_name_filter(Some(wire(&acl.resource_name)))
        .with_pattern_type_filter(codes.pattern_type)
        .with_principal_filter(Some(wire(&acl.principal)))
        .with_host_filter(Some(wire(&acl.host)))
        .with_operation(codes.operation)
        .with_permission_type(codes.permission)
}

fn deleted(result: &DeleteAclsFilterResult) -> Result<usize, ItemError> {
    ItemError::check(
        result.error_code,
        optional_text(result.error_message.as_ref()),
    )?;
    for acl in &result.matching_acls {
        ItemError::check(acl.error_code, optional_text(acl.error_message.as_ref()))?;
    }
    Ok(result.matching_acls.len())
}

fn question(filter: &AclFilter) -> Result<DescribeAclsRequest> {
    fn part<T: Copy + std::fmt::Display>(
        wanted: Option<T>,
        code: impl Fn(T) -> Option<i8>,
    ) -> Result<i8> {
        match wanted {
            None => Ok(ANY),
            Some(word) => code(word)
                .ok_or_else(|| KafkaError::config(format!("{word} cannot be asked for in ACLs"))),
        }
    }
    let pattern = match filter.pattern {
        AclPatternFilter::Any => ANY,
        AclPatternFilter::Match => MATCH,
        AclPatternFilter::Exactly(pattern) => part(Some(pattern), AclPatternType::code)?,
    };
    let optional = |value: &Option<String>| value.as_deref().map(wire);
    Ok(DescribeAclsRequest::default()
        .with_resource_type_filter(part(filter.resource_type, AclResourceType::code)?)
        .with_resource_name_filter(optional(&filter.resource_name))
        .with_pattern_type_filter(pattern)
        .with_principal_filter(optional(&filter.principal))
        .with_host_filter(optional(&filter.host))
        .with_operation(part(filter.operation, AclOperation::code)?)
        .with_permission_type(part(filter.permission, AclPermission::code)?))
}

fn read(answer: &DescribeAclsResponse) -> Vec<AclBinding> {
    let mut found: Vec<AclBinding> = answer
        .resources
        .iter()
        .flat_map(|resource| {
            resource.acls.iter().map(|acl| AclBinding {
                resource_type: AclResourceType::of(resource.resource_type),
                resource_name: text(&resource.resource_name),
                pattern_type: AclPatternType::of(resource.pattern_type),
                principal: text(&acl.principal),
                host: text(&acl.host),
                operation: AclOperation::of(acl.operation),
                permission: AclPermission::of(acl.permission_type),
            })
        })
        .collect();
    found.sort();
    found
}
