//! The objects that a cluster becomes: whole, as snapshots of the examples that are shipped,
//! and what must hold of any of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod common;

use common::{example, state_of};
use k8s_openapi::api::core::v1::Secret;
use sdm_api::{DeletionPolicy, KafkaCluster};
use sdm_core::{PemParts, Resolved, render, resolve};

/// All objects of an example as one YAML text; long files as they are.
fn everything(name: &str) -> String {
    let resolved = example(name);
    let state = state_of(&resolved);
    let mut text = serde_saphyr::to_string(&state.render(&resolved)).unwrap();
    for object in render::shared(&resolved, &state) {
        text += &format!(
            "---\n{}",
            serde_saphyr::to_string(&object.to_value()).unwrap()
        );
    }
    for &id in resolved.nodes.keys() {
        let objects = render::node(&resolved, &state, id, "certificate").unwrap();
        text += &format!(
            "---\n{}",
            serde_saphyr::to_string(&objects.config_map).unwrap()
        );
        for claim in &objects.claims {
            text += &format!("---\n{}", serde_saphyr::to_string(claim).unwrap());
        }
        text += &format!("---\n{}", serde_saphyr::to_string(&objects.pod).unwrap());
    }
    text
}

#[test]
fn combined_nodes() {
    insta::assert_snapshot!(everything("events"));
}

#[test]
fn dedicated_controllers_and_one_broker_that_differs() {
    insta::assert_snapshot!(everything("heterogeneous"));
}

#[test]
fn every_example_is_accepted() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/examples");
    let mut clusters = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for document in text
            .split("\n---\n")
            .filter(|d| d.contains("kind: KafkaCluster"))
        {
            let cluster: KafkaCluster = serde_saphyr::from_str(document).unwrap();
            assert!(resolve(&cluster, None).is_ok(), "{document}");
            clusters += 1;
        }
    }
    assert!(clusters >= 3);
}

fn revision(resolved: &Resolved, change: impl Fn(&mut sdm_core::ClusterState)) -> String {
    let mut state = state_of(resolved);
    change(&mut state);
    render::node(resolved, &state, 0, "certificate")
        .unwrap()
        .revision
}

#[test]
fn what_needs_no_restart_leaves_the_revision_alone() {
    let resolved = example("events");
    let before = revision(&resolved, |_| {});
    assert_eq!(
        before,
        revision(&resolved, |state| state.bootstrapped = true),
        "a formed quorum"
    );
    let mut grown = resolved.clone();
    grown.nodes.get_mut(&0).unwrap().volumes[0].size = "99Gi".to_owned();
    grown.nodes.get_mut(&0).unwrap().volumes[0].deletion_policy = DeletionPolicy::Delete;
    assert_eq!(before, revision(&grown, |_| {}), "a larger volume");
    let mut other = resolved.clone();
    other
        .nodes
        .get_mut(&1)
        .unwrap()
        .config
        .insert("num.io.threads".into(), "9".into());
    assert_eq!(
        before,
        revision(&other, |_| {}),
        "another node's configuration"
    );
}

#[test]
fn a_garbage_collector_in_the_options_replaces_ours() {
    for (option, chosen) in [
        ("-XX:+UseZGC", vec!["-XX:+UseZGC"]),
        ("-XX:+UseG1GC", vec!["-XX:+UseG1GC"]),
        ("-XX:+UseStringDeduplication", vec!["-XX:+UseG1GC"]),
    ] {
        let mut resolved = example("events");
        let node = resolved.nodes.get_mut(&0).unwrap();
        node.jvm.options.push(option.to_owned());
        let state = state_of(&resolved);
        let pod = render::node(&resolved, &state, 0, "certificate")
            .unwrap()
            .pod;
        let containers = pod.spec.unwrap().containers;
        let command = containers.into_iter().find(|c| c.name == "kafka");
        let command = command.and_then(|c| c.command).unwrap();
        let found = command.iter().filter(|o| o.ends_with("GC"));
        assert_eq!(found.collect::<Vec<_>>(), chosen, "{option}");
    }
}

#[test]
fn what_needs_a_restart_changes_the_revision() {
    let resolved = example("events");
    let before = revision(&resolved, |_| {});
    assert_ne!(
        before,
        revision(&resolved, |state| drop(
            state.racks.insert(0, "elsewhere".into())
        )),
        "rack"
    );
    type Edit = fn(&mut sdm_core::Node);
    let edits: [(&str, Edit); 7] = [
        ("configuration", |n| {
            drop(n.config.insert("num.io.threads".into(), "9".into()))
        }),
        ("image", |n| n.image = "other".into()),
        ("heap", |n| n.jvm.heap = Some("600Mi".into())),
        ("option", |n| n.jvm.options.push("-Da=b".into())),
        ("memory", |n| {
            drop(n.resources.limits.insert("memory".into(), "2Gi".into()))
        }),
        ("label", |n| {
            drop(
                n.template
                    .metadata
                    .get_or_insert_default()
                    .labels
                    .insert("a".into(), "b".into()),
            )
        }),
        ("grace", |n| {
            n.template.termination_grace_period_seconds = Some(60)
        }),
    ];
    for (what, edit) in edits {
        let mut changed = resolved.clone();
        edit(changed.nodes.get_mut(&0).unwrap());
        assert_ne!(before, revision(&changed, |_| {}), "{what}");
    }
    let other = render::node(&resolved, &state_of(&resolved), 0, "another certificate").unwrap();
    assert_ne!(before, other.revision, "certificate");
}

