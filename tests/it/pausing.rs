//! A projection is stopped for a while, and goes on as if it had never been.

use serde_json::{Value, json};

use crate::reload::{CUSTOMERS, FOUND, SIZES, TOTALS, World};
use crate::support::DEADLINE;

const OTHER: &str = "projection: other
key: [customer]
sql: SELECT customer, count(*) AS orders FROM orders.placed GROUP BY customer
";
const BIG: &str = "projection: big
key: [customer]
sql: SELECT customer, orders FROM totals WHERE orders > 21
";

impl World {
    fn says(&self, name: &str, verb: &str) -> (u16, Value) {
        let body = json!({"actor": "ann", "reason": "too slow"});
        self.daemon().post(&format!("/v1/admin/projections/{name}/{verb}"), &body)
    }

    fn does(&self, name: &str, verb: &str) -> String {
        let (status, answer) = self.says(name, verb);
        assert_eq!(status, 200, "{answer}");
        answer["detail"].as_str().unwrap().to_owned()
    }

    fn refuses(&self, name: &str, verb: &str) -> String {
        let (status, answer) = self.says(name, verb);
        assert_eq!(status, 409, "{answer}");
        answer["detail"].as_str().unwrap().to_owned()
    }

    fn orders(&self, relation: &str) -> u64 {
        let answer = self.sql(&format!("SELECT sum(orders) AS n FROM {relation}"));
        answer[0]["n"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    fn is_equal(&self, name: &str) {
        let (status, verified) = self.says_nothing(name);
        assert_eq!((status, &verified["result"]), (200, &json!("equal")), "{verified}");
    }

    fn says_nothing(&self, name: &str) -> (u16, Value) {
        self.daemon().post(&format!("/v1/admin/projections/{name}/verify"), &json!({}))
    }

    fn found(&self) -> Value {
        self.daemon().get("/v1/search/found?q=customer:c7").1
    }

    /// Checks that the three that belong together are served as they were at so many events.
    fn stand_at(&self, events: u64) {
        let (status, answer) = self.daemon().get("/v1/tables/totals/c7");
        assert_eq!((status, &answer["item"]["orders"]), (200, &json!(events / CUSTOMERS)), "{answer}");
        let freshness = &answer["freshness"];
        assert_eq!((&freshness["state"], &freshness["phase"]), (&json!("paused"), &json!("paused")), "{freshness}");
        assert!(freshness["reason"].as_str().unwrap().starts_with("paused by ann: too slow; "), "{freshness}");
        assert_eq!(freshness["lagEvents"], json!(self.events - events), "{freshness}");
        assert_eq!((self.orders("totals"), self.orders("other")), (events, self.events));
        let found = self.found();
        assert_eq!(found["items"][0]["item"]["orders"], json!(events / CUSTOMERS), "{found}");
    }

    fn kept_on_disk(&self) -> String {
        let newest = std::fs::read_dir(self.path("data/manifests")).unwrap().map(|entry| entry.unwrap().path()).max();
        std::fs::read_to_string(newest.unwrap()).unwrap()
    }
}

#[test]
fn what_is_paused_is_served_as_it_was_and_goes_on_from_there() {
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND, OTHER], "promotion: auto\nkeep: 0s\n");
    world.daemon().wait("the index", DEADLINE, |_| (world.found()["items"] != json!([])).then_some(()));
    let told = world.does("totals", "pause");
    assert_eq!(told, "paused at orders:1000;r0, and served as they are there: found, sizes, totals");
    world.publish(500);
    world.stand_at(1_000);
    assert!(world.refuses("totals", "pause").contains("paused already"));
    assert!(world.refuses("other", "resume").contains("not paused"));
    // Rows of two cuts are not mixed in silence.
    let both = json!({"sql": "SELECT count(*) AS n FROM totals JOIN other USING (customer)"});
    assert_eq!(world.daemon().post("/v1/sql", &both).0, 409);
    // A reload of the same files is no reason to go on, and neither is a restart or a kill.
    assert_eq!(world.reload()["builds"], json!([]));
    world.restart_unsettled();
    world.stand_at(1_000);
    world.publish(500);
    world.kill();
    world.stand_at(1_000);
    // What depends on it goes on with it.
    assert!(world.refuses("sizes", "pause").contains("paused already"));
    assert_eq!(world.does("sizes", "resume"), "resumed: found, sizes, totals");
    // It reads what it lacks.
    world.daemon().says("orders after 1000");
    world.settled();
    world.check();
    world.publish(250);
    world.check();
    ["totals", "sizes", "found", "other"].iter().for_each(|name| world.is_equal(name));
    world.daemon().wait("the index", DEADLINE, |_| {
        (world.found()["items"][0]["item"]["orders"] == json!(world.events / CUSTOMERS)).then_some(())
    });
    world.restart();
    world.check();
    assert!(world.daemon().logged("projection is built again").is_none());
    let steps = world.daemon().get("/v1/history?pageSize=1000").1["items"].clone();
    for (action, times) in [("paused", 3), ("resumed", 3), ("served", 3)] {
        let of_it = |step: &&Value| step["action"] == action && step["subject"] != "projection other";
        let count = steps.as_array().unwrap().iter().filter(of_it).count();
        // Each is served once more than at first.
        assert_eq!(count, if action == "served" { times * 2 } else { times }, "{action}: {steps}");
    }
    // Nothing of what it went on from is left.
    let manifest = world.kept_on_disk();
    assert!(!manifest.contains("\"kept/"), "{manifest}");
}

