//! Situations and what is done about them.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateWaiting};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::{NodePhase, names};
use serde_json::json;

use super::world::{World, cluster, cluster_of, pool};
use crate::plan::{Action, Plan};
use crate::status::status;

fn settled() -> World {
    let mut world = World::new(cluster("4"));
    world.settle().unwrap();
    world
}

fn names_of(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.name.as_str()).collect()
}

fn wait_of<'a>(plan: &'a Plan, name: &str) -> &'a str {
    let step = plan
        .steps
        .iter()
        .find(|s| s.name == name)
        .unwrap_or_else(|| panic!("no {name} in {plan:#?}"));
    step.waits_for.as_deref().unwrap_or("nothing")
}

#[test]
fn decisions_are_written_down_before_anything_exists_and_pods_come_last() {
    let mut world = World::new(cluster("4"));
    assert_eq!(names_of(&world.plan()), ["PersistState"]);
    let plan = world.plan();
    world.go(&plan, 1);
    let plan = world.plan();
    let position = |name: &str| plan.steps.iter().position(|s| s.name == name).unwrap();
    assert!(position("CreateAuthority") < position("IssueCertificate/a-0-tls"));
    assert!(position("IssueCertificate/a-2-tls") < position("Apply/Service/a-nodes"));
    assert!(position("Apply/PersistentVolumeClaim/a-2-data") < position("CreatePod/a-0"));
    assert_eq!(wait_of(&plan, "CreatePod/a-0"), "CreateAuthority");
    assert_eq!(
        wait_of(&plan, "IssueCertificate/a-0-tls"),
        "CreateAuthority"
    );
}

#[test]
fn a_settled_cluster_plans_nothing_and_its_status_stays_the_same_to_the_byte() {
    let mut world = settled();
    assert!(world.plan().is_empty(), "{:#?}", world.plan());
    let mut snapshot = world.snapshot();
    let (resolved, state) = (world.resolved(), world.state());
    let first = status(&snapshot, &resolved, state.as_ref(), &Plan::default(), &[]);
    assert!(
        first
            .conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True"),
        "{first:#?}"
    );
    assert_eq!(first.nodes_ready.as_deref(), Some("3/3"));
    snapshot.cluster.status = Some(first.clone());
    snapshot.now += 1000;
    assert_eq!(
        status(&snapshot, &resolved, state.as_ref(), &Plan::default(), &[]),
        first
    );
}

