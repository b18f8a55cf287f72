//! Rows by key and listings in pages.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_row_is_read_by_its_key_with_its_freshness() {
    let daemon = Daemon::usual();
    let order = orders().into_iter().find(|order| order.due.is_some() && order.cents.is_some()).unwrap();
    let reply = daemon.get(&format!("/v1/tables/orders/{}", order.id));
    assert_eq!(reply.status, 200);
    let item = &reply.json["item"];
    assert_eq!(item["order_id"], order.id);
    assert_eq!(item["total"], format!("0.0{}", order.cents.unwrap()));
    assert!(item["due_at"].as_str().unwrap().ends_with("T09:39:05.000001Z"), "{item}");
    assert_eq!(item["notes"]["id"], order.id);
    let freshness = &reply.json["freshness"];
    assert_eq!(freshness["state"], "live");
    assert_eq!(freshness["positions"]["orders"], 100);
    assert_eq!((&freshness["lagEvents"], &freshness["lagSeconds"]), (&json!(0), &json!(0.0)));
    assert_eq!(freshness["caughtUpToRequestedPosition"], true);

    assert_eq!(daemon.get("/v1/tables/pairs/a%2Fb/2").json["item"], json!({"tenant": "a/b", "n": 2}));
}

#[test]
fn a_row_that_is_not_there_is_a_problem_with_its_freshness() {
    let daemon = Daemon::usual();
    let reply = daemon.get("/v1/tables/orders/999999");
    assert_eq!(reply.problem(404, "not-found"), "`orders` has no row with the key 999999");
    assert_eq!(reply.json["freshness"]["positions"]["orders"], 100);
    assert_eq!(reply.json["instance"], "/v1/tables/orders/999999");

    let wrong = daemon.get("/v1/tables/orders/1%20OR%201=1");
    assert!(
        wrong.problem(400, "invalid-request").starts_with("key column `order_id`: `1 OR 1=1` is not a whole number")
    );
    let parts = daemon.get("/v1/tables/pairs/c");
    assert_eq!(parts.problem(400, "invalid-request"), "the key of `pairs` is (tenant, n), and 1 parts are given");
    let name = daemon.get("/v1/tables/order/1");
    name.problem(404, "unknown-relation");
    assert_eq!(name.json["hint"], "did you mean `orders`?");
    let failed = daemon.get("/v1/tables/broken/1");
    assert_eq!(failed.problem(503, "unavailable"), "`broken` has failed: two rows have one key");
    daemon.get("/v1/tables/ready/1").problem(400, "invalid-request");
    daemon.get(&format!("/v1/tables/orders/{}", "1".repeat(2000))).problem(400, "invalid-request");
}

#[test]
fn pages_over_ties_and_nulls_are_the_sorted_listing() {
    let daemon = Daemon::usual();
    for (status_down, total_down) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut expected = orders();
        expected.sort_by(|a, b| {
            let order = compare(&a.status, &b.status, status_down).then(compare(&a.cents, &b.cents, total_down));
            order.then(a.id.cmp(&b.id))
        });
        let expected: Vec<i64> = expected.iter().map(|order| order.id).collect();
        let sign = |down| if down { "-" } else { "" };
        let sort = format!("{}status,{}total", sign(status_down), sign(total_down));
        let whole = daemon.filter("/v1/tables/orders", &[("sort", &sort), ("pageSize", "1000")]);
        assert_eq!(ids(whole.items()), expected, "{sort}");
        assert!(whole.json["page"]["nextPageToken"].is_null());
        let paged = daemon.pages("/v1/tables/orders", &[("sort", &sort), ("pageSize", "7")]);
        assert_eq!(ids(&paged), expected, "{sort} in pages");
    }
    for sort in ["due_at", "-due_at", "-order_id", "score,-due_at", "-score"] {
        let whole = daemon.filter("/v1/tables/orders", &[("sort", sort), ("pageSize", "1000")]);
        let paged = daemon.pages("/v1/tables/orders", &[("sort", sort), ("pageSize", "9")]);
        assert_eq!(ids(&paged), ids(whole.items()), "{sort} in pages");
        assert_eq!(paged.len(), ROWS as usize);
    }
}

