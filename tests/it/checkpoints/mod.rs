//! P8: checkpoints that older builds wrote are opened by this one, and end in the right rows.
//!
//! `tests/checkpoints/README.md` says where they come from.

mod layouts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

/// Events that the kept checkpoints have taken, and those that come after them.
const TAKEN: u64 = 400;
const LATER: [&str; 3] = [
    r#"{"subject": "shop.o401", "headers": {"type": "Placed", "version": "2"}, "data": {"customer": "c1", "total": "7.25", "weight": 0.5, "flags": 3, "paid": true, "note": "late gift", "lines": [{"sku": "s1", "qty": 2}], "at": "2026-03-01T07:00:00Z"}}"#,
    r#"{"subject": "shop.o401", "headers": {"type": "Shipped"}, "data": {"carrier": "dhl", "boxes": 3, "at": "2026-03-01T07:01:00Z"}}"#,
    r#"{"subject": "shop.o402", "headers": {"type": "Placed", "version": "1"}, "data": {"cust": "c99", "total": "1.00", "at": "2026-03-01T07:02:00Z"}}"#,
];

/// Projections with what tells their rows apart.
const ORDERS: [(&str, &str); 12] = [
    ("totals", "events"),
    ("customers", "customer"),
    ("ordered", "customer"),
    ("sizes", "orders"),
    ("orders", "id, shipment"),
    ("unshipped", "id"),
    ("dearest", "id"),
    ("newest", "customer"),
    ("running", "id"),
    ("lines", "sku"),
    ("rates", "shipment"),
    ("found", "id"),
];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints")
}

/// A folder with the configuration and all events, and with a checkpoint if one is named.
fn folder(checkpoint: Option<&Path>) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["readside.yaml", "sources.yaml", "projections.yaml"] {
        fs::copy(kept().join(name), folder.path().join(name)).expect("a copy");
    }
    let events = fs::read_to_string(kept().join("events.ndjson")).expect("events");
    assert_eq!(events.lines().count() as u64, TAKEN);
    let later = LATER.map(|line| format!("{line}\n")).concat();
    fs::write(folder.path().join("events.ndjson"), events + &later).expect("a file");
    if let Some(checkpoint) = checkpoint {
        copy(checkpoint, &folder.path().join("data"));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, &to).expect("a copy");
        }
    }
}

/// What a daemon shows once it has taken all events.
struct Shown {
    rows: BTreeMap<&'static str, Value>,
    found: Value,
    parked: Value,
    generations: BTreeMap<&'static str, u64>,
    /// The parts of the log that say why projections were built again.
    reasons: Vec<String>,
}

fn shown(checkpoint: Option<&Path>) -> Shown {
    let folder = folder(checkpoint);
    let daemon = Daemon::start(&folder.path().join("readside.yaml"));
    let all = TAKEN + LATER.len() as u64;
    daemon.wait("all events", DEADLINE, |daemon| {
        let source = daemon.get("/v1/sources/shop").1["item"].clone();
        let ready = daemon.get("/readyz").0 == 200;
        (ready && source["position"] == all && source["state"] == "live").then_some(())
    });
    let rows = |(name, order): (&'static str, &str)| {
        (name, daemon.sql(&format!("SELECT * FROM {name} ORDER BY {order}"))["items"].clone())
    };
    let found = daemon.wait("the search index", DEADLINE, |daemon| {
        let answer = daemon.get("/v1/search/found?q=late").1;
        (answer["freshness"]["positions"]["shop"] == all).then(|| answer["items"].clone())
    });
    let status = |(name, _): (&'static str, &str)| {
        let (_, status) = daemon.get(&format!("/v1/projections/{name}"));
        assert_eq!(status["item"]["state"], "serving", "{name}: {status}");
        (name, status["item"]["generation"].as_u64().expect("a number"))
    };
    Shown {
        rows: ORDERS.into_iter().map(rows).collect(),
        found,
        parked: daemon.get("/v1/sources/shop").1["item"]["parked"].clone(),
        generations: ORDERS.into_iter().map(status).collect(),
        reasons: daemon.all_logged("projection is built again"),
    }
}

#[test]
fn checkpoints_of_all_builds_end_in_the_right_rows() {
    let anew = shown(None);
    assert!(anew.rows.values().all(|rows| !rows.as_array().expect("rows").is_empty()));
    assert_eq!(anew.found.as_array().map(Vec::len), Some(1));
    let mut checkpoints: Vec<PathBuf> =
        fs::read_dir(kept()).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    checkpoints.retain(|path| path.is_dir());
    checkpoints.sort();
    let names: Vec<&str> = checkpoints.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(names.contains(&"2") && names.contains(&"3"), "{names:?}");
    for (checkpoint, name) in checkpoints.iter().zip(names) {
        let Shown { rows, found, parked, generations, reasons } = shown(Some(checkpoint));
        for (projection, expected) in &anew.rows {
            assert_eq!(rows[projection], *expected, "`{projection}` after checkpoint {name}");
        }
        assert_eq!((&found, &parked), (&anew.found, &anew.parked), "after checkpoint {name}");
        // What went on has its generation, what did not says why.
        let built = generations.values().filter(|&&generation| generation > 1).count();
        assert_eq!(built, reasons.len(), "after checkpoint {name}: {generations:?}, {reasons:?}");
        if name == "2" {
            assert_eq!(built, ORDERS.len(), "its state is named by places");
            assert!(reasons.iter().all(|reason| reason.contains("older build")), "{reasons:?}");
        }
    }
}
