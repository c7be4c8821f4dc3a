//! What the tests stand on: real programs started and awaited, simulated ones
//! where a fault cannot be provoked for real, and a ledger of acknowledged
//! records. A scenario itself says only what it tests.

pub mod applies;
pub mod bulk;
pub mod console;
pub mod control_plane;
pub mod fake_acls;
pub mod fake_kafka;
pub mod fake_kubelet;
pub mod fake_quotas;
pub mod fake_topics;
pub mod ledger;
pub mod login;
pub mod metadata_log;
pub mod node;
pub mod paths;
pub mod process;
pub mod real_kafka;
pub mod simulation;
pub mod slow_watch;
pub mod space;
pub mod view;
pub mod wait;
pub mod webhook;
