//! A shop's projections, and events that are a function of a seed and their number.

use std::collections::VecDeque;
use std::ops::Range;

use async_nats::HeaderMap;
use async_nats::jetstream::{Context, stream};
use fastrand::Rng;

use crate::support::nats::create;

pub(crate) const SOURCE: &str = r#"source: orders
jetstream: {stream: ORDERS}
envelope: {type: header:Event-Type, key: subject:2, time: body:/at}
event_time: {lateness: 10s, max_ahead: 36500d}
types: {Line: {number: int64!, sku: string!, quantity: int64!, price: "decimal(18,2)!"}}
events:
  OrderPlaced: {fields: {total: "decimal(18,2)!", city: string, weight: float64!, boxes: int64!, notes: string!, lines: "list<Line!>!"}}
  OrderPaid: {fields: {amount: "decimal(18,2)!", fee: float64!}}
  CustomerRenamed: {fields: {name: string!}}"#;

pub(crate) const PROJECTIONS: &str = r#"projection: customers
sql: |
  SELECT _key AS customer, count(order_placed) AS orders, sum(order_placed.total) AS total,
    avg(order_placed.weight) AS weight, count(DISTINCT order_placed.city) AS cities,
    latest(order_placed.city) AS city, latest(order_placed.notes) AS notes, latest(customer_renamed.name) AS name,
    sum(order_paid.fee) AS fees, max(_time) AS last_at, max(_seq) AS position
  FROM orders.events GROUP BY _key
key: [customer]
---
projection: order_lines
sql: |
  SELECT position, line['number'] AS number, line['sku'] AS sku, line['quantity'] * line['price'] AS amount
  FROM (SELECT _seq AS position, unnest(lines) AS line FROM orders.order_placed)
key: [position, number]
---
projection: cities
sql: |
  SELECT coalesce(city, 'nowhere') AS city, count(*) AS customers, sum(orders) AS orders, sum(total) AS total,
    count(DISTINCT name) AS names, max(position) AS position
  FROM customers GROUP BY coalesce(city, 'nowhere')
key: [city]
---
projection: last_orders
sql: |
  SELECT DISTINCT ON (_key) _key AS customer, _seq AS position, total, city
  FROM orders.order_placed ORDER BY _key, _seq DESC
key: [customer]
---
projection: loads
sql: SELECT _seq AS position, 1000 / boxes AS load FROM orders.order_placed WHERE boxes < 3
key: [position]
---
projection: best_orders
sql: |
  SELECT position, customer, total, place FROM (
    SELECT _seq AS position, _key AS customer, total,
      row_number() OVER (PARTITION BY _key ORDER BY total DESC, _seq) AS place
    FROM orders.order_placed)
  WHERE place <= 2
key: [position]
---
projection: homes
sql: |
  SELECT l.position AS position, l.customer AS customer, l.total AS total, c.name AS name, c.cities AS cities
  FROM last_orders l JOIN customers c ON l.customer = c.customer AND l.city = c.city
key: [customer]
---
projection: totals
sql: |
  SELECT 0 AS id, count(*) AS events, count(order_paid) AS payments, sum(order_paid.amount) AS paid,
    sum(order_paid.fee) AS fees, coalesce(max(_seq), 0) AS position
  FROM orders.events
key: [id]
---
projection: customer_search
kind: search
sql: SELECT customer, name, notes, city, total, position FROM customers
key: [customer]
fields: {name: {type: text}, notes: {type: text}, city: {type: keyword, facet: true}, total: {sort: true}}
"#;

/// The tables; each has an integer column `position`.
pub(crate) const TABLES: [&str; 9] =
    ["customers", "order_lines", "cities", "last_orders", "loads", "best_orders", "homes", "totals", "customer_search"];

pub(crate) const WORDS: [&str; 6] = ["urgent", "fragile", "gift", "heavy", "cold", "return"];
pub(crate) const CITIES: [&str; 5] = ["Oslo", "Bern", "Rome", "Riga", "Lyon"];
/// Long after today: an event whose own time cannot be read counts by its publish time, which differs from run to run.
const EPOCH_S: i64 = 4_000_000_000;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Admitted,
    /// It cannot be decoded.
    Rejected,
    /// It is admitted, but `loads` divides by zero.
    Indivisible,
}

