//! A projection is built of what was published from some time on, and says so.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::reload::World;
use crate::support::DEADLINE;

const SOURCE: &str = "source: orders
file: {path: events.ndjson, follow: true, lines: message}
envelope: {type: const:Placed, data: body}
events: {Placed: {fields: {customer: string!, cents: int64!}}}
";
const TOTALS: &str = "projection: totals\nkey: [customer]\nsql: SELECT customer, count(*) AS orders FROM orders.placed GROUP BY customer\n";
const SAME: &str = "projection: same\nkey: [customer]\nsql: SELECT customer, count(*) AS orders FROM orders.placed GROUP BY customer\n";
const SUM: &str = "projection: sum\nkey: [k]\nsql: SELECT 1 AS k, sum(orders) AS orders FROM totals\n";

/// Events of one second each, from `first` seconds after midnight on.
fn publish(world: &mut World, first: u64, count: u64) {
    let mut lines = String::new();
    for second in first..first + count {
        writeln!(
            lines,
            "{{\"data\": {{\"customer\": \"c{}\", \"cents\": 1}}, \"published_at\": \"2026-03-01T00:{:02}:{:02}Z\"}}",
            second % 5,
            second / 60,
            second % 60
        )
        .unwrap();
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(world.path("events.ndjson")).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    world.events += count;
    world.daemon().catch_up(world.events, DEADLINE);
}

fn rebuild(world: &World, name: &str, from: &str) -> (u16, Value) {
    world.daemon().post(&format!("/v1/admin/projections/{name}/rebuild"), &json!({"fromTimestamp": from}))
}

fn orders(world: &World, relation: &str) -> u64 {
    world.sql(&format!("SELECT sum(orders) AS n FROM {relation}"))[0]["n"].as_u64().unwrap()
}

fn since(world: &World, path: &str) -> Value {
    world.daemon().get(path).1["freshness"]["sources"]["orders"]["since"].clone()
}

#[test]
fn only_what_came_later_counts_and_nobody_else_is_touched() {
    let mut world = World::start_empty(&[TOTALS, SAME, SUM], "keep: 1h\n", SOURCE);
    publish(&mut world, 0, 300);
    // It has other rows by that, so a person looks at them before they serve.
    let (status, told) = rebuild(&world, "totals", "2026-03-01T00:03:20Z");
    assert_eq!((status, &told["builds"]), (200, &json!([["sum", "totals"]])), "{told}");
    let shadow = |name: &str| {
        world.daemon().wait("a shadow", DEADLINE, |daemon| {
            let build = daemon.get(&format!("/v1/projections/{name}")).1["item"]["build"].clone();
            (build["state"] == "shadowing").then_some(build)
        })
    };
    assert_eq!(shadow("totals")["comparison"]["equal"], false);
    // A reload of the same files does not end what a person wants.
    assert_eq!(world.reload()["builds"], json!([]));
    shadow("totals");
    assert_eq!((orders(&world, "totals"), since(&world, "/v1/tables/totals")), (300, Value::Null));
    let promote = world.daemon().post("/v1/admin/projections/totals/promote", &json!({}));
    assert_eq!(promote.0, 200, "{promote:?}");
    publish(&mut world, 300, 50);
    let check = |world: &World| {
        // Those of the second 200 and later.
        assert_eq!((orders(world, "totals"), orders(world, "sum"), orders(world, "same")), (150, 150, 350));
        assert_eq!(since(world, "/v1/tables/totals"), 201);
        assert_eq!(since(world, "/v1/tables/sum"), 201, "what reads it");
        assert_eq!(since(world, "/v1/tables/same"), Value::Null, "what computes the same of all events");
        for name in ["totals", "sum", "same"] {
            let verified = world.daemon().post(&format!("/v1/admin/projections/{name}/verify"), &json!({})).1;
            assert_eq!(verified["result"], "equal", "{name}: {verified}");
        }
    };
    check(&world);
    world.restart_unsettled();
    check(&world);
    world.kill();
    check(&world);
    // What is new begins with what counts for it: not with what the same operators have of a part of the events.
    let other = "projection: other\nkey: [customer]\nsql: SELECT customer, count(*) AS orders FROM orders.placed GROUP BY customer HAVING count(*) > 1\n";
    let of_it = "projection: of_it\nkey: [customer]\nsql: SELECT customer, orders FROM totals WHERE orders > 1\n";
    world.declare(&[TOTALS, SUM, other, of_it]);
    world.reload();
    world.settled();
    assert_eq!((orders(&world, "other"), orders(&world, "of_it")), (350, 150));
    assert_eq!((since(&world, "/v1/tables/other"), since(&world, "/v1/tables/of_it")), (Value::Null, json!(201)));
    // Another definition counts all events again, and says so before.
    world.declare(&[&TOTALS.replace("GROUP BY customer", "GROUP BY customer HAVING count(*) > 0"), SUM, other, of_it]);
    let reloaded = world.reload();
    let told = reloaded["changes"].as_array().unwrap().iter().find(|one| one["name"] == "totals").unwrap().clone();
    assert!(told["detail"].as_str().unwrap().contains("all events count in it again"), "{reloaded}");
    shadow_and_promote(&world);
    assert_eq!((orders(&world, "totals"), orders(&world, "of_it")), (350, 350));
    assert_eq!((since(&world, "/v1/tables/totals"), since(&world, "/v1/tables/of_it")), (Value::Null, Value::Null));
    // And what was before can be gone back to.
    world.daemon().wait("what is kept", DEADLINE, |daemon| {
        (daemon.get("/v1/projections/totals").1["item"]["kept"]["state"] == "ready").then_some(())
    });
    assert_eq!(world.daemon().post("/v1/admin/projections/totals/rollback", &json!({})).0, 200);
    assert_eq!((orders(&world, "totals"), since(&world, "/v1/tables/totals")), (150, json!(201)));
}

fn shadow_and_promote(world: &World) {
    world.daemon().wait("a promotion", DEADLINE, |daemon| {
        (daemon.post("/v1/admin/projections/totals/promote", &json!({})).0 == 200).then_some(())
    });
}

#[test]
fn what_cannot_begin_at_a_time_says_why() {
    let mut world = World::start_empty(&[TOTALS, SUM], "", SOURCE);
    publish(&mut world, 0, 10);
    let (status, problem) = rebuild(&world, "sum", "2026-03-01T00:00:05Z");
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("`sum` reads no events itself"), "{problem}");
    // After all that is there: what comes counts.
    assert_eq!(rebuild(&world, "totals", "2026-03-02T00:00:00Z").0, 200);
    shadow_and_promote(&world);
    assert_eq!(since(&world, "/v1/tables/totals"), 11);
    publish(&mut world, 10, 4);
    assert_eq!(orders(&world, "totals"), 4);
    let mut world = World::start_empty(&[TOTALS], "", &SOURCE.replace("lines: message", "lines: payload"));
    world.publish(10);
    let (status, problem) = rebuild(&world, "totals", "2026-03-01T00:00:05Z");
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("no line of its file says when"), "{problem}");
}