#[test]
fn pages_of_rows_without_a_key_leave_none_out() {
    let daemon = Daemon::usual();
    let in_sql = |sql: &str| daemon.sql(sql).items().to_vec();
    let statuses = in_sql("SELECT status, total FROM orders ORDER BY status DESC NULLS FIRST, total NULLS LAST");
    assert_eq!(daemon.pages("/v1/queries/statuses", &[]), statuses);
    assert_eq!(daemon.pages("/v1/queries/statuses", &[("pageSize", "1")]), statuses);
    let unsorted = in_sql("SELECT order_id FROM orders ORDER BY total DESC, order_id");
    assert_eq!(daemon.pages("/v1/queries/unsorted", &[]), unsorted);
    let ready = in_sql("SELECT status, total FROM orders WHERE status = 'READY' ORDER BY total DESC NULLS FIRST");
    assert_eq!(daemon.pages("/v1/tables/ready", &[("sort", "-total"), ("pageSize", "4")]), ready);
}

#[test]
fn filters_select_by_typed_values() {
    let daemon = Daemon::usual();
    let check = |params: &[(&str, &str)], keep: &dyn Fn(&Order) -> bool| {
        let found = daemon.filter("/v1/tables/orders", &[params, &[("pageSize", "1000")]].concat());
        let mut expected: Vec<i64> = orders().iter().filter(|order| keep(order)).map(|order| order.id).collect();
        expected.sort();
        assert!(!expected.is_empty() && expected.len() < ROWS as usize, "{params:?} tests nothing");
        assert_eq!(ids(found.items()), expected, "{params:?}");
    };
    let done = "it's \"done\", no?";
    check(&[("status", done)], &|order| order.status.as_deref() == Some(done));
    check(&[("status.in", r#"READY,it's "done"\, no?"#)], &|order| {
        matches!(order.status.as_deref(), Some("READY")) || order.status.as_deref() == Some(done)
    });
    check(&[("status.ne", "READY")], &|order| order.status.as_deref().is_some_and(|status| status != "READY"));
    check(&[("status.isnull", "true")], &|order| order.status.is_none());
    check(&[("status.isnull", "false"), ("total.gte", "0.02"), ("total.lt", "0.050")], &|order| {
        order.status.is_some() && order.cents.is_some_and(|cents| (2..5).contains(&cents))
    });
    check(&[("due_at.lte", "2026-02-01T10:39:05.000001+01:00")], &|order| {
        order.due.is_some_and(|due| due <= 1_769_852_345_000_001 + 86_400_000_000)
    });
    check(&[("order_id.gt", "100"), ("order_id.lte", "117"), ("order_id.eq", "110")], &|order| order.id == 110);
}

#[test]
fn text_in_a_request_is_never_sql() {
    let daemon = Daemon::usual();
    for value in ["' OR 1=1 --", "\"; DROP TABLE orders; --", "READY' UNION SELECT * FROM pairs --", "%", "\\", "$1"] {
        assert_eq!(daemon.filter("/v1/tables/orders", &[("status", value)]).items().len(), 0, "{value}");
        let named = daemon.filter("/v1/queries/cheap", &[("status", value)]);
        assert_eq!(named.items().len(), 0, "{value}");
    }
    for column in ["status) OR (1=1", "status = 'READY' --", "orders.status", "STATUS"] {
        daemon.filter("/v1/tables/orders", &[(column, "x")]).problem(400, "invalid-request");
        daemon.filter("/v1/tables/orders", &[("sort", column)]).problem(400, "invalid-request");
    }
    daemon.get("/v1/tables/orders%22%3B%20DROP").problem(404, "unknown-relation");
}

#[test]
fn wrong_listings_say_what_is_wrong() {
    let daemon = Daemon::usual();
    let wrong = |params: &[(&str, &str)]| {
        let reply = daemon.filter("/v1/tables/orders", params);
        (reply.problem(400, "invalid-request").to_owned(), reply.json["hint"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(wrong(&[("statsu", "x")]), ("there is no column `statsu`".into(), "did you mean `status`?".into()));
    assert_eq!(wrong(&[("status.like", "x")]).0, "`status.like`: there is no operation `like`");
    assert_eq!(wrong(&[("total.lt", "cheap")]).0, "`total.lt`: `cheap` is not a decimal number");
    assert_eq!(wrong(&[("order_id", "")]).0, "`order_id`: `` is not a whole number in the range of Int64");
    assert_eq!(wrong(&[("notes", "x")]).0, "`notes`: a json column can only be tested with isnull");
    assert_eq!(wrong(&[("status", "A"), ("status", "B")]).1, "for any of several values write status.in=A,B");
    assert_eq!(wrong(&[("pageSize", "0")]).0, "pageSize is `0`; a number from 1 to 1000 is possible");
    assert_eq!(wrong(&[("sort", "status,-status")]).0, "sort names `status` twice");
    assert_eq!(wrong(&[("sort", "notes")]).0, "`notes` cannot be sorted by");
    assert_eq!(wrong(&[("pageToken", "bm9uc2Vuc2U")]).0, "the pageToken is not one that was given out");
}

#[test]
fn a_token_is_good_for_its_own_request_only_and_says_that_commits_came_between() {
    let daemon = Daemon::usual();
    let list = |params: &[(&str, &str)]| daemon.filter("/v1/tables/orders", params);
    let first = list(&[("sort", "total"), ("status", "READY"), ("pageSize", "3")]);
    let token = first.json["page"]["nextPageToken"].as_str().unwrap();
    assert_eq!(first.json["page"]["cutChanged"], false);
    let other = [("sort", "total"), ("status", "élan"), ("pageToken", token)];
    assert_eq!(list(&other).problem(400, "invalid-request"), "the pageToken belongs to another request");
    list(&[("sort", "-total"), ("status", "READY"), ("pageToken", token)]).problem(400, "invalid-request");
    // The page size may change.
    let same = [("sort", "total"), ("status", "READY"), ("pageToken", token), ("pageSize", "4")];
    assert_eq!(list(&same).json["page"]["cutChanged"], false);
    let before = ids(list(&same).items());
    daemon.catalog.publish(snapshot(101));
    let after = list(&same);
    assert_eq!(after.json["page"]["cutChanged"], true);
    assert_eq!(ids(after.items()), before);
}

#[test]
fn a_filter_that_no_index_serves_is_refused_on_a_large_table() {
    let daemon = Daemon::start(QueryLimits { scan_limit: 100, ..limits() });
    let list = |params: &[(&str, &str)]| daemon.filter("/v1/tables/orders", params);
    let refused = list(&[("total", "0.01")]);
    refused.problem(422, "not-indexed");
    let hint = "compare with = or .in on all columns of one of [order_id], [status], or add `indexes: [[total]]` to the projection";
    assert_eq!(refused.json["hint"], hint);
    list(&[("status.gte", "R")]).problem(422, "not-indexed");
    assert!(!list(&[("status", "READY"), ("total.gte", "0.01")]).items().is_empty());
    assert_eq!(list(&[("order_id.in", "1,2")]).items().len(), 2);
    assert_eq!(list(&[]).items().len(), 50);
    // A small table may be scanned.
    assert_eq!(daemon.filter("/v1/tables/pairs", &[("n", "1")]).items().len(), 2);
}

#[test]
fn a_reader_may_demand_how_old_an_answer_is() {
    let daemon = Daemon::usual();
    for path in ["/v1/tables/paused?", "/v1/tables/paused/c/1?"] {
        let old = daemon.get(&format!("{path}maxLag=5s"));
        assert!(old.problem(409, "too-old").starts_with("too old: the lag is "), "{}", old.json);
        assert!(old.json["freshness"]["lagSeconds"].as_f64().unwrap() > 5.0);
        assert_eq!(old.json["hint"], "say how long to wait for it: wait=2s");
        assert_eq!(daemon.get(&format!("{path}maxLag=10m&onIncomplete=fail")).status, 200);
    }
    let old = daemon.post(json!({"sql": "SELECT n FROM paused", "maxLag": "5s", "wait": "100ms"}));
    assert!(old.problem(409, "too-old").starts_with("too old after 100 ms: the lag is "), "{}", old.json);
    assert_eq!(daemon.get("/v1/tables/paused?maxLag=5").problem(400, "invalid-request"), "maxLag is `5`");
}
