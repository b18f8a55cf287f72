//! The simulator: whole lives of a daemon, drawn from a seed, compared with the batch result at every step.
//!
//! The streams are in memory and never lie; the object store fails, tears, loses and delays; the process dies at any
//! operation. `SIM_SEED=7` runs one seed again, `SIM_SEEDS=1000` many. Search indexes merge on threads of their own, so
//! with one of them a seed may take another way through the store, never to another result.

mod coverage;
mod daemon;
mod definitions;
mod log;
mod oracle;
mod runner;
mod sharing;
mod size;
mod starts;
mod state;
mod two_writers;
mod world;

use coverage::Coverage;
use world::World;

const STEPS: usize = 30;

/// The seeds to run: one, as many as asked for, or a few.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match (number("SIM_SEED"), number("SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..few,
    }
}

#[tokio::test]
async fn a_daemon_survives_everything_and_equals_the_batch() {
    let mut coverage = Coverage::default();
    for seed in seeds(6) {
        World::new(seed).run(STEPS, &mut coverage).await;
    }
    println!("{coverage}");
    for met in [
        "checkpoints",
        "crashes in a checkpoint",
        "projections restored",
        "projections built",
        "operators shared",
        "joins beside",
    ] {
        assert!(coverage.of(met) > 0 || std::env::var_os("SIM_SEED").is_some(), "no {met} in\n{coverage}");
    }
}
