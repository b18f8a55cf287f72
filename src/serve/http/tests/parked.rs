//! Parked events as whoever mends them sees them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::event::{Headers, Message, Reason, Rejected};
use crate::lifecycle::{GenerationId, Parked};

/// An event that is parked for this projection, or for all of them.
fn parked(seq: u64, projection: Option<&str>, reason: Reason, payload: &'static [u8]) -> Arc<Parked> {
    let message = Message {
        seq,
        subject: format!("orders.{seq}"),
        headers: Headers(vec![("Nats-Msg-Id".to_owned(), seq.to_string())]),
        payload: payload.into(),
        published_at_us: 1_772_438_400_000_000 + seq as i64 * 1_000_000,
        unreadable: None,
    };
    let rejected = Rejected {
        message,
        reason,
        pointer: Some("/total".to_owned()),
        detail: "is required but missing".to_owned(),
        undeclared_type: None,
        event_type: Some(if seq < 3 { "OrderPlaced" } else { "OrderPaid" }.to_owned()),
        late: Some(false),
    };
    let generation = projection.map(|projection| GenerationId::new(projection, 2));
    Arc::new(Parked { source: "orders".into(), generation, rejected })
}

fn daemon() -> Daemon {
    let daemon = Daemon::usual();
    let all = [
        parked(1, None, Reason::MissingField, br#"{"n": 12345678901234567890.10}"#),
        parked(2, Some("broken"), Reason::Projection, b"{}"),
        parked(2, Some("orders"), Reason::Projection, b"{}"),
        parked(3, None, Reason::Malformed, b"no JSON"),
        parked(4, None, Reason::Malformed, b"\xff\x00"),
    ];
    daemon.catalog.publish(snapshot(100).with_parked(all.into()));
    daemon
}

/// The sequences and the projections of the listed events.
fn listed(daemon: &Daemon, query: &str) -> Vec<(u64, Option<String>)> {
    let reply = daemon.get(&format!("/v1/parked{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.json);
    let items = reply.items().iter();
    items.map(|one| (one["sequence"].as_u64().unwrap(), one["projection"].as_str().map(str::to_owned))).collect()
}

#[test]
fn parked_events_are_listed_as_asked_for() {
    let daemon = daemon();
    let sequences = |query: &str| listed(&daemon, query).into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
    assert_eq!(sequences(""), [1, 2, 2, 3, 4]);
    assert_eq!(sequences("?source=orders&reason=malformed"), [3, 4]);
    assert_eq!(sequences("?type=OrderPlaced"), [1, 2, 2]);
    assert_eq!(listed(&daemon, "?projection=orders"), [(2, Some("orders".to_owned()))]);
    assert_eq!(sequences("?since=2026-03-02T08:00:02Z&until=2026-03-02T08:00:04Z"), [2, 2, 3]);
    let first = daemon.get("/v1/parked").items()[0].clone();
    assert_eq!((&first["source"], &first["subject"]), (&json!("orders"), &json!("orders.1")));
    assert_eq!((&first["reason"], &first["pointer"]), (&json!("missing_field"), &json!("/total")));
    assert_eq!((&first["publishedAt"], &first["projection"]), (&json!("2026-03-02T08:00:01.000000Z"), &Value::Null));
    // The status of their source shows the newest first.
    let events = &daemon.get("/v1/sources/orders").json["item"]["parkedEvents"];
    assert_eq!((&events[0]["sequence"], &events[4]["sequence"]), (&json!(4), &json!(1)));
}

#[test]
fn a_listing_of_parked_events_has_pages() {
    let daemon = daemon();
    let mut seen = Vec::new();
    let mut query = "?pageSize=2&source=orders".to_owned();
    loop {
        seen.extend(listed(&daemon, &query));
        let page = daemon.get(&format!("/v1/parked{query}")).json["page"].clone();
        assert_eq!(page["total"], 5);
        let Some(token) = page["nextPageToken"].as_str() else { break };
        query = format!("?pageSize=2&source=orders&pageToken={token}");
    }
    assert_eq!(seen, listed(&daemon, ""));
    for token in ["x", "orders:1:broken", "orders:1:broken:2:3", "orders:x::0"] {
        daemon.get(&format!("/v1/parked?pageToken={token}")).problem(400, "invalid-request");
    }
}

#[test]
fn what_nothing_can_match_is_refused() {
    let daemon = daemon();
    let hint = |query: &str| daemon.get(&format!("/v1/parked?{query}")).json["hint"].clone();
    assert_eq!(hint("source=order"), "did you mean `orders`?");
    assert_eq!(hint("projection=brokn"), "did you mean `broken`?");
    assert_eq!(hint("reason=malforme"), "did you mean `malformed`?");
    assert_eq!(hint("typ=OrderPlaced"), "did you mean `type`?");
    daemon.get("/v1/parked?source=none").problem(404, "unknown-relation");
    daemon.get("/v1/parked?since=yesterday").problem(400, "invalid-request");
    daemon.get("/v1/parked?source=orders&source=orders").problem(400, "invalid-request");
}

#[test]
fn a_parked_message_is_shown_whole() {
    let daemon = daemon();
    let shown = |sequence: u64| daemon.get(&format!("/v1/parked/orders/{sequence}")).json["item"].clone();
    let first = daemon.get("/v1/parked/orders/1");
    assert_eq!(first.json["item"]["headers"], json!([{"name": "Nats-Msg-Id", "value": "1"}]));
    assert_eq!(first.json["item"]["faults"][0]["pointer"], "/total");
    let projections: Vec<Value> =
        shown(2)["faults"].as_array().unwrap().iter().map(|fault| fault["projection"].clone()).collect();
    assert_eq!(projections, ["broken", "orders"]);
    assert_eq!((&shown(3)["bodyText"], &shown(3)["body"]), (&json!("no JSON"), &Value::Null));
    assert_eq!((&shown(4)["bodyBase64"], &shown(4)["bodyBytes"]), (&json!("/wA="), &json!(2)));
    daemon.get("/v1/parked/orders/5").problem(404, "not-found");
    daemon.get("/v1/parked/none/1").problem(404, "unknown-relation");
    daemon.get("/v1/parked/orders/x").problem(400, "invalid-request");
}

#[test]
fn the_command_line_prints_parked_events() {
    let daemon = daemon();
    let connection = || cli::Connection { url: daemon.url.clone(), json: false };
    let run = |command: cli::ParkedCommand| {
        let mut out = Vec::new();
        cli::parked(&cli::ParkedArgs { command }, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    let list = |reason: Option<&str>, limit| {
        run(cli::ParkedCommand::List(cli::ParkedListArgs {
            source: Some("orders".to_owned()),
            event_type: None,
            reason: reason.map(str::to_owned),
            projection: None,
            since: None,
            until: None,
            limit,
            connection: connection(),
        }))
    };
    let show = |sequence| {
        let source = "orders".to_owned();
        run(cli::ParkedCommand::Show(cli::ParkedShowArgs { source, sequence, connection: connection() }))
    };
    let text = list(None, 50).unwrap();
    assert!(text.contains("orders         1  2026-03-02T08:00:01.000000Z  OrderPlaced"), "{text}");
    assert!(text.contains("\n5 events\n"), "{text}");
    let text = list(Some("malformed"), 1).unwrap();
    assert!(text.contains("1 of 2 events; the others come with a filter or a larger --limit"), "{text}");
    assert!(list(Some("malforme"), 1).unwrap_err().to_string().contains("did you mean `malformed`?"));
    // A number that no float holds is printed as it was written.
    let text = show(1).unwrap();
    let parts = [
        "message 1 of source `orders`, published 2026-03-02T08:00:01.000000Z, on orders.1\n",
        "parked for all projections of type `OrderPlaced`: missing_field\n  is required but missing\n  at /total: nothing\n",
        "headers\n  Nats-Msg-Id: 1\n",
        "body, 30 bytes, JSON\n  {\"n\": 12345678901234567890.10}\n",
        "corrected: readside parked replay\n",
        "readside parked discard orders 1 --reason WHY\n",
    ];
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} in {text}"));
    assert!(show(2).unwrap().contains("parked for projection `broken` of type `OrderPlaced`: projection"));
    assert!(show(4).unwrap().contains("body, 2 bytes, base64\n  /wA=\n"));
    assert_eq!(show(9).unwrap_err().to_string(), "message 9 of source `orders` is not parked");
}
