//! `readside infer`: a source file from events, which validates and parks nothing of them.

use std::fmt::Write as _;

use async_nats::HeaderMap;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Said, Workshop};
use crate::support::nats::{NatsServer, create_orders, needs_nats};

/// Infers from lines and from nothing else. What comes of it validates, and decodes as many of them as are said to be decoded.
fn inferred(lines: &str, parked: usize) -> (Workshop, Said) {
    let shop = Workshop::new(&[("events.ndjson", lines)]);
    let said = shop.run(&["infer", "--file", "events.ndjson", "--out", "source.yaml", "--root", "readside.yaml"]);
    assert_eq!(said.code, if parked == 0 { 0 } else { 2 }, "{said:?}");
    let validated = shop.run(&["validate"]);
    assert_eq!(validated.code, 0, "{validated:?}");
    let (code, outcome) = shop.outcome("SELECT count(*) AS n FROM events.events", &["--last", "100000"]);
    assert_eq!(code, 0, "{outcome}");
    assert_eq!(outcome["parked"].as_array().map(Vec::len), Some(parked), "{outcome}");
    (shop, said)
}

fn check(lines: &str, parked: usize, source: Expect, said: Expect) {
    let (shop, told) = inferred(lines, parked);
    source.assert_eq(&std::fs::read_to_string(shop.path("source.yaml")).unwrap());
    said.assert_eq(&told.error);
}

fn lines(events: impl Iterator<Item = Value>) -> String {
    events.fold(String::new(), |mut text, event| {
        let _ = writeln!(text, "{event}");
        text
    })
}

/// Orders of two versions, as messages.
fn orders() -> String {
    lines((0..60).map(|n| {
        let customer = format!("c{}", n % 6);
        let at = format!("2026-03-01T00:00:{n:02}Z");
        let (version, data) = match n < 25 {
            true => ("1", json!({"cust": customer, "cents": n * 100, "at": at, "channel": (["web", "shop"][n % 2])})),
            false => (
                "2",
                json!({
                    "customer_id": customer, "total": format!("{n}.50"), "placed_at": at, "channel": (["web", "app"][n % 2]),
                    "lines": [{"sku": format!("s{n}"), "quantity": n}], "note": if n % 3 == 0 { json!("hello") } else { Value::Null },
                }),
            ),
        };
        let headers = json!({"Event-Type": "OrderPlaced", "Event-Version": version, "Nats-Msg-Id": format!("m{n}")});
        json!({"subject": format!("orders.o{}", n % 20), "headers": headers, "data": data})
    }))
}

