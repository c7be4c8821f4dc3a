//! Who may do what: the rule of tenancy, the order of changes, and what Kafka would answer.

#![allow(clippy::unwrap_used, clippy::panic)]

mod access {
    mod authorizer;
    mod changes;
    mod cluster;
    mod explain;
    mod groups;
    mod properties;
    mod roles;
    mod speed;
    mod status;
    mod store;
    mod subjects;
    mod tenancy;
    mod topics;
    mod validate;
}
