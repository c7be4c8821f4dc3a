//! What is remembered is read back as it was written, or not at all; and what exists is held
//! against it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod common;

use std::collections::BTreeMap;

use common::{example, state_of};
use sdm_core::{ClusterState, Resolved, against_observed, render};

#[test]
fn what_was_written_is_read() {
    for name in ["events", "heterogeneous"] {
        let resolved = example(name);
        for bootstrapped in [false, true] {
            let state = ClusterState {
                bootstrapped,
                ..state_of(&resolved)
            };
            assert_eq!(ClusterState::parse(&state.render(&resolved)), Ok(state));
        }
    }
}

#[test]
fn nothing_is_guessed() {
    let resolved = example("events");
    let good = state_of(&resolved).render(&resolved);
    let cases = [
        ("clusterId", None),
        ("clusterId", Some("short")),
        ("directoryIds", None),
        ("directoryIds", Some("{")),
        ("directoryIds", Some(r#"{"0":"short"}"#)),
        ("initialControllers", Some("[0,1]")),
        ("initialControllers", Some("[]")),
        ("bootstrapped", None),
        ("bootstrapped", Some("yes")),
        ("racks", Some(r#"{"a":"b"}"#)),
    ];
    for (key, value) in cases {
        let mut broken = good.clone();
        let data = broken.data.as_mut().unwrap();
        match value {
            Some(value) => drop(data.insert(key.to_owned(), value.to_owned())),
            None => drop(data.remove(key)),
        }
        let error = ClusterState::parse(&broken).unwrap_err();
        assert_eq!(error.key, key, "{value:?}: {error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("ConfigMap events-state, key {key}: ")),
            "{error}"
        );
    }
}

#[test]
fn a_cluster_must_fit_what_exists_of_it() {
    let mut resolved = example("events");
    let mut state = state_of(&resolved);
    state.bootstrapped = true;
    let mut claims: BTreeMap<_, _> = render::node(&resolved, &state, 0, "")
        .unwrap()
        .claims
        .into_iter()
        .map(|c| (c.metadata.name.clone().unwrap(), c))
        .collect();
    claims
        .get_mut("events-0-data")
        .unwrap()
        .spec
        .as_mut()
        .unwrap()
        .storage_class_name = Some("fast".into());
    let found = |resolved: &Resolved| {
        let all = against_observed(resolved, &state, &claims);
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(&resolved), Vec::<String>::new());

    resolved.cluster_id = Some("AAAAAAAAAAAAAAAAAAAAAg".into());
    let zero = resolved.nodes.get_mut(&0).unwrap();
    zero.volumes[0].size = "1Gi".into();
    zero.volumes[0].storage_class_name = Some("slow".into());
    resolved.nodes.remove(&2);
    assert_eq!(
        found(&resolved),
        [
            "spec.clusterId: \"AAAAAAAAAAAAAAAAAAAAAg\" is not the cluster's id, the volumes are formatted with \"MkU3OEVBNTcwNTJENDM2Qg\": set \"MkU3OEVBNTcwNTJENDM2Qg\", or leave it out",
            "spec.pools: changing the controllers of a running cluster is not supported yet: they are 0, 1, 2, and must stay so",
            "spec.pools[nodes].storage.volumes[data].size: claim events-0-data has 2Gi and cannot shrink to 1Gi: set 2Gi at least",
            "spec.pools[nodes].storage.volumes[data].storageClassName: claim events-0-data is of storage class \"fast\" and cannot change: set that again",
        ]
    );
}