#[test]
fn the_list_of_first_voters_is_rendered_until_the_quorum_was_formed_and_never_again() {
    let resolved = example("heterogeneous");
    let mut state = state_of(&resolved);
    let script = |state: &sdm_core::ClusterState, id| {
        render::format_script(&resolved, state, &resolved.nodes[&id])
    };
    let voters = "--initial-controllers '100@mixed-100.mixed-nodes.streaming.svc:9090:";
    assert!(script(&state, 100).contains(voters));
    assert!(
        script(&state, 0).contains("--no-initial-controllers"),
        "a broker is no voter"
    );
    assert!(!script(&state, 0).contains(" --initial-controllers"));
    let late = state.directory_ids.remove(&101);
    assert!(
        script(&state, 101).contains("--no-initial-controllers"),
        "a controller that came later"
    );
    state.directory_ids.insert(101, late.unwrap());
    state.bootstrapped = true;
    for id in resolved.nodes.keys() {
        assert!(
            script(&state, *id).contains("--no-initial-controllers"),
            "{id}"
        );
        assert!(
            !script(&state, *id).contains(" --initial-controllers"),
            "{id}"
        );
    }
}

#[test]
fn volumes_and_memory_of_the_cluster_outlive_it_unless_told_otherwise() {
    let mut resolved = example("events");
    let state = state_of(&resolved);
    let owned = |resolved: &Resolved| {
        let claims = render::node(resolved, &state, 0, "").unwrap().claims;
        let claims = claims.iter().all(|c| c.metadata.owner_references.is_some());
        (
            claims,
            state.render(resolved).metadata.owner_references.is_some(),
        )
    };
    assert_eq!(owned(&resolved), (false, false));
    for (id, node) in &mut resolved.nodes {
        if *id != 2 {
            node.volumes[0].deletion_policy = DeletionPolicy::Delete;
        }
    }
    assert_eq!(
        owned(&resolved),
        (true, false),
        "node 2's volume still needs the cluster id"
    );
    resolved.nodes.get_mut(&2).unwrap().volumes[0].deletion_policy = DeletionPolicy::Delete;
    assert_eq!(owned(&resolved), (true, true));
}

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

#[test]
fn a_client_configuration_needs_no_other_file() {
    let mut resolved = example("events");
    let pem = PemParts {
        certificate: "C\nC\n",
        key: "K\n",
        ca: "A\nA\n",
    };
    let secret = render::admin_secret(&resolved, pem);
    assert_eq!(
        text(&secret, "client.properties"),
        "bootstrap.servers=events-bootstrap.streaming.svc:9092\n\
         security.protocol=SSL\n\
         ssl.keystore.certificate.chain=C\\nC\\n\n\
         ssl.keystore.key=K\\n\n\
         ssl.keystore.type=PEM\n\
         ssl.truststore.certificates=A\\nA\\n\n\
         ssl.truststore.type=PEM\n"
    );
    resolved.listeners[0].tls = sdm_api::ListenerTls::None;
    let secret = render::admin_secret(&resolved, pem);
    assert!(
        text(&secret, "client.properties")
            .contains("=events-0.events-nodes.streaming.svc:9091,events-1.")
    );
    let node = render::node_tls_secret(&resolved, 0, PemParts { key: "K", ..pem });
    assert_eq!(text(&node, "keystore.pem"), "K\nC\nC\n");
    assert_eq!(text(&node, "truststore.pem"), "A\nA\n");
}

#[test]
fn the_rack_is_demanded_in_every_alternative_of_the_users_affinity() {
    let mut resolved = example("events");
    let affinity = serde_json::json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "disk", "operator": "Exists"}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}}});
    resolved.nodes.get_mut(&0).unwrap().template.affinity =
        Some(serde_json::from_value(affinity).unwrap());
    let pod = render::node(&resolved, &state_of(&resolved), 0, "")
        .unwrap()
        .pod;
    let affinity = pod.spec.unwrap().affinity.unwrap();
    let terms = affinity
        .node_affinity
        .unwrap()
        .required_during_scheduling_ignored_during_execution
        .unwrap();
    assert_eq!(terms.node_selector_terms.len(), 2);
    for term in terms.node_selector_terms {
        let rack = term.match_expressions.unwrap().pop().unwrap();
        assert_eq!(
            (rack.key.as_str(), rack.values),
            (
                "topology.kubernetes.io/zone",
                Some(vec!["zone-a".to_owned()])
            )
        );
    }
}
