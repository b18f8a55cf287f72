//! What stands beside the live generations has metrics while it does, and not a line once it is gone.

use serde_json::json;

use crate::reload::{CUSTOMERS, SIZES, TOTALS, World};
use crate::support::DEADLINE;

fn none_of(world: &World, prefix: &str) {
    // Which build of Readside it is, is always said.
    let is_none = |sample: &String| sample.starts_with("readside_build_info");
    world.daemon().wait(&format!("no `{prefix}…`"), DEADLINE, |daemon| {
        daemon.samples(prefix).iter().all(is_none).then_some(())
    });
}

#[test]
fn a_rollout_is_measured_as_long_as_it_lasts() {
    let mut world = World::start_with(&[TOTALS, SIZES], "");
    none_of(&world, "readside_build_");
    none_of(&world, "readside_shadow_");
    none_of(&world, "readside_kept_");
    let of_totals =
        |world: &World, name: &str, label: &str| world.daemon().metric(name, &["projection=\"totals\"", label]);
    // Nobody has more than 25 orders yet, so that every row is gone.
    world.declare(&[&TOTALS.replace("> 0", "> 25"), SIZES]);
    world.reload();
    let shadow = world.shadow("totals");
    assert_eq!(of_totals(&world, "readside_build_state", "state=\"shadowing\""), 1.0);
    assert_eq!(of_totals(&world, "readside_build_state", ""), 1.0, "it is in one state");
    let differing = |label| of_totals(&world, "readside_shadow_differing_rows", label);
    assert_eq!(differing("difference=\"only-before\""), CUSTOMERS as f64);
    assert_eq!(differing(""), CUSTOMERS as f64);
    let since = of_totals(&world, "readside_shadow_since_timestamp_seconds", "");
    assert_eq!(since, shadow["waitingSinceUs"].as_f64().unwrap() / 1e6);
    world.publish(500);
    world.daemon().wait("the shadow to follow", DEADLINE, |_| {
        let at = |name| of_totals(&world, name, "source=\"orders\"");
        (at("readside_build_position") == 1_500.0 && at("readside_build_target_position") == 1_500.0).then_some(())
    });
    assert_eq!(of_totals(&world, "readside_shadow_since_timestamp_seconds", ""), since, "it waits since then");
    // How fast it was built is no matter of how long a person takes.
    assert_eq!(world.shadow("totals")["sequencesPerSecond"], shadow["sequencesPerSecond"]);
    none_of(&world, "readside_kept_");
    world.decided("totals", "promote");
    none_of(&world, "readside_build_");
    none_of(&world, "readside_shadow_");
    // What it replaced, with what reads it.
    let kept = world.kept("totals");
    assert_eq!(world.daemon().metric("readside_kept_generations", &[]), 2.0);
    assert_eq!(of_totals(&world, "readside_kept_state", "state=\"ready\""), 1.0);
    assert_eq!(of_totals(&world, "readside_kept_until_timestamp_seconds", ""), kept["untilUs"].as_f64().unwrap() / 1e6);
    assert!(of_totals(&world, "readside_kept_state_bytes", &format!("generation=\"{}\"", kept["generation"])) > 0.0);
    let on_disk = |world: &World| {
        world.daemon().wait("bytes on disk", DEADLINE, |_| {
            Some(of_totals(world, "readside_kept_disk_bytes", "")).filter(|bytes| *bytes > 0.0)
        })
    };
    assert!(on_disk(&world) < world.disk() as f64);
    world.daemon().wait("bytes of what serves", DEADLINE, |_| {
        (world.status_of("totals")["diskBytes"].as_u64()? > 0).then_some(())
    });
    // All of it is there again after a restart, and gone with the decision.
    world.restart_unsettled();
    world.kept("totals");
    on_disk(&world);
    world.decided("totals", "retire");
    none_of(&world, "readside_kept_");
    // A build that has failed says so, and makes no progress.
    world.declare_source("cents: int64!, half: float64!");
    std::fs::rename(world.path("events.ndjson"), world.path("away")).unwrap();
    world.reload();
    assert_eq!(world.daemon().post("/v1/admin/projections/totals/abort", &json!({})).0, 200);
    world.daemon().wait("the build to end", DEADLINE, |_| {
        (of_totals(&world, "readside_build_state", "state=\"failed\"") == 1.0).then_some(())
    });
    assert!(world.daemon().samples("readside_build_position").is_empty());
}