#[test]
fn what_reads_others_is_built_of_them_once_it_is_resumed() {
    let mut world = World::start_with(&[TOTALS, BIG], "promotion: auto\nkeep: 0s\n");
    assert_eq!(world.does("big", "pause"), "paused at orders:1000;r0, and served as they are there: big");
    world.publish(500);
    assert_eq!(world.sql("SELECT count(*) AS n FROM big"), json!([{"n": 0}]));
    // Both are paused, for reasons of their own.
    let told = world.does("totals", "pause");
    assert!(told.starts_with("paused at orders:1500;") && told.ends_with(" there: totals"), "{told}");
    let refused = world.refuses("big", "resume");
    assert!(refused.starts_with("it reads `totals`, which has to go on first: paused by ann"), "{refused}");
    world.kill();
    assert_eq!(world.does("totals", "resume"), "resumed: totals");
    assert_eq!(world.sql("SELECT count(*) AS n FROM big"), json!([{"n": 0}]));
    let told = world.does("big", "resume");
    assert_eq!(told, "resumed, and built again beside what it had: big");
    world.settled();
    assert_eq!(world.sql("SELECT count(*) AS n FROM big"), json!([{"n": CUSTOMERS}]));
    assert!(world.daemon().logged("orders after 0").is_none(), "no event is read again");
    world.publish(100);
    world.check();
    world.is_equal("big");
}

