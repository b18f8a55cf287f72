//! Free SQL and named queries.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn sql_answers_with_columns_items_and_freshness() {
    let daemon = Daemon::usual();
    let reply = daemon.post(json!({
        "sql": "SELECT o.status, count(*) AS n, sum(total) AS total FROM orders o JOIN ready r USING (total)
                WHERE o.status = $status AND o.order_id >= $from GROUP BY o.status",
        "params": {"status": "READY", "from": 0},
    }));
    assert_eq!(reply.items().len(), 1);
    let columns = json!([
        {"name": "status", "type": "string"}, {"name": "n", "type": "int64"}, {"name": "total", "type": "decimal(28,2)"}
    ]);
    assert_eq!(reply.json["columns"], columns);
    assert_eq!(reply.json["freshness"]["positions"]["orders"], 100);
    let positional = daemon.post(json!({"sql": "SELECT $1 + $2 AS n, $3 AS t", "params": [1, 2, "it's"]}));
    assert_eq!(positional.items(), [json!({"n": 3, "t": "it's"})]);
    let json = daemon
        .sql("SELECT json_get_int(notes, 'id') AS id, json_get(notes, 'id') AS v FROM orders WHERE order_id = 17");
    assert_eq!(json.items(), [json!({"id": 17, "v": 17})]);
    let lists = daemon.post(json!({
        "sql": "SELECT array_transform([1, 2], x -> x + 1) AS l, {'a': 1} AS s, order_id FROM orders
                WHERE array_has($ids, order_id)",
        "params": {"ids": [3]},
    }));
    assert_eq!(lists.items(), [json!({"l": [2, 3], "s": {"a": 1}, "order_id": 3})]);
    let tables = daemon.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'");
    assert!(tables.items().contains(&json!({"table_name": "ready"})), "{}", tables.json);
    assert!(!daemon.sql("SHOW TABLES").items().is_empty());
    assert_eq!(daemon.sql("SELECT 1 AS a").json["freshness"]["sources"], json!({}));
}

#[test]
fn an_answer_serves_whoever_asks_the_same_and_is_as_fresh_as_now() {
    let daemon = Daemon::usual();
    let hits = || daemon.api.service().result_counts().hits;
    let sql = "SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY status";
    let paths = ["/v1/tables/orders?pageSize=3&sort=-total", "/v1/tables/ready?pageSize=3", "/v1/queries/statuses"];
    let asked = || [daemon.sql(sql), daemon.get(paths[0]), daemon.get(paths[1]), daemon.get(paths[2])];
    let first = asked();
    assert_eq!(hits(), 0);
    for (one, again) in first.iter().zip(asked()) {
        for part in ["columns", "items", "page"] {
            assert_eq!(one.json[part], again.json[part]);
        }
        assert!(one.json["freshness"]["asOf"].as_str() <= again.json["freshness"]["asOf"].as_str(), "{}", again.json);
    }
    assert_eq!(hits(), 4);
    daemon.get("/v1/tables/orders?pageSize=3&sort=total");
    daemon.get("/v1/queries/now");
    daemon.get("/v1/tables/clock");
    assert_eq!(hits(), 4);
    // Every table of this test is made anew.
    daemon.catalog.publish(snapshot(101));
    assert_eq!(daemon.sql(sql).json["freshness"]["positions"]["orders"], 101);
    assert_eq!(hits(), 4);
}

#[test]
fn readers_have_the_literals_and_functions_of_projections() {
    let daemon = Daemon::usual();
    let one = |sql: &str| daemon.sql(sql).items()[0]["x"].clone();
    assert_eq!(one("SELECT 0.1 + 0.2 = 0.3 AS x"), json!(true));
    assert_eq!(one("SELECT max_by(order_id, order_id) = max(order_id) AS x FROM orders"), json!(true));
    assert_eq!(one("SELECT min_by(order_id, order_id) = min(order_id) AS x FROM orders"), json!(true));
    assert_eq!(one("SELECT latest(order_id ORDER BY order_id) = max(order_id) AS x FROM orders"), json!(true));
    assert_eq!(
        one("SELECT array_length(collect(order_id ORDER BY order_id)) = count(*) AS x FROM orders"),
        json!(true)
    );
    assert_eq!(
        one("SELECT sum(CAST(s AS DOUBLE)) AS x FROM (VALUES ('1'), ('1e100'), ('1'), ('-1e100')) AS v(s)"),
        json!(2.0)
    );
    let refused = daemon.post(json!({"sql": "SELECT latest(order_id) AS x FROM orders"}));
    assert!(refused.problem(400, "invalid-request").contains("latest"), "{}", refused.json);
}