#[test]
fn lost_decisions_stop_everything_until_somebody_says_whose_volumes_they_are() {
    let mut world = settled();
    let state = world.state().unwrap();
    world.objects.config_maps.remove("a-state");
    let plan = world.plan();
    assert_eq!(plan.stall.as_ref().unwrap().reason, "StateMissing");
    assert!(plan.steps.is_empty());

    let mut cluster = world.cluster();
    cluster.spec.cluster_id = Some(state.cluster_id.clone());
    world.cluster = Some(cluster);
    world.settle().unwrap();
    let after = world.state().unwrap();
    assert_eq!(
        (after.cluster_id, after.bootstrapped),
        (state.cluster_id, true)
    );
    assert_eq!(
        world.formats.len(),
        1,
        "nothing is formatted as a first voter again"
    );
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

#[test]
fn a_quorum_without_any_volume_is_not_formed_again() {
    let mut world = settled();
    world.objects.claims.clear();
    assert_eq!(world.plan().stall.unwrap().reason, "ControllerVolumesLost");
}

#[test]
fn an_authority_whose_key_is_gone_is_not_replaced_and_nodes_come_back_all_the_same() {
    let mut world = settled();
    world.objects.secrets.remove("a-ca");
    world.certificates.remove("a-ca");
    // Not even once no Pod is left: every client trusts the one that is gone.
    world.objects.pods.clear();
    let plan = world.plan();
    assert_eq!(plan.stall.as_ref().unwrap().reason, "AuthorityMissing");
    assert!(!names_of(&plan).contains(&"CreateAuthority"), "{plan:#?}");
    assert_eq!(wait_of(&plan, "CreatePod/a-0"), "nothing");
    // One without a certificate waits, and says for what.
    world.objects.secrets.remove("a-1-tls");
    let plan = world.plan();
    assert_eq!(
        wait_of(&plan, "CreatePod/a-1"),
        "Secret a-1-tls with its certificate"
    );
}

#[test]
fn another_cluster_id_than_the_volumes_have_is_refused() {
    let mut world = settled();
    let mut cluster = world.cluster();
    cluster.spec.cluster_id = Some("AAAAAAAAAAAAAAAAAAAAAB".into());
    world.cluster = Some(cluster);
    let (resolved, state) = (world.resolved(), world.state().unwrap());
    let said = crate::against_observed(&resolved, &state, &world.objects.claims);
    assert_eq!(said[0].path, "spec.clusterId");
}

/// Deleted with its volumes and created again at once, as GitOps does: the old claims are still there for a while.
#[test]
fn claims_that_go_with_an_earlier_cluster_are_no_volumes_to_take_over() {
    let mut world = World::new(cluster("4"));
    let mut old = settled();
    for (name, mut claim) in std::mem::take(&mut old.objects.claims) {
        claim.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        world.objects.claims.insert(name, claim);
    }
    let plan = world.plan();
    assert!(plan.stall.is_none(), "{plan:#?}");
    let Action::CreateState(config_map) = &plan.steps[0].action else {
        panic!("{plan:#?}");
    };
    let state = crate::ClusterState::parse(config_map).unwrap();
    assert!(
        !state.bootstrapped && state.directory_ids.len() == 3,
        "{state:?}"
    );
    assert_eq!(
        state.racks.len(),
        3,
        "racks are decided as for any new cluster"
    );
}

#[test]
fn a_roll_goes_controllers_first_and_the_active_one_last() {
    let pools = json!([
        pool("c", &["controller"], &[10, 11, 12]),
        pool("b", &["broker"], &[1, 2, 3])
    ]);
    let mut world = World::new(cluster_of("4", pools.clone()));
    world.hosted.retain(|id, _| *id < 10);
    world.settle().unwrap();
    // The model's leader is the voter with the lowest id.
    world.cluster = Some(cluster_of("5", pools));
    // The configuration first; nothing restarts before it is in place.
    let plan = world.plan();
    world.go(&plan, usize::MAX);
    let plan = world.plan();
    let (first, rest) = (
        "RestartNode/11",
        [
            "RestartNode/12",
            "RestartNode/10",
            "RestartNode/1",
            "RestartNode/2",
            "RestartNode/3",
        ],
    );
    assert_eq!(names_of(&plan)[0], first);
    assert_eq!(wait_of(&plan, first), "nothing");
    assert_eq!(names_of(&plan)[1..], rest);
    for name in rest {
        assert_eq!(wait_of(&plan, name), first);
    }
    world.settle().unwrap();
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

#[test]
fn a_node_that_serves_is_restarted_only_while_kafka_can_do_without_it() {
    type Case = (&'static str, fn(&mut World));
    let cases: [Case; 4] = [
        ("nothing", |_| {}),
        ("3 partitions to be in sync", |w| {
            w.age.values_mut().for_each(|age| *age = 3)
        }),
        ("an answer from Kafka", |w| w.reachable = false),
        ("node 2: its Pod does not exist", |w| {
            drop(w.objects.pods.remove("a-2"))
        }),
    ];
    for (wait, mishap) in cases {
        let mut world = settled();
        world.cluster = Some(cluster("5"));
        let configs = world.plan();
        for step in configs
            .steps
            .iter()
            .filter(|s| s.name.starts_with("Apply/ConfigMap"))
        {
            world.carry_out(step);
        }
        mishap(&mut world);
        let plan = world.plan();
        let first = names_of(&plan)
            .into_iter()
            .find(|n| n.starts_with("RestartNode"))
            .unwrap();
        assert_eq!(wait_of(&plan, first), wait);
    }
}

#[test]
fn a_node_that_is_down_anyway_is_restarted_first() {
    let mut world = settled();
    world.cluster = Some(cluster("5"));
    let configs = world.plan();
    world.go(&configs, usize::MAX);
    world.mishaps.insert(2, 9);
    let plan = world.plan();
    let restarts: Vec<_> = plan
        .steps
        .iter()
        .filter(|s| s.name.starts_with("RestartNode"))
        .map(|s| (s.name.as_str(), s.is_ready()))
        .collect();
    assert_eq!(
        restarts,
        [
            ("RestartNode/2", true),
            ("RestartNode/1", false),
            ("RestartNode/0", false)
        ]
    );
}

#[test]
fn the_change_that_mends_a_crashing_cluster_waits_for_nothing() {
    let mut world = World::new(cluster("4"));
    world.crashing.extend([0, 1, 2]);
    for _ in 0..4 {
        let plan = world.plan();
        world.go(&plan, usize::MAX);
        world.tick();
    }
    for pod in world.objects.pods.values_mut() {
        let waiting = ContainerStateWaiting {
            reason: Some("CrashLoopBackOff".into()),
            message: None,
        };
        let container = k8s_openapi::api::core::v1::ContainerStatus {
            name: "kafka".into(),
            state: Some(ContainerState {
                waiting: Some(waiting),
                ..ContainerState::default()
            }),
            ..Default::default()
        };
        pod.status.get_or_insert_default().container_statuses = Some(vec![container]);
    }
    let (snapshot, resolved) = (world.snapshot(), world.resolved());
    let said = status(
        &snapshot,
        &resolved,
        world.state().as_ref(),
        &world.plan(),
        &[],
    );
    assert_eq!(said.brokers[0].phase, NodePhase::Failed);
    assert_eq!(
        said.brokers[0].why.as_deref(),
        Some("container kafka: CrashLoopBackOff")
    );

    world.crashing.clear();
    world.cluster = Some(cluster("5"));
    world.settle().unwrap();
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

/// Everything but the Pods is as wanted.
fn apply_configuration(world: &mut World) {
    let plan = world.plan();
    let steps = plan
        .steps
        .into_iter()
        .filter(|s| s.name.starts_with("Apply/"));
    let plan = Plan {
        steps: steps.collect(),
        ..Plan::default()
    };
    world.go(&plan, usize::MAX);
}

/// A container that fails beside Kafka, and a Pod that is not Ready for it, as kubelet reports them.
fn fail_beside_kafka(world: &mut World) {
    for pod in world.objects.pods.values_mut() {
        let status = pod.status.get_or_insert_default();
        let waiting = ContainerStateWaiting {
            reason: Some("CrashLoopBackOff".into()),
            message: None,
        };
        let beside = k8s_openapi::api::core::v1::ContainerStatus {
            name: "shipper".into(),
            state: Some(ContainerState {
                waiting: Some(waiting),
                ..ContainerState::default()
            }),
            ..Default::default()
        };
        status
            .container_statuses
            .get_or_insert_default()
            .push(beside);
        for condition in status.conditions.iter_mut().flatten() {
            if condition.type_ == "Ready" {
                condition.status = "False".into();
            }
        }
    }
}

#[test]
fn a_container_that_fails_beside_kafka_does_not_make_a_broker_worth_less() {
    let mut world = settled();
    world.cluster = Some(cluster("5"));
    apply_configuration(&mut world);
    fail_beside_kafka(&mut world);
    let plan = world.plan();
    let ready = |plan: &Plan| {
        let restarts = plan
            .steps
            .iter()
            .filter(|s| s.name.starts_with("RestartNode"));
        restarts.filter(|s| s.is_ready()).count()
    };
    assert_eq!(
        ready(&plan),
        1,
        "one at a time, and the roll that mends it goes on: {plan:#?}"
    );
    // And with Kafka silent, nobody is stopped on a guess, however long ago it was started.
    world.reachable = false;
    for pod in world.objects.pods.values_mut() {
        let containers = pod
            .status
            .as_mut()
            .and_then(|s| s.container_statuses.as_mut());
        for container in containers.into_iter().flatten() {
            if let Some(running) = container.state.as_mut().and_then(|s| s.running.as_mut()) {
                running.started_at = Some(Time(Timestamp::UNIX_EPOCH));
            }
        }
    }
    let plan = world.plan();
    assert_eq!(ready(&plan), 0, "{plan:#?}");
}

/// Disruption budgets and Services go by the Pod's mark: until kubelet sets it, the node counts as down.
#[test]
fn the_next_node_waits_until_kubelet_has_marked_the_one_before_ready() {
    let mut world = settled();
    world.cluster = Some(cluster("5"));
    let (snapshot, resolved, state) = (world.snapshot(), world.resolved(), world.state());
    let wanted = crate::plan::rendered(&snapshot, &resolved, &state.unwrap());
    apply_configuration(&mut world);
    let one = world.objects.pods.get_mut("a-1").unwrap();
    let annotations = one.metadata.annotations.get_or_insert_default();
    annotations.insert(
        names::ANNOTATION_REVISION.into(),
        wanted[&1].revision.clone(),
    );
    for condition in one
        .status
        .iter_mut()
        .flat_map(|s| s.conditions.iter_mut().flatten())
    {
        if condition.type_ == "Ready" {
            condition.status = "False".into();
        }
    }
    assert_eq!(
        wait_of(&world.plan(), "RestartNode/2"),
        "node 1: Kafka serves, and its Pod is not marked ready yet"
    );
}

#[test]
fn a_volume_that_a_deleted_cluster_left_must_be_named_again() {
    let mut world = settled();
    let mut more = world.objects.claims["a-1-data"].clone();
    more.metadata.name = Some("a-1-more".into());
    world.objects.claims.insert("a-1-more".into(), more);
    let (resolved, state) = (world.resolved(), world.state().unwrap());
    let said = crate::against_observed(&resolved, &state, &world.objects.claims);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].message.contains("claim a-1-more exists"),
        "{said:?}"
    );
}

#[test]
fn a_node_in_no_pool_waits_until_it_hosts_nothing_and_leaves_its_volume() {
    let pools = |brokers: &[i32]| {
        json!([
            pool("c", &["controller"], &[10]),
            pool("b", &["broker"], brokers)
        ])
    };
    let mut world = World::new(cluster_of("4", pools(&[1, 2, 3])));
    world.hosted.remove(&10);
    world.settle().unwrap();
    world.cluster = Some(cluster_of("4", pools(&[1, 2])));
    let plan = world.plan();
    assert!(
        wait_of(&plan, "RemoveNode/3").starts_with("3 replicas to be moved away from broker 3"),
        "{plan:#?}"
    );
    // It holds replicas still: one eviction less may not become two.
    assert!(
        !names_of(&plan).contains(&"Apply/PodDisruptionBudget/a"),
        "{plan:#?}"
    );
    let (snapshot, resolved) = (world.snapshot(), world.resolved());
    let said = status(&snapshot, &resolved, world.state().as_ref(), &plan, &[]);
    let three = said.brokers.iter().find(|b| b.id == 3).unwrap();
    assert_eq!(three.phase, NodePhase::Removing);
    assert!(
        three
            .why
            .as_deref()
            .is_some_and(|w| w.contains("3 replicas")),
        "{three:?}"
    );

    world.hosted.insert(3, 0);
    world.settle().unwrap();
    let left = |name: &str| world.outcome().iter().any(|o| o.contains(name));
    assert!(
        !left("Pod/a-3") && !left("Secret/a-3") && left("Claim/a-3-data"),
        "{:?}",
        world.outcome()
    );
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

#[test]
fn a_controller_in_no_pool_stalls_and_is_not_stopped() {
    let mut world = settled();
    world.cluster = Some(cluster_of(
        "4",
        json!([pool("nodes", &["broker", "controller"], &[0, 1])]),
    ));
    world.hosted.insert(2, 0);
    let plan = world.plan();
    assert_eq!(plan.stall.as_ref().unwrap().reason, "ControllerRemoval");
    assert!(
        plan.steps
            .iter()
            .all(|s| !s.name.starts_with("RemoveNode") || !s.is_ready())
    );
}

#[test]
fn objects_of_a_deleted_cluster_are_waited_for() {
    let mut world = settled();
    let mut again = cluster("4");
    again.metadata.uid = Some("another".into());
    world.cluster = Some(again);
    let plan = world.plan();
    assert_eq!(
        wait_of(&plan, "CreateAuthority"),
        "Secret a-ca of the deleted cluster to be gone"
    );
    assert_eq!(
        wait_of(&plan, "CreatePod/a-0"),
        "Pod a-0 of the deleted cluster to be gone"
    );
    assert!(
        plan.steps
            .iter()
            .all(|s| !s.is_ready() || s.name.starts_with("SetServing")),
        "{plan:#?}"
    );
}

#[test]
fn a_certificate_is_renewed_in_time_and_its_node_restarts_in_its_turn() {
    let mut world = settled();
    world.certificates.get_mut("a-1-tls").unwrap().not_after = 1_000_100;
    let plan = world.plan();
    assert_eq!(names_of(&plan), ["IssueCertificate/a-1-tls"]);
    world.go(&plan, 1);
    assert_eq!(names_of(&world.plan()), ["RestartNode/1"]);
    world.settle().unwrap();
}

#[test]
fn somebody_elses_change_is_undone_and_a_volume_that_cannot_grow_keeps_no_pod_away() {
    let mut world = settled();
    let service = world.objects.services.get_mut("a-bootstrap").unwrap();
    service.spec.as_mut().unwrap().selector = None;
    assert_eq!(names_of(&world.plan()), ["Apply/Service/a-bootstrap"]);
    world.settle().unwrap();

    let mut grown = world.cluster();
    grown.spec.pools[0].storage.volumes[0].size = "2Gi".into();
    world.cluster = Some(grown);
    world.objects.pods.remove("a-1");
    let plan = world.plan();
    assert!(
        plan.steps
            .iter()
            .any(|s| s.name == "Apply/PersistentVolumeClaim/a-1-data" && s.is_ready())
    );
    assert_eq!(wait_of(&plan, "CreatePod/a-1"), "nothing");
}

#[test]
fn a_cluster_that_is_being_deleted_is_left_alone() {
    let mut world = settled();
    let mut going = cluster("9");
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
    ));
    world.cluster = Some(going);
    world.objects.pods.clear();
    assert!(world.plan().is_empty());
}

#[test]
fn the_gate_closes_when_kafka_fences_the_node_and_stays_while_kafka_is_silent() {
    let mut world = settled();
    world.mishaps.insert(2, 9);
    let plan = world.plan();
    let Action::SetServing { pod, serving, .. } = &plan.steps[0].action else {
        panic!("{plan:#?}")
    };
    assert_eq!(
        (pod.as_str(), *serving),
        (names::node("a", 2).as_str(), false)
    );
    world.reachable = false;
    assert!(world.plan().is_empty());
}