#[test]
fn what_is_declared_meanwhile_waits_or_ends_the_pause() {
    let mut world = World::start_with(&[TOTALS, OTHER], "promotion: auto\nkeep: 0s\n");
    world.does("totals", "pause");
    world.publish(100);
    // What is new and reads it cannot be built before it goes on.
    world.declare(&[TOTALS, SIZES, OTHER]);
    let reloaded = world.reload();
    assert_eq!(reloaded["builds"], json!([]), "{reloaded}");
    assert!(reloaded["changes"][0]["detail"].as_str().unwrap().contains("`totals` is resumed"), "{reloaded}");
    let waits = |world: &World| {
        let build = world.daemon().get("/v1/projections/sizes").1["item"]["build"].clone();
        assert_eq!(build["state"], "waiting", "{build}");
        assert!(build["message"].as_str().unwrap().contains("projection resume totals"), "{build}");
    };
    waits(&world);
    world.restart_unsettled();
    waits(&world);
    world.does("totals", "resume");
    world.settled();
    assert_eq!(world.orders("totals"), world.events);
    assert_eq!(world.sql("SELECT sum(orders * customers) AS n FROM sizes"), json!([{"n": world.events}]));
    // Another definition is built and serves: nobody has to resume it.
    world.does("totals", "pause");
    world.publish(100);
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, OTHER]);
    assert_eq!(world.reload()["builds"], json!([["sizes", "totals"]]));
    world.settled();
    world.check();
    assert!(world.refuses("totals", "resume").contains("not paused"));
    let manifest = world.kept_on_disk();
    assert!(!manifest.contains("\"kept/"), "{manifest}");
    // A rebuild ends it too.
    world.does("totals", "pause");
    world.publish(100);
    assert_eq!(world.says("totals", "rebuild").0, 200);
    world.settled();
    world.check();
}

#[test]
fn what_was_paused_together_is_built_again_together_where_it_cannot_go_on() {
    let mut world = World::start_with(&[TOTALS, SIZES, OTHER], "promotion: auto\nkeep: 0s\n");
    world.does("totals", "pause");
    // Another file is there, so that nothing can go on from what was read of the one before.
    let line = |number: u64| format!("{{\"customer\":\"c{}\",\"cents\":{number}}}\n", number % CUSTOMERS);
    world.write("events.ndjson", &(0..500).map(line).collect::<String>());
    world.events = 500;
    world.daemon().wait("a reset", DEADLINE, |daemon| {
        (daemon.post("/v1/admin/sources/orders/reset", &json!({})).0 == 200).then_some(())
    });
    let told = world.does("totals", "resume");
    assert!(told.ends_with(": sizes, totals"), "{told}");
    world.settled();
    world.check();
    assert_eq!(world.sql("SELECT sum(orders * customers) AS n FROM sizes"), json!([{"n": world.events}]));
}

#[test]
fn a_pause_does_not_undo_a_rollback() {
    let mut world = World::start_with(&[TOTALS, SIZES], "");
    let state = |world: &World| world.daemon().get("/v1/projections/totals").1["item"].clone();
    // Twenty of each: none has more than 25.
    let big = TOTALS.replace("> 0", "> 25");
    world.declare(&[&big, SIZES]);
    world.reload();
    world.daemon().wait("a promotion", DEADLINE, |_| (world.says("totals", "promote").0 == 200).then_some(()));
    world.daemon().wait("what is kept", DEADLINE, |_| (state(&world)["kept"]["state"] == "ready").then_some(()));
    world.does("totals", "rollback");
    world.does("totals", "pause");
    world.publish(100);
    let stays = |world: &World| {
        assert_eq!(world.reload()["builds"], json!([]));
        assert_eq!(
            (&state(world)["state"], &state(world)["build"]["state"]),
            (&json!("paused"), &json!("rolled-back"))
        );
        assert_eq!(world.orders("totals"), 1_000);
    };
    stays(&world);
    world.kill();
    stays(&world);
    world.restart_unsettled();
    world.does("totals", "resume");
    let goes_on = |world: &World| {
        world.check();
        assert_eq!(world.reload()["builds"], json!([]));
        assert_eq!(
            (&state(world)["state"], &state(world)["build"]["state"]),
            (&json!("serving"), &json!("rolled-back"))
        );
    };
    goes_on(&world);
    world.kill();
    goes_on(&world);
}

