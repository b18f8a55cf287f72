//! What was parked is admitted in place where every event that was admitted is the same by the mended declaration; else a rebuild is
//! named, and comes to the same. Either way it counts as if it had been right at first.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::reload::World;
use crate::support::DEADLINE;

/// Everything that depends on the order of events, or on their lateness, beside what does not.
const ROWS: &[&str] = &[
    "projection: totals\nkey: [customer]\nsql: SELECT customer, count(*) AS orders, sum(cents) AS cents, latest(cents) AS last, \
     earliest(cents) AS first, collect(cents) AS each_one, count(DISTINCT cents) AS kinds, \
     count(*) FILTER (WHERE _late) AS late, max_by(cents, _time) AS newest FROM orders.placed GROUP BY customer\n",
    "projection: newest\nkey: [customer]\nsql: SELECT DISTINCT ON (customer) customer, cents, _seq AS seq FROM orders.placed \
     ORDER BY customer, _seq DESC\n",
    "projection: top\nkey: [seq]\nsql: SELECT customer, cents, _seq AS seq FROM orders.placed ORDER BY cents DESC, _seq LIMIT 7\n",
    "projection: numbered\nkey: [customer, number]\nsql: SELECT customer, number, cents FROM (SELECT customer, cents, \
     row_number() OVER (PARTITION BY customer ORDER BY _seq) AS number FROM orders.placed) WHERE number <= 5\n",
    "projection: found\nkind: search\nkey: [customer]\nsql: SELECT customer, orders FROM totals\nfields: {customer: keyword}\n",
    "projection: refunds\nkey: [customer]\nsql: SELECT placed.customer AS customer, count(*) AS n FROM orders.events WHERE _type = 'Placed' GROUP BY placed.customer\n",
    // What it reads is not declared by the source.
    "query: every\nsql: SELECT customer, orders FROM totals\nsort: [customer]\n",
];

fn source(events: &str) -> String {
    format!(
        "source: orders\nfile: {{path: events.ndjson, follow: true}}\n\
         envelope: {{type: body:/type, version: body:/version, time: body:/at, data: body}}\nevent_time: {{lateness: 1h}}\n\
         events:\n{events}"
    )
}

