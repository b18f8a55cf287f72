//! What an on-call engineer meets, as docs/operations.md says it is.

use serde_json::{Value, json};

use crate::crash::daemon::Daemon;
use crate::reload::{TOTALS, World};
use crate::support::DEADLINE;

impl World {
    /// Ends the daemon and starts it again, whatever becomes of its sources.
    fn start_again(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert!(daemon.terminate().0.success());
        }
        self.daemon = Some(Daemon::start(&self.path("readside.yaml")));
    }

    /// Decides about the source.
    fn decide_source(&self, verb: &str) -> (u16, Value) {
        let by = json!({"actor": "ann", "reason": "moving"});
        self.daemon().post(&format!("/v1/admin/sources/orders/{verb}"), &by)
    }

    /// Waits until it is ready with such a warning.
    fn is_ready_although(&self, warning: &str) {
        self.daemon().wait(warning, DEADLINE, |daemon| {
            let (status, ready) = daemon.get("/readyz");
            (status == 200 && ready["warnings"].to_string().contains(warning)).then_some(())
        });
    }
}

#[test]
fn what_a_checkpoint_has_is_served_after_a_restart_whatever_keeps_its_source() {
    let mut world = World::start(&[TOTALS]);
    assert_eq!(world.decide_source("pause").0, 200);
    world.start_again();
    world.is_ready_although("source `orders` is paused by ann: moving");
    assert_eq!(world.daemon().get("/healthz").0, 200);
    world.check();
    assert_eq!(world.decide_source("resume").0, 200);
    std::fs::rename(world.path("events.ndjson"), world.path("elsewhere.ndjson")).unwrap();
    world.start_again();
    world.is_ready_although("source `orders` was not reached yet: cannot read");
    world.check();
    std::fs::rename(world.path("elsewhere.ndjson"), world.path("events.ndjson")).unwrap();
    world.publish(50);
    world.check();
}