#[test]
fn readers_have_the_forms_of_projections() {
    let daemon = Daemon::usual();
    let rows = |sql: &str| daemon.sql(sql).items().to_vec();
    let columns = "SELECT a.order_id, b.order_id, b.order_id AS order_id_1 FROM orders a JOIN orders b USING (order_id) WHERE order_id = 3";
    assert_eq!(rows(columns), [json!({"order_id": 3, "order_id_2": 3, "order_id_1": 3})]);
    let chain = "SELECT order_id FROM orders a JOIN orders b USING (order_id) JOIN orders c USING (order_id) WHERE order_id < 2";
    assert_eq!(rows(chain), [json!({"order_id": 0}), json!({"order_id": 1})]);
    let exists =
        "SELECT order_id AS o, EXISTS (SELECT 1 FROM orders b WHERE b.order_id > a.order_id) AS more FROM orders a
                  ORDER BY o DESC LIMIT 2";
    let last = ROWS - 1;
    assert_eq!(rows(exists), [json!({"o": last, "more": false}), json!({"o": last - 1, "more": true})]);
    let nth = "SELECT order_id AS o, (SELECT b.order_id FROM orders b WHERE b.order_id > a.order_id ORDER BY 1 LIMIT 1) AS next
               FROM orders a ORDER BY o LIMIT 1";
    assert_eq!(rows(nth), [json!({"o": 0, "next": 1})]);
    let listed = "SELECT t, place FROM (SELECT ARRAY['b', 'a'] AS l) x, unnest(x.l) WITH ORDINALITY AS u(t, place) ORDER BY place";
    assert_eq!(rows(listed), [json!({"t": "b", "place": 1}), json!({"t": "a", "place": 2})]);
    let unknown = "SELECT count(*) AS n FROM orders WHERE (order_id IN (SELECT CAST(NULL AS BIGINT))) IS NULL";
    assert_eq!(rows(unknown), [json!({"n": ROWS})]);
    let ties = "SELECT order_id % 2 AS o FROM orders ORDER BY o FETCH FIRST ROW WITH TIES";
    assert_eq!(rows(ties).len() as i64, ROWS / 2);
    let by_key = "SELECT (SELECT b.order_id FROM orders b WHERE b.order_id = a.order_id) AS same FROM orders a WHERE order_id = 5";
    assert_eq!(rows(by_key), [json!({"same": 5})]);
}

