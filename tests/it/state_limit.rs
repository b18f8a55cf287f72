//! `limits.state`: beyond it nothing more is built, and what serves goes on.

use crate::reload::{SIZES, TOTALS, World, root};
use crate::support::DEADLINE;

const SETTINGS: &str = "promotion: auto\nkeep: 0s\n";

impl World {
    /// Declares how much state there may be; taken with the next reload.
    fn limit_state(&self, limit: &str) {
        self.write("readside.yaml", &root(&format!("{SETTINGS}limits: {{state: {limit}}}\n")));
    }

    /// Waits until `/readyz`, which stays 200, has such a warning, or has none.
    fn warns_of_state(&self, warns: bool) {
        self.daemon().wait("a warning of state", DEADLINE, |daemon| {
            let (status, ready) = daemon.get("/readyz");
            assert_eq!(status, 200, "{ready}");
            (ready["warnings"].to_string().contains("nothing more is built") == warns).then_some(())
        });
    }
}

#[test]
fn nothing_more_is_built_beyond_the_limit_of_state_and_what_serves_goes_on() {
    let mut world = World::start_with(&[TOTALS], SETTINGS);
    let state = |world: &World| world.daemon().metric("readside_state_bytes", &[]);
    let bytes = state(&world);
    assert_eq!(world.daemon().samples("readside_state_limit_bytes").len(), 0);
    world.warns_of_state(false);
    world.limit_state("1KiB");
    world.declare(&[TOTALS, SIZES]);
    world.reload();
    // It is told in the status, in the log and to whoever asks whether the daemon is well.
    let build = world.daemon().wait("a build that is refused", DEADLINE, |daemon| {
        let build = daemon.get("/v1/projections/sizes").1["item"]["build"].clone();
        (build["state"] == "failed").then_some(build)
    });
    let why = format!("state takes {bytes} bytes, this would take 0 more at least, and `limits.state` is 1024");
    assert!(build["message"].as_str().unwrap().contains(&why), "{build}");
    assert!(world.daemon().says("projections are not built").contains("\"projections\":\"sizes\""));
    assert_eq!(world.daemon().metric("readside_state_limit_bytes", &[]), 1024.0);
    world.warns_of_state(true);
    // What serves takes what comes.
    world.publish(100);
    world.check();
    // A changed projection takes as much again as the one that serves.
    let bytes = state(&world);
    world.limit_state(&format!("{}", 2.0 * bytes - 1.0));
    world.declare(&[&TOTALS.replace("> 0", "> 1")]);
    world.reload();
    let refused = format!("this would take {bytes} more at least");
    world.daemon().wait("a change that is refused", DEADLINE, |daemon| {
        let build = daemon.get("/v1/projections/totals").1["item"]["build"].clone();
        build["message"].as_str().is_some_and(|message| message.contains(&refused)).then_some(())
    });
    world.warns_of_state(false);
    world.check();
    // With room for it, it is built.
    world.limit_state("64MiB");
    world.declare(&[TOTALS, SIZES]);
    world.reloaded();
    world.check();
    assert_eq!(world.sql("SELECT count(*) AS n FROM sizes")[0]["n"], 1);
    world.restart();
    assert_eq!(world.daemon().metric("readside_state_limit_bytes", &[]), f64::from(64 << 20));
}
