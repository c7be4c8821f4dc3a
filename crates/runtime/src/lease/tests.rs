use std::sync::{Arc, Mutex};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{task::JoinHandle, time::advance};

use super::*;
use crate::testing::{FakeApi, Fault};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/sdm-system/leases/sdm-controller";
const SECOND: Duration = Duration::from_secs(1);

struct Candidate {
    leadership: Leadership,
    stop: CancellationToken,
    task: JoinHandle<Result<(), LostLease>>,
}

impl Candidate {
    fn start(client: Client, name: &str) -> Self {
        let config = Config::new("sdm-system", "sdm-controller", name.to_owned());
        let (lease, leadership) = Lease::new(client, config);
        let stop = CancellationToken::new();
        let task = tokio::spawn(lease.run(stop.clone()));
        Self {
            leadership,
            stop,
            task,
        }
    }

    fn leads(&self) -> bool {
        *self.leadership.watch().borrow()
    }

    /// As SIGKILL would: nothing is released.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn holder(api: &FakeApi) -> Option<String> {
    api.get(PATH)?["spec"]["holderIdentity"]
        .as_str()
        .map(str::to_owned)
}

/// A client that reaches the server only while the switch is on.
fn switched(api: &FakeApi) -> (Client, Arc<Mutex<Fault>>) {
    let switch = Arc::new(Mutex::new(Fault::None));
    let fault = Arc::clone(&switch);
    (api.client_with(move |_, _| *fault.lock().unwrap()), switch)
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_takes_over_at_once_after_a_clean_stop() {
    let api = FakeApi::default();
    let first = Candidate::start(api.client(), "first");
    first.leadership.acquired().await;
    let second = Candidate::start(api.client(), "second");
    tokio::time::sleep(60 * SECOND).await;
    assert!(first.leads() && first.leadership.holds() && !second.leads());
    assert_eq!(holder(&api).as_deref(), Some("first"));

    first.stop.cancel();
    assert_eq!(first.task.await.unwrap(), Ok(()));
    assert!(!first.leadership.holds() && holder(&api).is_none());
    assert_eq!(api.get(PATH).unwrap()["spec"]["leaseDurationSeconds"], 1);

    let released = Instant::now();
    second.leadership.acquired().await;
    assert!(released.elapsed() <= 3 * SECOND, "{:?}", released.elapsed());
    assert_eq!(api.get(PATH).unwrap()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_the_other_acts_within_20_seconds_and_not_before_the_lease_expired() {
    let api = FakeApi::default();
    let first = Candidate::start(api.client(), "first");
    first.leadership.acquired().await;
    let second = Candidate::start(api.client(), "second");
    tokio::time::sleep(31 * SECOND).await;
    first.kill().await;
    let killed = Instant::now();
    second.leadership.acquired().await;
    let took = killed.elapsed();
    // The last renewal was up to 2.4 s before the kill, and seen up to 2.4 s after it was made.
    assert!((12 * SECOND..18 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_may_start() {
    let api = FakeApi::default();
    let (client, link) = switched(&api);
    let first = Candidate::start(client, "first");
    first.leadership.acquired().await;
    let second = Candidate::start(api.client(), "second");
    tokio::time::sleep(20 * SECOND).await;
    for fault in [Fault::Lost, Fault::Refused(500)] {
        // An outage shorter than the deadline is survived.
        *link.lock().unwrap() = fault;
        tokio::time::sleep(5 * SECOND).await;
        *link.lock().unwrap() = Fault::None;
        tokio::time::sleep(7 * SECOND).await;
        assert!(first.leads() && first.leadership.holds(), "{fault:?}");
    }
    *link.lock().unwrap() = Fault::Lost;
    let cut = Instant::now();
    let mut leading = first.leadership.watch();
    leading.wait_for(|leading| !leading).await.unwrap();
    assert!(cut.elapsed() <= 10 * SECOND && !second.leads());
    assert_eq!(
        first.task.await.unwrap(),
        Err(LostLease::Deadline(10 * SECOND))
    );
    second.leadership.acquired().await;
    assert!(
        (12 * SECOND..18 * SECOND).contains(&cut.elapsed()),
        "{:?}",
        cut.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_is_taken_or_deleted_ends_at_its_next_renewal() {
    let foreign =
        json!({"metadata": {"name": "sdm-controller"}, "spec": {"holderIdentity": "someone"}});
    for change in [Some(foreign), None] {
        let api = FakeApi::default();
        let first = Candidate::start(api.client(), "first");
        first.leadership.acquired().await;
        api.set(PATH, change);
        assert_eq!(first.task.await.unwrap(), Err(LostLease::Taken));
        assert!(!first.leadership.holds());
        assert_ne!(
            holder(&api).as_deref(),
            Some("first"),
            "and leaves the lease alone"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_with_a_lost_answer_is_found_again() {
    let api = FakeApi::default();
    let mut lose = true;
    let client = api.client_with(move |method, _| {
        let lost = *method == http::Method::POST && std::mem::take(&mut lose);
        if lost { Fault::AnswerLost } else { Fault::None }
    });
    let first = Candidate::start(client, "first");
    let started = Instant::now();
    first.leadership.acquired().await;
    assert!(
        started.elapsed() < 15 * SECOND,
        "its own record need not expire"
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_knows_by_the_clock_that_it_leads_no_more() {
    let api = FakeApi::default();
    let first = Candidate::start(api.client(), "first");
    first.leadership.acquired().await;
    // The clock moves, and no task of ours has run yet.
    advance(11 * SECOND).await;
    assert!(!first.leadership.holds());
}

#[tokio::test(start_paused = true)]
async fn an_idle_candidate_only_reads() {
    let api = FakeApi::default();
    let foreign =
        json!({"metadata": {"name": "sdm-controller"}, "spec": {"holderIdentity": "someone"}});
    api.set(PATH, Some(foreign));
    let first = Candidate::start(api.client(), "first");
    tokio::time::sleep(14 * SECOND).await;
    assert!(api.writes().is_empty() && !first.leads());
}

/// Three candidates on a bad network for half an hour, restarted whenever they end, killed now and then.
#[tokio::test(start_paused = true)]
async fn never_two_leaders() {
    for seed in 0..4 {
        let api = FakeApi::default();
        let rng = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let client = || {
            let rng = Arc::clone(&rng);
            // Bad times last: per candidate, until this moment everything fails in this way.
            let mut bad: Option<(Instant, Fault)> = None;
            api.client_with(move |_, _| {
                let mut rng = rng.lock().unwrap();
                if let Some((until, fault)) = bad
                    && Instant::now() < until
                {
                    return fault;
                }
                bad = None;
                match rng.random_range(0..40) {
                    0 => {
                        let faults = [
                            Fault::Lost,
                            Fault::Refused(503),
                            Fault::Refused(409),
                            Fault::AnswerLost,
                        ];
                        let fault = faults[rng.random_range(0..faults.len())];
                        bad = Some((Instant::now() + SECOND * rng.random_range(1..30), fault));
                        fault
                    }
                    1..4 => {
                        let mut delay = || Duration::from_millis(rng.random_range(0..9_000));
                        Fault::Slow(delay(), delay())
                    }
                    _ => Fault::None,
                }
            })
        };
        let mut lives = 0;
        let mut start = || {
            lives += 1;
            Candidate::start(client(), &format!("candidate-{lives}"))
        };
        let mut candidates: Vec<Candidate> = (0..3).map(|_| start()).collect();
        let (mut led, mut leaders) = (0_u32, std::collections::BTreeSet::new());
        for tick in 0..9_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let leading: Vec<usize> = (0..3).filter(|&i| candidates[i].leads()).collect();
            assert!(leading.len() <= 1, "seed {seed}, tick {tick}: {leading:?}");
            for &i in &leading {
                led += 1;
                leaders.insert(candidates[i].leadership.holds().then(|| holder(&api)));
            }
            let kill = rng.lock().unwrap().random_range(0..900) == 0;
            for (i, candidate) in candidates.iter_mut().enumerate() {
                let mut ended = candidate.task.is_finished();
                if kill && tick % 3 == i {
                    std::mem::replace(candidate, start()).kill().await;
                    ended = false;
                }
                if ended {
                    *candidate = start();
                }
            }
        }
        assert!(
            led > 4_500,
            "seed {seed}: somebody leads most of the time, but only {led} ticks"
        );
        assert!(leaders.len() > 3, "seed {seed}: leadership moves");
    }
}
