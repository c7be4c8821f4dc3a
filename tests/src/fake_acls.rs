//! ACLs of the simulated Kafka: told, created and deleted, unless it refuses to for some principals. Who may do what is
//! nobody's business here.

use std::collections::{BTreeMap, BTreeSet};

use sdm_kafka::messages::create_acls_request::AclCreation;
use sdm_kafka::messages::create_acls_response::AclCreationResult;
use sdm_kafka::messages::delete_acls_request::DeleteAclsFilter;
use sdm_kafka::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use sdm_kafka::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use sdm_kafka::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use sdm_kafka::testing::{Reply, Request};

use crate::simulation::World;

/// Of what is no request.
pub const INVALID_REQUEST: i16 = 42;
/// Of what may pass.
pub const REQUEST_TIMED_OUT: i16 = 7;

/// One ACL, in Kafka's numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// Who.
    pub principal: String,
    /// The name of the resource.
    pub name: String,
    host: String,
    /// Type of resource, type of pattern, operation, permission.
    codes: [i8; 4],
}

/// All of them.
#[derive(Debug, Default)]
pub struct Acls {
    /// Those there are.
    pub there: BTreeSet<Acl>,
    /// Principals of whom nothing is created, and the error's code.
    pub unwelcome: BTreeMap<String, i16>,
    /// How many were not created.
    pub refused: usize,
    /// Principals of whom nothing is deleted.
    pub kept: BTreeSet<String>,
    /// Those that ever were there.
    pub made: BTreeSet<Acl>,
    /// Those that were deleted, in their order.
    pub taken: Vec<Acl>,
}

/// Answers a request about ACLs; `None`: it is about something else.
pub fn handle(request: &Request, world: &mut World) -> Option<Reply> {
    let acls = &mut world.acls;
    if let Some(question) = request.read::<DescribeAclsRequest>() {
        let of = question.principal_filter.map(|p| p.to_string());
        let asked = acls.there.iter();
        let asked = asked.filter(|acl| of.as_ref().is_none_or(|p| *p == acl.principal));
        let answer = DescribeAclsResponse::default().with_resources(asked.map(told).collect());
        return Some(request.answer::<DescribeAclsRequest>(&answer));
    }
    if let Some(create) = request.read::<CreateAclsRequest>() {
        let results = create.creations.iter().map(|creation| {
            let acl = created(creation);
            let code = match acls.unwelcome.get(&acl.principal) {
                Some(code) => {
                    acls.refused += 1;
                    *code
                }
                None => {
                    acls.made.insert(acl.clone());
                    acls.there.insert(acl);
                    0
                }
            };
            AclCreationResult::default().with_error_code(code)
        });
        let answer = CreateAclsResponse::default().with_results(results.collect());
        return Some(request.answer::<CreateAclsRequest>(&answer));
    }
    let delete = request.read::<DeleteAclsRequest>()?;
    let results = delete.filters.iter().map(|filter| {
        let result = DeleteAclsFilterResult::default();
        let acl = meant(filter);
        if acls.kept.contains(&acl.principal) {
            return result.with_error_code(INVALID_REQUEST);
        }
        let found = acls.there.take(&acl).into_iter();
        let matching = found.map(|acl| {
            acls.taken.push(acl);
            DeleteAclsMatchingAcl::default()
        });
        result.with_matching_acls(matching.collect())
    });
    let answer = DeleteAclsResponse::default().with_filter_results(results.collect());
    Some(request.answer::<DeleteAclsRequest>(&answer))
}

fn told(acl: &Acl) -> DescribeAclsResource {
    let [resource, pattern, operation, permission] = acl.codes;
    let description = AclDescription::default()
        .with_principal(acl.principal.clone().into())
        .with_host(acl.host.clone().into())
        .with_operation(operation)
        .with_permission_type(permission);
    DescribeAclsResource::default()
        .with_resource_type(resource)
        .with_resource_name(acl.name.clone().into())
        .with_pattern_type(pattern)
        .with_acls(vec![description])
}

fn created(acl: &AclCreation) -> Acl {
    Acl {
        principal: acl.principal.to_string(),
        name: acl.resource_name.to_string(),
        host: acl.host.to_string(),
        codes: [
            acl.resource_type,
            acl.resource_pattern_type,
            acl.operation,
            acl.permission_type,
        ],
    }
}

/// The one ACL that a filter without gaps stands for.
fn meant(filter: &DeleteAclsFilter) -> Acl {
    let text = |part: &Option<sdm_kafka::testing::Text>| {
        part.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    Acl {
        principal: text(&filter.principal_filter),
        name: text(&filter.resource_name_filter),
        host: text(&filter.host_filter),
        codes: [
            filter.resource_type_filter,
            filter.pattern_type_filter,
            filter.operation,
            filter.permission_type,
        ],
    }
}
