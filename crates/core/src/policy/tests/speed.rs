//! That judging stays cheap enough to do for everything there is. The figure itself is taken elsewhere, in release.

use std::time::{Duration, Instant};

use super::super::sample;

#[test]
fn a_hundred_policies_times_a_hundred_objects() {
    let (policies, objects) = (sample::policies(100), sample::objects(100));
    let began = Instant::now();
    let found = sample::audit(&policies, &objects);
    let took = began.elapsed();
    assert!(found > 0 && found < 10_000, "{found}");
    // Without optimization, and with other work on the machine.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