#[test]
fn versions_are_those_of_the_header_and_differ_by_what_was_seen() {
    check(
        &orders(),
        0,
        expect![[r#"
            # Inferred from 60 events of the file events.ndjson, with sequences 1 to 60. It is a beginning: read it, and change what is not so.
            # - the key is taken from `subject:2`, which has the most values that come again; is it what the events are about?
            # - OrderPlaced: `cust` of version 1 is taken for `customer_id` of version 2
            # - OrderPlaced: `at` of version 1 is taken for `placed_at` of version 2
            # - OrderPlaced: version 2 has no column for `cents` of version 1, so that what is in there is left out
            source: events
            file:
              path: events.ndjson
            envelope:
              type: header:Event-Type
              version: header:Event-Version # 1 where there is none
              id: header:Nats-Msg-Id
              key: subject:2
              time:
              - body:/at
              - body:/placed_at
            types:
              Line:
                quantity: int64!
                sku: string!
            events:
              OrderPlaced: # 60 events: 25 of version 1, 35 of version 2
                version: 2
                fields:
                  channel: string! # one of app, shop, web
                  customer_id: string!
                  lines: list<Line!>
                  note: string
                  placed_at: timestamp!
                  total: decimal(18,2)
                history:
                  '1':
                    fields:
                      at: timestamp!
                      cents: int64!
                      cust: string! # one of c0, c1, c2, c3, c4, c5
                      customer_id: none
                      lines: none
                      note: none
                      placed_at: none
                      total: none
                    to_next:
                      set:
                        customer_id: cust # a guess: look at both
                        placed_at: at # a guess: look at both
        "#]],
        expect![[r#"
            warning: the key is taken from `subject:2`, which has the most values that come again; is it what the events are about?
            warning: OrderPlaced: `cust` of version 1 is taken for `customer_id` of version 2
            warning: OrderPlaced: `at` of version 1 is taken for `placed_at` of version 2
            warning: OrderPlaced: version 2 has no column for `cents` of version 1, so that what is in there is left out
            1 event type from 60 events: nothing would be parked
        "#]],
    );
    let (shop, _) = inferred(&orders(), 0);
    let sql = "SELECT customer_id, count(*) AS orders FROM events.order_placed GROUP BY customer_id";
    let (_, outcome) = shop.outcome(sql, &[]);
    let rows: Vec<Value> = (0..6).map(|n| json!({"customer_id": format!("c{n}"), "orders": 10})).collect();
    assert_eq!(outcome["rows"], json!(rows), "columns of both versions are one");
}

#[test]
fn payloads_alone_say_what_they_say() {
    let payload = |n: i64| {
        json!({
            "orderId": format!("o{}", n % 7), "placedAt": 1_767_225_600_000_i64 + n, "total": format!("{n}.5"), "ratio": n as f64 / 3.0,
            "select": n, "First-Name": "x", "isPaid": n % 2 == 0, "day": "2026-01-01", "shippingAddress": {"streetName": "a", "zip": null},
            "counts": {(format!("k{}", n * 2)): n, (format!("k{}", n * 2 + 1)): n}, "big": 12_345_678_901_234_567_890_u64,
        })
    };
    check(
        &lines((0..40).map(payload)),
        0,
        expect![[r#"
        # Inferred from 40 events of the file events.ndjson, with sequences 1 to 40. It is a beginning: read it, and change what is not so.
        # - nothing says what type an event has: all are of type `Event`
        # - the key is taken from `body:/orderId`, which has the most values that come again; is it what the events are about?
        # - Event: `big`: some numbers need more than 64 bits
        # - Event: `counts`: taken for a map, because each name is in few of the objects
        # - Event: `placed_at`: taken for a time because of its name and size, as epoch_ms
        # - Event: `ratio`: digits beyond those of a float are lost; a decimal would keep them
        # - Event: `shipping_address.zip`: only null was seen
        source: events
        file:
          path: events.ndjson
        envelope:
          type: const:Event
          key: body:/orderId
          time: body:/placedAt
        naming: camelCase # column order_id reads the member orderId
        types:
          ShippingAddress:
            street_name: string!
            zip: json # only null was seen
        events:
          Event: # 40 events
            fields:
              first_name:
                type: string!
                from: /First-Name
              big: decimal(20,0)! # some numbers need more than 64 bits
              counts: map<string,int64!>! # taken for a map, because each name is in few of the objects
              day: date!
              is_paid: bool!
              order_id: string!
              placed_at: # taken for a time because of its name and size, as epoch_ms
                type: timestamp!
                format: epoch_ms
              ratio: float64! # digits beyond those of a float are lost; a decimal would keep them
              select_value:
                type: int64!
                from: /select
              shipping_address: ShippingAddress!
              total: decimal(18,2)!
    "#]],
        expect![[r#"
        warning: nothing says what type an event has: all are of type `Event`
        warning: the key is taken from `body:/orderId`, which has the most values that come again; is it what the events are about?
        warning: Event: `big`: some numbers need more than 64 bits
        warning: Event: `counts`: taken for a map, because each name is in few of the objects
        warning: Event: `placed_at`: taken for a time because of its name and size, as epoch_ms
        warning: Event: `ratio`: digits beyond those of a float are lost; a decimal would keep them
        warning: Event: `shipping_address.zip`: only null was seen
        1 event type from 40 events: nothing would be parked
    "#]],
    );
}

#[test]
fn cloud_events_are_known_by_their_attributes() {
    let event = |n: i64| {
        json!({
            "specversion": "1.0", "type": format!("com.shop.Priced.v{}", 1 + n % 2), "source": "/shop", "id": format!("e{n}"),
            "time": format!("2026-01-01T00:00:{n:02}Z"), "subject": format!("sku-{}", n % 5), "data": {"price": format!("1.{n:02}")},
        })
    };
    check(
        &lines((0..40).map(event)),
        0,
        expect![[r#"
        # Inferred from 40 events of the file events.ndjson, with sequences 1 to 40. It is a beginning: read it, and change what is not so.
        source: events
        file:
          path: events.ndjson
          lines: cloudevents
        envelope:
          type:
            at: header:ce-type
            match: ^(?<type>.+)[.:/_-][vV](?<version>[1-9]\d{0,4})$
          id: header:ce-id
          key: header:ce-subject
          time: header:ce-time
        events:
          com.shop.Priced: # 40 events: 20 of version 1, 20 of version 2
            version: 2
            fields:
              price: decimal(18,2)!
            history:
              '1': {}
    "#]],
        expect![[r#"
        1 event type from 40 events: nothing would be parked
    "#]],
    );
}

#[test]
fn the_payload_may_be_a_part_of_the_body() {
    let event = |n: i64| {
        let at = json!({"occurred_at": 1_767_225_600 + n});
        json!({"event_type": (["Opened", "Closed"][n as usize % 2]), "event_id": format!("e{n}"), "meta": at,
               "payload": {"account_id": format!("a{}", n % 4), "amount": if n % 4 == 0 { Value::Null } else { json!(n) }}})
    };
    check(
        &lines((0..48).map(event)),
        0,
        expect![[r#"
        # Inferred from 48 events of the file events.ndjson, with sequences 1 to 48. It is a beginning: read it, and change what is not so.
        # - the key is taken from `body:/payload/account_id`, which has the most values that come again; is it what the events are about?
        source: events
        file:
          path: events.ndjson
        envelope:
          type: body:/event_type
          id: body:/event_id
          key: body:/payload/account_id
          time:
            at: body:/meta/occurred_at
            format: epoch_s
          data: body:/payload
        events:
          Opened: # 24 events
            fields:
              account_id: string!
              amount: int64
          Closed: # 24 events
            fields:
              account_id: string!
              amount: int64!
    "#]],
        expect![[r#"
        warning: the key is taken from `body:/payload/account_id`, which has the most values that come again; is it what the events are about?
        2 event types from 48 events: nothing would be parked
    "#]],
    );
}

#[test]
fn whatever_is_there_is_read_or_named() {
    let deep = format!("{{\"type\": \"Deep\", \"d\": {}1{}}}\n", "[".repeat(3_000), "]".repeat(3_000));
    let mixed = [json!(1), json!("a"), json!(null), json!([1]), json!({"b": 2}), json!(true), json!(1.5)];
    let mixed = lines(mixed.into_iter().map(|x| json!({"type": "Mixed", "x": x, "none": null})));
    let huge =
        "{\"type\": \"Mixed\", \"x\": 1e400, \"none\": null, \"n\": 99999999999999999999999999999999999999999999}\n";
    let twice = "{\"type\": \"Mixed\", \"x\": 1, \"x\": \"twice\", \"half\": \"\\ud800\"}\n[1, \"list\"]\n";
    let unread = "not json\n\"text\"\n{\"subject\": \"a\", \"headers\": {\"T\": 1}, \"data\": 1}\n\n";
    check(
        &format!("{deep}{mixed}{huge}{twice}{unread}"),
        3,
        expect![[r#"
        # Inferred from 12 events of the file events.ndjson, with sequences 1 to 14. It is a beginning: read it, and change what is not so.
        # - 2 events have no type where the others have it: they are of type `Untyped`
        # - no event says when it happened: the time of publishing counts, which lines of a file may lack, too
        # - nothing that all events have says which thing each is about: `_key` is NULL
        # - fewer than 20 events were seen of `Deep`, `Mixed`, `Untyped`: what is required of them is a guess
        # - Deep: `d`: some values are nested deeper than is looked at, or are not Unicode
        # - Mixed: `none`: only null was seen
        # - Mixed: `x`: 1 truth values, 4 numbers, 2 texts, 1 lists, 1 objects were seen here
        # - Mixed: `n`: some numbers have more digits than a type keeps
        # - Mixed: `half`: some values are nested deeper than is looked at, or are not Unicode
        source: events
        file:
          path: events.ndjson
        envelope:
          type:
          - body:/type
          - const:Untyped
        events:
          Deep: # 1 event
            fields:
              d: list<list<list<list<json!>!>!>!>! # some values are nested deeper than is looked at, or are not Unicode
          Mixed: # 9 events
            fields:
              none: json # only null was seen
              x: json # 1 truth values, 4 numbers, 2 texts, 1 lists, 1 objects were seen here
              n: json # some numbers have more digits than a type keeps
              half: json # some values are nested deeper than is looked at, or are not Unicode
          Untyped: # 1 event
            fields:
              column_0:
                type: int64!
                from: /0
              column_1:
                type: string!
                from: /1
    "#]],
        expect![[r#"
        warning: 2 events have no type where the others have it: they are of type `Untyped`
        warning: no event says when it happened: the time of publishing counts, which lines of a file may lack, too
        warning: nothing that all events have says which thing each is about: `_key` is NULL
        warning: fewer than 20 events were seen of `Deep`, `Mixed`, `Untyped`: what is required of them is a guess
        warning: Deep: `d`: some values are nested deeper than is looked at, or are not Unicode
        warning: Mixed: `none`: only null was seen
        warning: Mixed: `x`: 1 truth values, 4 numbers, 2 texts, 1 lists, 1 objects were seen here
        warning: Mixed: `n`: some numbers have more digits than a type keeps
        warning: Mixed: `half`: some values are nested deeper than is looked at, or are not Unicode
        warning: 2 events would be parked as `malformed`, at 12, 14: the payload is not JSON: expected ident at line 1 column 2
        warning: 1 event would be parked as `wrong_type`, at 13: expected an object, found a string
        3 event types from 14 events: no declaration reads all of them
    "#]],
    );
    let names = [
        "Événement",
        "events",
        "select",
        "3",
        "x.y",
        "x/y",
        "a: b # c",
        "two\nlines",
        "${HOME}",
        "'q'\"",
        "A",
        "a",
        "null",
        "- a",
        "?",
    ];
    let named = |name| json!({"type": name, "${HOME}": 1, "$${x}": "y", "": 2, "a/b~c": 3, "_id": 4, "nested": {"first-name": 5}});
    let (_, said) = inferred(&lines(names.into_iter().chain([&*"x".repeat(150)]).map(named)), 0);
    assert!(said.error.ends_with("16 event types from 16 events: nothing would be parked\n"), "{said:?}");
}

#[test]
fn a_version_that_counts_on_is_a_column() {
    let moved = |n: i64| json!({"type": "Moved", "id": format!("t{}", n % 5), "version": n / 5 + 1, "x": n, "moved_at": "2026-01-01T00:00:00Z"});
    let (shop, said) = inferred(&lines((0..60).map(moved)), 0);
    assert!(said.error.contains("`body:/version` is not taken for the version of the events' form"), "{said:?}");
    let text = std::fs::read_to_string(shop.path("source.yaml")).unwrap();
    assert!(text.contains("      version: int64!\n") && text.contains("  key: body:/id\n"), "{text}");
}

#[test]
fn nothing_is_inferred_from_nothing_and_nothing_is_written_over() {
    let shop = Workshop::new(&[("empty.ndjson", "\n \n"), ("text.ndjson", "a\nb\n"), ("one.ndjson", "{\"a\": 1}\n")]);
    let error = |file: &str, flags: &[&str]| {
        let said = shop.run(&[&["infer", "--file", file], flags].concat());
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        said.error
    };
    assert!(error("empty.ndjson", &[]).starts_with("error: there is no event; "));
    assert_eq!(error("text.ndjson", &[]), "error: none of 2 events can be read: their payloads are not JSON\n");
    assert!(error("none.ndjson", &[]).contains("none.ndjson cannot be read from here: "));
    let there = error("one.ndjson", &["--out", "text.ndjson"]);
    assert_eq!(there, "error: text.ndjson is there already; name another file, or write over it with --force\n");
    assert_eq!(std::fs::read_to_string(shop.path("text.ndjson")).unwrap(), "a\nb\n");
    let forced = shop.run(&["infer", "--file", "one.ndjson", "--out", "text.ndjson", "--force", "--name", "ones"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    assert!(std::fs::read_to_string(shop.path("text.ndjson")).unwrap().contains("\nsource: ones\n"));
    let printed = shop.run(&["infer", "--file", "one.ndjson"]);
    assert!(printed.code == 0 && printed.out.contains("\nsource: one\n") && !shop.path("readside.yaml").exists());
}

#[test]
fn paths_are_written_from_the_folder_of_the_root() {
    let shop = Workshop::new(&[("events.ndjson", "{\"type\": \"A\", \"a\": 1}\n")]);
    let files = ["--out", "config/sources/a.yaml", "--root", "config/readside.yaml"];
    let said = shop.run(&[&["infer", "--file", "events.ndjson"], &files[..]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let root = std::fs::read_to_string(shop.path("config/readside.yaml")).unwrap();
    assert!(root.contains("sources: sources/a.yaml\n"), "{root}");
    // What a daemon keeps is not among what people write.
    assert!(root.contains("${READSIDE_DATA_DIR:-../data}"), "{root}");
    let validated = shop.run(&["print-config", "--config", "config/readside.yaml"]);
    assert!(validated.code == 0 && validated.out.contains("127.0.0.1:9464"), "{validated:?}");
    let source = std::fs::read_to_string(shop.path("config/sources/a.yaml")).unwrap();
    assert!(source.contains("path: ../events.ndjson\n"), "{source}");
    let said = shop.run(&["try", "SELECT count(*) AS n FROM events.a", "--config", "config/readside.yaml", "--json"]);
    assert!(said.code == 0 && said.out.contains("{\"n\":1}"), "{said:?}");
}

#[tokio::test]
async fn a_stream_is_inferred_from_its_newest_events() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    for n in 0..90 {
        let (subject, body) = match n {
            0 => ("orders.old", "{\"gone\": 1}".to_owned()),
            // A time that no event can have yet.
            89 => ("orders.k1", "{\"n\": 89, \"at\": \"2999-01-01T00:00:00Z\"}".to_owned()),
            n if n % 3 == 0 => ("other.k", "not json".to_owned()),
            n => (["orders.k1", "orders.k2"][n % 2], format!("{{\"n\": {n}, \"at\": \"2026-01-01T00:00:00Z\"}}")),
        };
        let mut headers = HeaderMap::new();
        headers.insert("Type", "Counted");
        jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    let shop = Workshop::new(&[]);
    let url = server.url();
    let from = ["infer", "--stream", "ORDERS", "--nats", &url, "--filter", "orders.>", "--limit", "50"];
    let said = shop.run(&[&from[..], &["--out", "source.yaml", "--root", "readside.yaml"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let text = std::fs::read_to_string(shop.path("source.yaml")).unwrap();
    assert!(text.contains("filter_subjects:\n  - orders.>\n") && text.contains("  key: subject:2\n"), "{text}");
    assert!(!text.contains("gone") && !text.contains("  time:"), "{text}");
    assert!(said.error.contains("with sequence 90, have a time in `body:/at` that"), "{said:?}");
    assert_eq!(shop.run(&["validate"]).code, 0);
    let (code, outcome) = shop.outcome("SELECT count(*) AS n FROM orders.counted", &["--last", "50"]);
    assert_eq!((code, &outcome["rows"], &outcome["parked"]), (0, &json!([{"n": 50}]), &json!([])), "{outcome}");
    let mut stream = jetstream.get_stream("ORDERS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 90);
}