#[test]
fn a_build_that_fails_leaves_what_is_paused_as_it_is() {
    let mut world = World::start_with(&[TOTALS, SIZES, OTHER], "promotion: auto\nkeep: 0s\n");
    // What is paused with it is being built.
    world.publish(40_000);
    world.declare(&[TOTALS, &SIZES.replace("count(*)", "sum(orders)"), OTHER]);
    world.does("totals", "pause");
    // What reads it is declared in another way, and waits.
    assert_eq!(world.reload()["builds"], json!([]));
    world.publish(50);
    let small = format!("state_limit: 1KiB\n{}", TOTALS.replace("> 0", "> 1"));
    world.declare(&[
        &small.replace("state_limit: 1KiB\nprojection: totals", "projection: totals\nstate_limit: 1KiB"),
        SIZES,
        OTHER,
    ]);
    world.reload();
    let item = world.daemon().wait("the failure", DEADLINE, |daemon| {
        let item = daemon.get("/v1/projections/totals").1["item"].clone();
        (item["build"]["state"] == "failed").then_some(item)
    });
    assert_eq!(item["state"], "paused", "{item}");
    assert_eq!(world.orders("totals"), 41_000);
    world.declare(&[TOTALS, SIZES, OTHER]);
    assert_eq!(world.reload()["builds"], json!([]));
    world.kill();
    assert_eq!(world.does("totals", "resume"), "resumed: sizes, totals");
    // It goes on from where it was.
    world.daemon().says("orders after 41000");
    world.settled();
    world.check();
}

#[test]
fn a_pause_looks_at_what_is_built_of_all_that_it_stops_and_leaves_nothing_behind() {
    const FEW: &str = "projection: few\nkey: [customer]\nsql: SELECT customer, orders FROM big WHERE orders < 100\n";
    let mut world = World::start_with(&[TOTALS, BIG, FEW, OTHER], "");
    // What is built reads what reads it.
    world.declare(&[TOTALS, BIG, &FEW.replace("< 100", "< 101"), OTHER]);
    world.reload();
    world.shadow("few");
    let refused = world.refuses("totals", "pause");
    assert!(refused.contains("`few` is being built") && refused.contains("projection abort few"), "{refused}");
    assert_eq!(world.says("few", "abort").0, 200);
    assert!(world.does("totals", "pause").ends_with(" there: big, few, totals"));
    let forked = || world.checkpointed().kept.len();
    world.daemon().wait("the fork", DEADLINE, |_| (forked() == 1).then_some(()));
    // What is declared no more has no need of it.
    world.declare(&[OTHER]);
    world.reload();
    world.daemon().wait("no fork", DEADLINE, |_| (forked() == 0).then_some(()));
    world.publish(50);
    assert_eq!(world.orders("other"), world.events);
}

#[test]
fn what_is_built_of_what_is_paused_waits_as_it_would_if_it_served() {
    let mut world = World::start_with(&[TOTALS, SIZES], "");
    let promoted = |world: &World| {
        world.shadow("totals");
        world.does("totals", "promote");
    };
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES]);
    world.reload();
    promoted(&world);
    world.kept("totals");
    world.does("totals", "pause");
    world.publish(100);
    assert_eq!(world.says("totals", "rebuild").0, 200);
    let shadow = world.shadow("totals");
    assert!(shadow["message"].as_str().unwrap().contains("its rows are not those that serve"), "{shadow}");
    assert_eq!(shadow["comparison"]["otherwise"], json!(CUSTOMERS), "{shadow}");
    // Nothing has gone by that, what was replaced before neither.
    assert_eq!((world.orders("totals"), world.kept("totals")["state"].clone()), (1_000, json!("ready")));
    promoted(&world);
    world.check();
    // Nothing came in between: it has the rows that serve, and needs nobody.
    world.does("totals", "pause");
    assert_eq!(world.says("totals", "rebuild").0, 200);
    world.settled();
    world.check();
    // A changed definition waits, and what was paused is kept.
    world.does("totals", "pause");
    world.publish(50);
    world.declare(&[&TOTALS.replace("> 0", "> 2"), SIZES]);
    world.reload();
    promoted(&world);
    world.kept("totals");
    world.check();
    world.does("totals", "rollback");
    world.check();
}