#[test]
fn wrong_sql_is_a_clear_problem() {
    let daemon = Daemon::usual();
    let wrong = |body: Value, status, kind: &str| {
        let reply = daemon.post(body);
        (reply.problem(status, kind).to_owned(), reply.json["hint"].as_str().unwrap_or_default().to_owned())
    };
    let sql = |sql: &str| json!({"sql": sql});
    wrong(sql("SELEC 1"), 400, "invalid-request");
    wrong(sql("SELECT nothing FROM orders"), 400, "invalid-request");
    wrong(sql("SELECT 1; SELECT 2"), 400, "invalid-request");
    let (detail, hint) = wrong(sql("SELECT * FROM ordes"), 404, "unknown-relation");
    assert_eq!((&*detail, &*hint), ("there is no relation `ordes`", "did you mean `orders`?"));
    let (detail, _) = wrong(sql("SELECT * FROM orders.events"), 404, "unknown-relation");
    assert_eq!(detail, "`orders.events` is a source's relation; events are not kept to be queried");
    wrong(sql("SELECT 1 / (order_id - order_id) FROM orders"), 422, "query-failed");
    let long = vec!["n"; 400].join(" + ");
    let ties =
        format!("SELECT {long} AS a FROM pairs ORDER BY {} FETCH FIRST ROW WITH TIES", vec!["a"; 5_000].join(", "));
    let (detail, _) = wrong(json!({"sql": ties}), 400, "invalid-request");
    assert!(detail.starts_with("written out, this query is too large"), "{detail}");
    let chain =
        format!("SELECT {} FROM pairs {}", vec!["n"; 5_000].join(" , "), ["FULL JOIN pairs USING (n)"; 3].join(" "));
    let chain = chain.replace("pairs USING", "(SELECT n FROM pairs) USING");
    let (detail, _) = wrong(json!({"sql": chain}), 400, "invalid-request");
    assert!(detail.starts_with("written out, this query is too large"), "{detail}");
    wrong(sql("SELECT * FROM loop"), 400, "invalid-request");
    let (detail, _) = wrong(json!({"sql": "SELECT $a + $b", "params": {"a": 1, "c": 2}}), 400, "invalid-request");
    assert_eq!(detail, "the parameter `$b` has no value");
    wrong(json!({"sql": "SELECT 1", "params": {"a": 1}}), 400, "invalid-request");
    wrong(json!({"sql": "SELECT 1", "parms": {}}), 400, "invalid-request");
    wrong(json!({"sql": "SELECT 1", "params": "x"}), 400, "invalid-request");
    let request = Daemon::agent().post(format!("{}/v1/sql", daemon.url)).content_type("text/plain");
    daemon.send(request.send(sql("SELECT 1").to_string())).problem(415, "not-json");
    let large = json!({"sql": format!("SELECT '{}'", "x".repeat(2_000_000))});
    let detail = daemon.post(large).problem(413, "unreadable-body").to_owned();
    assert_eq!(detail, "the body has more than 1048576 bytes");
}

#[test]
fn nothing_but_reading_is_possible() {
    let daemon = Daemon::usual();
    let target = std::env::temp_dir().join("readside-must-not-exist.csv");
    let copy = format!("COPY (SELECT 1) TO '{}'", target.display());
    let refused = [
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "DROP TABLE orders",
        "INSERT INTO orders (order_id) VALUES (1)",
        "DELETE FROM orders",
        "UPDATE orders SET status = 'x'",
        "SET datafusion.execution.target_partitions = 64",
        "RESET datafusion.execution.target_partitions",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "EXPLAIN INSERT INTO orders (order_id) VALUES (1)",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        &copy,
    ];
    for sql in refused {
        daemon.sql(sql).problem(403, "read-only");
    }
    assert!(!target.exists());
    let impossible = [
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM range(1000000000)",
        "SELECT unnest(range(1, 1000000000))",
        "SELECT generate_series(1, 1000000000)",
        "SELECT list_repeat(1, 1000000000)",
        "SELECT repeat('x', 1000000000)",
        "SELECT lpad('x', 1000000000, 'y')",
        "SELECT rpad(status, 20000) FROM orders",
        "SELECT * FROM 'Cargo.toml'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
    ];
    for sql in impossible {
        let reply = daemon.sql(sql);
        assert!(matches!(reply.status, 400 | 404), "{sql}: {} {}", reply.status, reply.json);
    }
    assert_eq!(daemon.sql("SELECT lpad('x', 3, '0') AS x").items(), [json!({"x": "00x"})]);
    assert_eq!(daemon.sql("SELECT count(*) AS n FROM orders").items(), [json!({"n": ROWS})]);
    assert!(!daemon.sql("EXPLAIN SELECT * FROM orders").items().is_empty());
}

#[test]
fn a_condition_that_names_no_column_leaves_no_total_behind() {
    let daemon = Daemon::usual();
    let total = |condition: &str| {
        let sql = format!("SELECT n FROM (SELECT count(*) AS n FROM orders) WHERE {condition}");
        daemon.sql(&sql).items().to_vec()
    };
    assert_eq!(total("3 > (SELECT count(*) FROM pairs)"), [] as [Value; 0]);
    assert_eq!(total("2 < (SELECT count(*) FROM pairs)"), [json!({"n": ROWS})]);
    let having = daemon.sql("SELECT count(*) AS n FROM orders HAVING 3 > (SELECT count(*) FROM pairs)");
    assert_eq!(having.items(), [] as [Value; 0]);
    let joined = daemon.sql(
        "SELECT t.n FROM (SELECT DISTINCT 1 AS one FROM pairs) p
         LEFT JOIN (SELECT count(*) AS n FROM orders) t ON 3 > (SELECT count(*) FROM pairs)",
    );
    assert_eq!(joined.items(), [json!({"n": null})]);
    assert_eq!(daemon.sql("SELECT n FROM few").items(), [] as [Value; 0]);
    assert_eq!(daemon.get("/v1/tables/few").items(), [] as [Value; 0]);
}

