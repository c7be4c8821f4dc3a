//! What is said of a Pod.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStatus, PodCondition, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

pub(super) fn container(ready: bool) -> ContainerStatus {
    let running = ContainerStateRunning {
        started_at: Some(Time(Timestamp::from_second(999_990).unwrap())),
    };
    ContainerStatus {
        name: "kafka".into(),
        ready,
        state: Some(ContainerState {
            running: Some(running),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    }
}

pub fn condition(status: &PodStatus, type_: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == type_ && c.status == "True")
}

pub fn set(status: &mut PodStatus, type_: &str, value: bool) {
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|c| c.type_ != type_);
    let status = if value { "True" } else { "False" };
    conditions.push(PodCondition {
        type_: type_.into(),
        status: status.into(),
        ..PodCondition::default()
    });
}
