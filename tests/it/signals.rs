//! A daemon that is told to end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

const CONFIG: &str = r#"
data_dir: data
sources: orders.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
"#;
const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events: {Placed: {fields: {id: string!}}}
"#;

#[test]
fn one_that_has_just_begun_ends_as_well_as_any() {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [("readside.yaml", CONFIG), ("orders.yaml", SOURCE), ("events.ndjson", "")] {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    // An orchestrator may change its mind at any time: what was listened to a moment too late was lost now and then.
    for _ in 0..10 {
        let mut daemon = Daemon::spawn(&home.path().join("readside.yaml"));
        daemon.wait_for_log("\"listening\"");
        let log = daemon.log();
        let (status, _) = daemon.terminate();
        assert!(status.success(), "{status}");
        await_line(&log, "\"message\":\"stopped\"");
    }
}

#[test]
fn one_that_cannot_run_says_so_in_the_log_and_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = CONFIG.replacen("127.0.0.1:0", &taken.local_addr().unwrap().to_string(), 1);
    let wrong = format!("{CONFIG}nonsense: 1\n");
    for (config, why) in [(busy, "cannot listen on"), (wrong, "the configuration cannot be used")] {
        for (name, text) in [("readside.yaml", config.as_str()), ("orders.yaml", SOURCE), ("events.ndjson", "")] {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let mut daemon = Daemon::spawn(&home.path().join("readside.yaml"));
        assert_eq!(daemon.ended().code(), Some(1));
        let line: Value = serde_json::from_str(&daemon.wait_for_log("\"ended by an error\"")).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["fields"]["reason"].as_str().unwrap().contains(why), "{line}");
        let told = daemon.all_logged("");
        assert!(told.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{told:?}");
    }
}

/// Waits until the log of a daemon that has ended has a line: it is read a moment after it was written.
fn await_line(log: &Mutex<Vec<String>>, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    while !log.lock().unwrap().iter().any(|line| line.contains(text)) {
        assert!(Instant::now() < deadline, "no {text} in the log");
        std::thread::sleep(Duration::from_millis(5));
    }
}