#[test]
fn what_is_left_null_is_no_constant() {
    let daemon = Daemon::usual();
    let cube = "SELECT c FROM (SELECT 1 AS c FROM pairs UNION ALL SELECT 1 FROM pairs) GROUP BY CUBE (c) ORDER BY c";
    assert_eq!(daemon.sql(cube).items(), [json!({"c": 1}), json!({"c": null})]);
    let padded = daemon.sql(
        "SELECT a.n, b.one FROM (SELECT DISTINCT order_id AS n FROM orders WHERE order_id < 3) a
         LEFT JOIN (SELECT order_id AS n, 1 AS one FROM orders WHERE order_id = 1) b ON a.n = b.n ORDER BY b.one NULLS FIRST, a.n",
    );
    let rows = [json!({"n": 0, "one": null}), json!({"n": 2, "one": null}), json!({"n": 1, "one": 1})];
    assert_eq!(padded.items(), rows);
}

#[test]
fn relations_at_different_cuts_are_not_mixed_in_silence() {
    let daemon = Daemon::usual();
    let body = json!({"sql": "SELECT count(*) AS n FROM orders, paused"});
    assert_eq!(
        daemon.post(body.clone()).problem(409, "mixed-cuts"),
        "the relations stand at different cuts: orders at orders:100;r0, paused at orders:1;r0"
    );
    let saying = |value: Value| {
        let mut saying = body.clone();
        saying["mixedCuts"] = value;
        daemon.post(saying)
    };
    saying(json!("refuse")).problem(409, "mixed-cuts");
    saying(json!(false)).problem(409, "mixed-cuts");
    let detail = saying(json!("yes")).problem(400, "invalid-request").to_owned();
    assert!(detail.contains("`mixedCuts` is \"allow\" or true"), "{detail}");
    assert_eq!(saying(json!(true)).items(), [json!({"n": ROWS * 3})]);
    let reply = saying(json!("allow"));
    assert_eq!(reply.items(), [json!({"n": ROWS * 3})]);
    assert_eq!(reply.json["freshness"]["positions"]["orders"], 1);
    assert_eq!(reply.json["freshness"]["phase"], "failed");
    let paused = daemon.get("/v1/tables/paused/c/1");
    assert_eq!(paused.json["freshness"]["state"], "failed");
    assert_eq!(paused.json["freshness"]["phase"], "failed");
    assert_eq!(paused.json["freshness"]["lagEvents"], 99);
    assert!(paused.json["freshness"]["lagSeconds"].as_f64().unwrap() >= 9.0);
}

#[test]
fn named_queries_take_typed_parameters() {
    let daemon = Daemon::usual();
    let query = |params: &[(&str, &str)]| daemon.filter("/v1/queries/cheap", params);
    let expected = |limit: i128| {
        let keep = |order: &Order| order.status.as_deref() == Some("READY") && order.cents.is_some_and(|c| c <= limit);
        let mut ids: Vec<i64> = orders().iter().filter(|order| keep(order)).map(|order| order.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(query(&[("status", "READY"), ("pageSize", "50")]).items()), expected(3));
    assert_eq!(ids(query(&[("status", "READY"), ("limit", "0"), ("pageSize", "50")]).items()), expected(0));
    assert_eq!(query(&[("status", "READY")]).items().len(), 7);
    assert_eq!(query(&[]).problem(400, "invalid-request"), "the parameter `status` has no value");
    query(&[("status", "READY"), ("limit", "x")]).problem(400, "invalid-request");
    let unknown = query(&[("status", "READY"), ("limti", "1")]);
    unknown.problem(400, "invalid-request");
    assert_eq!(unknown.json["hint"], "did you mean `limit`?");
    query(&[("status", "READY"), ("pageSize", "51")]).problem(400, "invalid-request");
    let none = daemon.get("/v1/queries/chep");
    none.problem(404, "unknown-relation");
    assert_eq!(none.json["hint"], "did you mean `cheap`?");
}
