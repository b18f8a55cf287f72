//! `freshness.on_stale: refuse`: who reads such a relation gets no stale answer, by whatever path, and waits for a fresh one if they like.

use serde_json::json;

use crate::reload::{SIZES, TOTALS, World};
use crate::support::DEADLINE;

const SEEN: &str = "projection: seen\nkind: view\nsql: SELECT customer, orders FROM totals\n";

#[test]
fn a_relation_that_promises_it_gives_no_stale_answer() {
    let refusing = TOTALS.replace("key:", "freshness: {on_stale: refuse}\nkey:");
    let world = World::start(&[&refusing, SIZES, SEEN]);
    let daemon = world.daemon();
    let sql = |relation: &str| daemon.post("/v1/sql", &json!({"sql": format!("SELECT count(*) AS n FROM {relation}")}));
    let promising = || {
        let paths = ["/v1/tables/totals?pageSize=1", "/v1/tables/totals/c1", "/v1/tables/seen?pageSize=1"];
        let read = paths.map(|path| daemon.get(path));
        read.into_iter().chain(["totals", "seen"].map(sql)).collect::<Vec<_>>()
    };
    assert!(promising().iter().all(|(status, _)| *status == 200), "{:?}", promising());
    let (here, away) = (world.path("events.ndjson"), world.path("away"));
    std::fs::rename(&here, &away).unwrap();
    daemon.says("\"source disconnected\"");
    for (status, answer) in promising() {
        assert_eq!(status, 409, "{answer}");
        assert_eq!(answer["type"], "urn:readside:problem:too-old", "{answer}");
        assert_eq!(answer["freshness"]["state"], "disconnected", "{answer}");
    }
    // Another table that is computed of it promises nothing itself.
    let (status, answer) = sql("sizes");
    assert_eq!((status, &answer["freshness"]["state"]), (200, &json!("disconnected")), "{answer}");
    // Who waits is answered when it is fresh again.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| daemon.get("/v1/tables/totals/c1?wait=25s"));
        std::fs::rename(&away, &here).unwrap();
        let (status, answer) = waiting.join().unwrap();
        assert_eq!((status, &answer["item"]["customer"]), (200, &json!("c1")), "{answer}");
    });
    daemon.wait("fresh answers", DEADLINE, |_| promising().iter().all(|(status, _)| *status == 200).then_some(()));
}
