//! What an on-call engineer meets, as docs/operations.md says it is.

use std::process::Command;

use serde_json::{Value, json};

use crate::crash::daemon::{Daemon, binary};
use crate::reload::{SIZES, TOTALS, World};
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

/// What has a row per customer, and divides by zero for those who have bought a number of times.
const SHARES: &str = "projection: shares
key: [customer]
sql: SELECT customer, 100 / (count(*) - 20) AS share FROM orders.placed GROUP BY customer
";

impl World {
    /// The exit code of a verb of the command line, and what it prints.
    fn runs(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(binary()).args(arguments).args(["--url", self.daemon().url()]).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().unwrap(), told)
    }
}

#[test]
fn waiting_says_whether_what_was_waited_for_serves() {
    let world = World::start_with(&[TOTALS], "");
    // One that is larger than it may be, and one that is in error from the beginning.
    let small = "projection: small\nkey: [customer]\nstate_limit: 1KiB\nsql: SELECT customer, count(*) AS n FROM orders.placed GROUP BY customer\n";
    for (name, declared) in [("small", small), ("shares", SHARES)] {
        world.declare(&[TOTALS, declared]);
        let (code, told) = world.runs(&["reload", "--wait"]);
        assert!(code == 1 && told.contains(&format!("`{name}` cannot be built: ")), "{code}: {told}");
        let (code, told) = world.runs(&["projection", "rebuild", name, "--wait"]);
        assert_eq!(code, 1, "{told}");
        world.declare(&[TOTALS]);
        world.reload();
    }
    // What waits for a person: to be promoted, or for what it reads to go on.
    world.declare(&[&TOTALS.replace("> 0", "> 25")]);
    assert_eq!(world.runs(&["reload", "--wait"]).0, 2);
    world.declare(&[TOTALS]);
    assert_eq!(world.runs(&["reload", "--wait"]).0, 0);
    assert_eq!(world.runs(&["projection", "pause", "totals"]).0, 0);
    world.declare(&[TOTALS, SIZES]);
    let (code, told) = world.runs(&["reload", "--wait"]);
    assert!(
        code == 2 && told.contains("sizes is not built: it reads what `readside projection resume totals`"),
        "{told}"
    );
    assert_eq!(world.runs(&["projection", "rebuild", "sizes", "--wait"]).0, 2);
    assert_eq!(world.runs(&["projection", "resume", "totals"]).0, 0);
    world.settled();
    assert_eq!(world.runs(&["projection", "rebuild", "totals", "--wait"]).0, 0);
}

#[test]
fn rows_of_two_cuts_are_read_together_by_who_says_so() {
    let mut world = World::start(&[TOTALS, SIZES, &SHARES.replace(" - 20", " + 20")]);
    assert_eq!(world.runs(&["projection", "pause", "totals"]).0, 0);
    world.publish(50);
    let sql = "SELECT count(*) AS n FROM totals JOIN shares USING (customer)";
    let (code, told) = world.runs(&["query", sql]);
    assert!(code == 1 && told.contains("--mixed-cuts"), "{told}");
    assert_eq!(world.runs(&["query", sql, "--mixed-cuts"]).0, 0);
}

#[test]
fn what_never_had_right_rows_says_so_in_the_place_of_an_empty_answer() {
    // It cannot be computed of its very first events, so that nothing of it was ever right.
    let negative = "projection: negative\nkey: [customer]\nsql: SELECT customer, 100 / (CASE WHEN count(*) > 0 THEN 0 ELSE 1 END) AS share FROM orders.placed GROUP BY customer\n";
    let found = "projection: found\nkey: [customer]\nsql: SELECT customer, share FROM negative\nkind: search\nfields: {customer: text}\n";
    let source = "source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: [\"body:/type\", \"const:Placed\"], data: body}
events: {Placed: {fields: {customer: string!, cents: int64!}}}
";
    let mut world = World::start_empty(&[TOTALS, negative, found], "", source);
    // There is nothing to compute yet, which is right.
    assert_eq!(world.daemon().get("/v1/tables/negative").0, 200);
    world.publish(1_000);
    for _ in 0..2 {
        for path in ["tables/negative", "tables/negative/c1", "tables/found", "search/found?q=c1"] {
            world.daemon().wait(path, DEADLINE, |daemon| (daemon.get(&format!("/v1/{path}")).0 == 503).then_some(()));
            let (_, answer) = world.daemon().get(&format!("/v1/{path}"));
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains("has failed: ") && detail.contains("negative"), "{path}: {answer}");
        }
        let (status, answer) = world.daemon().post("/v1/sql", &json!({"sql": "SELECT count(*) FROM negative"}));
        assert_eq!(status, 503, "{answer}");
        world.start_again();
    }
}