pub(crate) struct Event {
    pub(crate) subject: String,
    pub(crate) event_type: &'static str,
    pub(crate) body: String,
    pub(crate) fate: Fate,
}

/// The event with a number, from 1. Customers grow in number with the events.
pub(crate) fn event(seed: u64, number: u64) -> Event {
    let mut random = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let customer = random.u64(0..20 + number / 50);
    let at = chrono::DateTime::from_timestamp(EPOCH_S + number as i64 - random.i64(0..30), 0).expect("a time");
    let at = at.to_rfc3339();
    let (event_type, mut body, mut fate) = match random.u32(0..10) {
        0..6 => {
            let lines: Vec<String> = (0..random.u32(0..4))
                .map(|line| {
                    let (sku, quantity, price) = (random.u32(0..500), random.u32(1..9), random.u32(1..99_999));
                    let price = format!("{}.{:02}", price / 100, price % 100);
                    format!(r#"{{"number":{line},"sku":"s{sku}","quantity":{quantity},"price":"{price}"}}"#)
                })
                .collect();
            let city = random.choice(CITIES).filter(|_| random.u32(0..20) > 0);
            let city = city.map_or("null".to_owned(), |city| format!("\"{city}\""));
            let notes: Vec<&str> = (0..3).filter_map(|_| random.choice(WORDS)).collect();
            let indivisible = random.u32(0..500) == 0;
            let boxes = if indivisible { 0 } else { random.u32(1..6) };
            let body = format!(
                r#"{{"at":"{at}","total":"{}.{:02}","city":{city},"weight":{},"boxes":{boxes},"notes":"{}","lines":[{}]}}"#,
                random.u32(1..1000),
                random.u32(0..100),
                random.f64() * 1e3,
                notes.join(" "),
                lines.join(",")
            );
            ("OrderPlaced", body, if indivisible { Fate::Indivisible } else { Fate::Admitted })
        }
        6..9 => {
            let fee = random.f64();
            let body = format!(r#"{{"at":"{at}","amount":"{}.50","fee":{fee}}}"#, random.u32(1..1000));
            ("OrderPaid", body, Fate::Admitted)
        }
        _ => {
            let body = format!(r#"{{"at":"{at}","name":"Name {}"}}"#, random.u32(0..200));
            ("CustomerRenamed", body, Fate::Admitted)
        }
    };
    let mut shown_type = event_type;
    match random.u32(0..1500) {
        0 => body.truncate(body.len() - 1),
        1 => body = format!(r#"{{"at":"{at}"}}"#),
        2 => shown_type = "OrderVanished",
        _ => return Event { subject: format!("orders.c{customer}"), event_type, body, fate },
    }
    fate = Fate::Rejected;
    Event { subject: format!("orders.c{customer}"), event_type: shown_type, body, fate }
}

/// Events of a range by their fate: admitted in all, rejected, and parked by `loads`.
pub(crate) fn fates(seed: u64, numbers: Range<u64>) -> (u64, u64, u64) {
    let mut fates = (0, 0, 0);
    for number in numbers {
        match event(seed, number).fate {
            Fate::Admitted => fates.0 += 1,
            Fate::Rejected => fates.1 += 1,
            Fate::Indivisible => fates = (fates.0 + 1, fates.1, fates.2 + 1),
        }
    }
    fates
}

pub(crate) async fn create_stream(jetstream: &Context) {
    let config =
        stream::Config { name: "ORDERS".to_owned(), subjects: vec!["orders.>".to_owned()], ..Default::default() };
    create(jetstream, config).await;
}

/// Publishes events under their numbers as sequences, fast.
pub(crate) async fn publish(jetstream: &Context, seed: u64, numbers: Range<u64>) {
    let mut pending = VecDeque::new();
    let mut expected = numbers.start;
    for number in numbers {
        let Event { subject, event_type, body, .. } = event(seed, number);
        let mut headers = HeaderMap::new();
        headers.insert("Event-Type", event_type);
        pending.push_back(jetstream.publish_with_headers(subject, headers, body.into()).await.expect("a publish"));
        if pending.len() > 1_000 {
            let ack = pending.pop_front().expect("one").await.expect("an ack");
            assert_eq!(ack.sequence, expected, "published in order");
            expected += 1;
        }
    }
    for ack in pending {
        assert_eq!(ack.await.expect("an ack").sequence, expected, "published in order");
        expected += 1;
    }
}
