//! The console's files, and what it asks for beside rows.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_page_comes_with_what_browsers_are_to_keep_to() {
    let daemon = Daemon::usual();
    let page = daemon.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (header, value) in
        [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-cache")]
    {
        assert_eq!(page.header(header), value, "{header}");
    }
    let text = page.json.as_str().unwrap();
    for part in ["/console/main.js", "/console/console.css", "/console/icon.svg"] {
        assert!(text.contains(part), "{part}");
        assert_eq!(daemon.get(part).status, 200, "{part}");
    }
    assert_eq!(daemon.get("/console/main.js").header("content-type"), "text/javascript; charset=utf-8");
    for nothing in ["/console/", "/console/nothing.js", "/console/..%2fmod.rs"] {
        assert_eq!(daemon.get(nothing).status, 404, "{nothing}");
    }
}

#[test]
fn a_browser_that_has_a_file_of_the_page_is_told_so() {
    let daemon = Daemon::usual();
    let url = format!("{}/console/main.js", daemon.url);
    let tag = daemon.get("/console/main.js").header("etag").to_owned();
    let asked = |tag: &str| daemon.send(Daemon::agent().get(&url).header("If-None-Match", tag).call());
    assert_eq!((asked(&tag).status, asked(&tag).json.as_str()), (304, Some("")));
    assert_eq!(asked("\"another\"").status, 200);
}

#[test]
fn declared_queries_are_listed_with_their_parameters() {
    let daemon = Daemon::usual();
    let queries = daemon.get("/v1/queries");
    let names: Vec<&str> = queries.items().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cheap", "now", "statuses", "unsorted"]);
    let expected = json!({
        "name": "cheap",
        "sql": "SELECT order_id, total FROM orders WHERE status = $status AND total <= $limit",
        "reads": ["orders"],
        "params": [
            {"name": "limit", "type": "decimal(18,2)", "required": false, "default": "0.03"},
            {"name": "status", "type": "string", "required": true, "default": null},
        ],
        "sort": ["order_id"],
        "pageDefault": 7,
        "pageMax": 50,
    });
    assert_eq!(queries.items()[0], expected);
    assert_eq!(queries.items()[1]["reads"], json!([]));
}

#[test]
fn the_freshness_of_the_last_hour_is_told_by_minutes() {
    let daemon = Daemon::usual();
    assert_eq!(daemon.get("/v1/projections/broken/freshness").items(), [] as [Value; 0]);
    daemon.get("/v1/projections/nothing/freshness").problem(404, "unknown-relation");
    let view = daemon.api.service().view(crate::access::Caller::Daemon);
    crate::telemetry::measure_freshness(&view, now_us(), Duration::from_secs(1));
    let minutes = daemon.get("/v1/projections/orders/freshness");
    let minute = minutes.items().last().unwrap();
    assert!(minute["observedSeconds"].as_f64() >= Some(1.0) && minute["lagSecondsMax"].is_number(), "{minute}");
    // Nothing is promised of it.
    assert!(minute["missedSeconds"].is_null(), "{minute}");
    let hour = &daemon.get("/v1/projections/orders").json["item"]["lastHour"];
    assert!(hour["observedSeconds"].as_f64() >= Some(1.0), "{hour}");
    // Of what cannot be read nobody knows the lag.
    let broken = &daemon.get("/v1/projections/broken").json["item"]["lastHour"];
    assert_eq!(broken["unknownSeconds"], broken["observedSeconds"]);
}