const WRONG: &str = "  Placed:
    version: 2
    fields: {customer: string!, cents: int64!}
    history: {1: {fields: {cents: none, euros: string!}, to_next: {set: {cents: \"CAST(euros AS BIGINT) * 100\"}}}}
";

fn right() -> String {
    WRONG.replace("CAST(euros AS BIGINT) * 100", "CAST(CAST(euros AS DECIMAL(18,2)) * 100 AS BIGINT)")
}

/// Events of both versions: those of the first have euros with cents, which the wrong step cannot cast, but for `whole` ones.
fn events(world: &mut World, first: u64, whole: bool) {
    let mut lines = String::new();
    for number in first..first + 300 {
        let customer = number % 7;
        // Every tenth comes half a day late.
        let hour = if number % 10 == 3 { 0 } else { 12 };
        let at = format!("2026-03-01T{hour:02}:{:02}:00Z", number % 60);
        let rest = if number % 3 == 0 {
            let euros = if whole { format!("{number}") } else { format!("{number}.25") };
            format!("\"version\":1,\"euros\":\"{euros}\"")
        } else {
            format!("\"version\":2,\"cents\":{number}")
        };
        writeln!(lines, "{{\"type\":\"Placed\",\"customer\":\"c{customer}\",\"at\":\"{at}\",{rest}}}").unwrap();
    }
    append(world, &lines, 300);
}

fn append(world: &mut World, lines: &str, events: u64) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(world.path("events.ndjson")).unwrap();
    std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    world.events += events;
    if let Some(daemon) = &world.daemon {
        daemon.catch_up(world.events, DEADLINE);
    }
}

fn parked(world: &World) -> u64 {
    world.daemon().get("/v1/parked").1["page"]["total"].as_u64().unwrap()
}

fn replay(world: &World) -> (u16, Value) {
    world.daemon().post("/v1/admin/parked/replay", &json!({"actor": "test"}))
}

/// Whether every projection is what the batch gives over the events, and answers are complete.
fn verified(world: &World, incomplete: bool) {
    for name in ["totals", "newest", "top", "numbered", "found", "refunds"] {
        let (_, verified) = world.daemon().post(&format!("/v1/admin/projections/{name}/verify"), &json!({}));
        assert_eq!(verified["result"], "equal", "{name}: {verified}");
    }
    let answer = world.daemon().get("/v1/tables/totals?pageSize=1").1;
    assert_eq!(answer["freshness"]["incomplete"], incomplete);
}

fn world(whole: bool, declared: &str) -> World {
    let mut world = World::start_empty(ROWS, "promotion: auto\n", &source(declared));
    events(&mut world, 0, whole);
    world
}

#[test]
fn what_no_admitted_event_has_passed_is_mended_in_place() {
    let mut world = world(false, WRONG);
    assert_eq!(parked(&world), 100);
    assert_eq!(replay(&world).0, 409, "nothing is mended yet");
    let late = world.sql("SELECT sum(late) AS late FROM totals")[0]["late"].as_u64().unwrap();
    let before = world.generation("totals");
    world.write("source.yaml", &source(&right()));
    let (status, done) = replay(&world);
    assert_eq!((status, &done["detail"]), (200, &json!("100 parked events are admitted, and 0 are parked again")));
    assert_eq!((parked(&world), world.generation("totals")), (0, before), "nothing is built again");
    assert!(world.sql("SELECT sum(late) AS late FROM totals")[0]["late"].as_u64().unwrap() > late);
    verified(&world, false);
    world.kill();
    world.settled();
    assert!(world.daemon().logged("built again").is_none());
    verified(&world, false);
    // It goes on, and what a checkpoint has of it is whole.
    events(&mut world, 300, false);
    verified(&world, false);
    world.restart();
    verified(&world, false);
    let steps = world.daemon().get("/v1/history").1["items"].clone();
    let replayed = steps.as_array().unwrap().iter().filter(|step| step["action"] == "replayed").count();
    assert_eq!(replayed, 1, "{steps}");
}

#[test]
fn what_admitted_events_have_passed_needs_a_rebuild() {
    let mut world = world(false, WRONG);
    // These the wrong step could cast.
    events(&mut world, 300, true);
    assert_eq!(parked(&world), 100);
    world.write("source.yaml", &source(&right()));
    let (status, problem) = replay(&world);
    assert_eq!((status, &problem["type"]), (409, &json!("urn:readside:problem:needs-rebuild")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("`Placed`, from version 1 on") && detail.contains("`readside reload`"), "{detail}");
    assert_eq!(parked(&world), 100);
    let before = world.generation("totals");
    world.reloaded();
    assert!(world.generation("totals") > before);
    assert_eq!(parked(&world), 0);
    verified(&world, false);
}

#[test]
fn a_type_that_was_unknown_is_declared_without_reading_anything_again() {
    let mut world = world(true, WRONG);
    let mut lines = String::new();
    for number in 0..50 {
        writeln!(lines, "{{\"type\":\"Refunded\",\"customer\":\"c{}\",\"at\":\"2026-03-01T12:00:00Z\"}}", number % 7)
            .unwrap();
    }
    append(&mut world, &lines, 50);
    assert_eq!(parked(&world), 50);
    let before = world.generation("totals");
    // After the types that are there, and before them.
    world.write("source.yaml", &source(&format!("{WRONG}  Refunded: {{fields: {{customer: string!}}}}\n")));
    let mut all = ROWS.to_vec();
    all.push("projection: back\nkey: [customer]\nsql: SELECT customer, count(*) AS n FROM orders.refunded GROUP BY customer\n");
    world.declare(&all);
    assert_eq!(world.reloaded(), [["back"]], "only what is new is built");
    assert_eq!((parked(&world), world.generation("totals")), (0, before));
    assert_eq!(world.sql("SELECT sum(n) AS n FROM back"), json!([{"n": 50}]));
    verified(&world, false);
    world.write(
        "source.yaml",
        &source(&format!("  Cancelled: {{fields: {{}}}}\n{WRONG}  Refunded: {{fields: {{customer: string!}}}}\n")),
    );
    world.reloaded();
    append(&mut world, &lines, 50);
    assert_eq!(world.sql("SELECT sum(n) AS n FROM back"), json!([{"n": 100}]));
    verified(&world, false);
    world.kill();
    events(&mut world, 300, true);
    verified(&world, false);
}