#[test]
fn what_is_paused_gives_way_only_to_what_somebody_has_looked_at_and_can_be_gone_back_to() {
    let mut world = World::start_empty(&[TOTALS, SUM], "keep: 1h\n", SOURCE);
    publish(&mut world, 0, 100);
    let decides = |world: &World, verb: &str| {
        let (status, answer) = world.daemon().post(&format!("/v1/admin/projections/totals/{verb}"), &json!({}));
        assert_eq!(status, 200, "{answer}");
    };
    decides(&world, "pause");
    publish(&mut world, 100, 50);
    let begin = |world: &World| {
        assert_eq!(rebuild(world, "totals", "2026-03-01T00:01:20Z").0, 200);
        assert_eq!(world.shadow("totals")["comparison"]["equal"], false);
        assert_eq!(world.status_of("totals")["state"], "paused");
        assert_eq!((orders(world, "totals"), orders(world, "sum")), (100, 100));
        assert_eq!(since(world, "/v1/tables/totals"), Value::Null);
    };
    begin(&world);
    decides(&world, "abort");
    // A restart does not let it serve either.
    begin(&world);
    world.stored();
    world.kill();
    world.shadow("totals");
    assert_eq!(orders(&world, "totals"), 100);
    shadow_and_promote(&world);
    assert_eq!((orders(&world, "totals"), orders(&world, "sum")), (70, 70));
    assert_eq!(since(&world, "/v1/tables/totals"), 81);
    // What was paused follows from where it stopped, in this process and in the next one.
    world.kept("totals");
    publish(&mut world, 150, 10);
    world.kill();
    world.kept("totals");
    decides(&world, "rollback");
    assert_eq!((orders(&world, "totals"), orders(&world, "sum")), (160, 160));
    assert_eq!(since(&world, "/v1/tables/totals"), Value::Null);
    for name in ["totals", "sum"] {
        let verified = world.daemon().post(&format!("/v1/admin/projections/{name}/verify"), &json!({})).1;
        assert_eq!(verified["result"], "equal", "{name}: {verified}");
    }
}
