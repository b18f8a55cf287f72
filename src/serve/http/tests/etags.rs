//! What an ETag names: what is in the answer, whatever else there is.
#![allow(clippy::unwrap_used)]

use super::*;

impl Daemon {
    fn tag(&self, path: &str) -> String {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path} {}", reply.json);
        let tag = reply.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.len() > 20, "{path} {tag}");
        tag
    }

    fn with_tag(&self, path: &str, tag: &str) -> Reply {
        self.send(Self::agent().get(format!("{}{path}", self.url)).header("If-None-Match", tag).call())
    }

    /// Publishes the orders with one of them changed.
    fn change(&self, position: u64, id: i64, change: impl FnOnce(&mut Order)) {
        let mut orders = orders();
        change(orders.iter_mut().find(|order| order.id == id).unwrap());
        self.catalog.publish(snapshot_of(position, &orders));
    }
}

const ROW: &str = "/v1/tables/orders/7";
/// Its last row is the order 2.
const PAGE: &str = "/v1/tables/orders?pageSize=3";
const VIEW: &str = "/v1/tables/ready?pageSize=3";
const QUERY: &str = "/v1/queries/cheap?status=nothing%20else&limit=9";

#[test]
fn a_reader_who_has_the_answer_is_told_so_while_other_rows_change() {
    let daemon = Daemon::usual();
    for path in [ROW, PAGE, VIEW, QUERY] {
        daemon.catalog.publish(snapshot(100));
        let tag = daemon.tag(path);
        for position in 101..104 {
            daemon.change(position, 150, |order| order.due = Some(position as i64));
            let again = daemon.with_tag(path, &format!("\"other\", {tag}"));
            assert_eq!((again.status, again.json.as_str()), (304, Some("")), "{path}");
            assert_eq!((again.header("etag"), again.header("vary")), (&*tag, "Accept"));
            let freshness: Value = serde_json::from_str(again.header("readside-freshness")).unwrap();
            assert_eq!((&freshness["state"], &freshness["phase"]), (&json!("live"), &json!("serving")));
            assert_eq!(freshness["positions"], json!({"orders": position}));
        }
        assert_eq!(daemon.with_tag(path, "*").status, 304);
        assert_eq!(daemon.with_tag(path, &tag.replace("W/", "")).status, 304);
        assert_eq!(daemon.with_tag(path, "W/\"other\"").status, 200);
    }
}

#[test]
fn what_is_wrong_is_no_answer_that_anybody_has() {
    let daemon = Daemon::usual();
    for path in ["/v1/tables/orders?totl=1", "/v1/tables/orders?total=much", "/v1/tables/orders?pageSize=0"] {
        daemon.with_tag(path, "*").problem(400, "invalid-request");
    }
}

#[test]
fn rows_that_are_others_are_another_answer() {
    let daemon = Daemon::usual();
    let is_cheap = |order: &&Order| order.status.as_deref() == Some("READY") && order.cents.is_some();
    let cheap = orders().iter().filter(is_cheap).map(|order| order.id).min().unwrap();
    for (path, id) in [(ROW, 7), (PAGE, 2), ("/v1/queries/cheap?status=READY&limit=9", cheap)] {
        daemon.catalog.publish(snapshot(100));
        let tag = daemon.tag(path);
        // No order has so many.
        daemon.change(101, id, |order| order.cents = Some(8));
        assert_eq!(daemon.with_tag(path, &tag).status, 200, "{path}");
        assert_ne!(daemon.tag(path), tag, "{path}");
    }
    // Whether there is another page is a part of a page, and so is that rows may have moved.
    let few: Vec<Order> = orders().into_iter().filter(|order| order.id < 3).collect();
    daemon.catalog.publish(snapshot(100));
    let (tag, first) = (daemon.tag(PAGE), daemon.get(PAGE));
    daemon.catalog.publish(snapshot_of(101, &few));
    let last = daemon.with_tag(PAGE, &tag);
    assert_eq!((last.status, last.items()), (200, first.items()));
    daemon.catalog.publish(snapshot(100));
    let second = format!("{PAGE}&pageToken={}", first.json["page"]["nextPageToken"].as_str().unwrap());
    let tag = daemon.tag(&second);
    daemon.catalog.publish(snapshot(101));
    assert_eq!(daemon.with_tag(&second, &tag).json["page"]["cutChanged"], true);
    let moved = daemon.tag(&second);
    daemon.catalog.publish(snapshot(102));
    assert_eq!(daemon.with_tag(&second, &moved).status, 304);
}

#[test]
fn an_answer_that_is_fresh_in_another_way_is_another_one() {
    let daemon = Daemon::usual();
    for path in [ROW, PAGE, VIEW, QUERY] {
        daemon.catalog.publish(snapshot(100));
        let tag = daemon.tag(path);
        let mut lost = snapshot(100);
        lost.sources.values_mut().for_each(|source| source.disconnected("no route".to_owned()));
        daemon.catalog.publish(lost);
        let reply = daemon.with_tag(path, &tag);
        assert_eq!((reply.status, &reply.json["freshness"]["state"]), (200, &json!("disconnected")), "{path}");
        let mut parked = snapshot(100);
        let of_type = BTreeMap::from([("OrderPlaced".to_owned(), 1)]);
        parked.sources.values_mut().for_each(|source| source.parked_are(of_type.clone()));
        daemon.catalog.publish(parked);
        let reply = daemon.with_tag(path, &tag);
        assert_eq!((reply.status, &reply.json["freshness"]["incomplete"]), (200, &json!(true)), "{path}");
    }
}

#[test]
fn each_format_has_tags_of_its_own() {
    let daemon = Daemon::usual();
    let accepting = ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"];
    for path in [ROW, PAGE, VIEW, QUERY] {
        let tag = |accept: &str| {
            let (head, _) = daemon.ask(path, &[("accept", accept)]);
            let tag = head.headers["etag"].to_str().unwrap().to_owned();
            let (again, body) = daemon.ask(path, &[("accept", accept), ("if-none-match", &tag)]);
            assert_eq!((again.status.as_u16(), body.len()), (304, 0), "{path} {accept}");
            tag
        };
        let tags: std::collections::BTreeSet<String> = accepting.iter().map(|accept| tag(accept)).collect();
        assert_eq!(tags.len(), accepting.len(), "{path}");
    }
}

#[test]
fn what_depends_on_the_time_is_another_answer_each_time() {
    let daemon = Daemon::usual();
    for path in ["/v1/tables/clock", "/v1/queries/now"] {
        let tag = daemon.tag(path);
        assert_eq!(daemon.with_tag(path, &tag).status, 200, "{path}");
    }
    // Nobody asks again for what was posted.
    assert_eq!(daemon.sql("SELECT 1 AS a").header("etag"), "");
}
