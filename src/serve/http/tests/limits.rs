//! What one reader may demand and use.
#![allow(clippy::unwrap_used)]

use super::*;

/// Runs for longer than any test waits.
const ENDLESS: &str = "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e
    WHERE a.order_id + b.order_id + c.order_id + d.order_id + e.order_id = -1";

#[test]
fn a_demanded_position_is_waited_for() {
    let daemon = Daemon::usual();
    assert_eq!(daemon.get("/v1/tables/orders?minPosition=orders:100").status, 200);
    let at_once = daemon.get("/v1/tables/orders?minPosition=ORDERS:101");
    assert_eq!(at_once.problem(409, "position-not-reached"), "position not reached: orders is at 100, not 101");
    assert_eq!(at_once.json["freshness"]["caughtUpToRequestedPosition"], false);
    let late = daemon.get("/v1/tables/orders/1?minPosition=orders:101&wait=30ms");
    assert_eq!(
        late.problem(409, "position-not-reached"),
        "position not reached after 30 ms: orders is at 100, not 101"
    );
    // A relation that stands still is not excused by the live cut.
    daemon.get("/v1/tables/paused?minPosition=orders:100&wait=1ms").problem(409, "position-not-reached");
    daemon.get("/v1/tables/orders?minPosition=oders:1").problem(400, "invalid-request");
    daemon.get("/v1/tables/orders?minPosition=orders:1&wait=soon").problem(400, "invalid-request");

    std::thread::scope(|scope| {
        let requests = [
            scope.spawn(|| daemon.get("/v1/tables/orders/1?minPosition=ORDERS:101&wait=30s")),
            scope.spawn(|| daemon.get("/v1/tables/orders?minPosition=orders:101&wait=30s")),
            scope.spawn(|| {
                daemon.post(json!({"sql": "SELECT * FROM ready", "minPosition": "orders:101", "wait": "30s"}))
            }),
        ];
        let deadline = Instant::now() + Duration::from_secs(20);
        while daemon.api.service().admission().waiting() < requests.len() {
            assert!(Instant::now() < deadline, "nobody waits");
            std::thread::yield_now();
        }
        daemon.catalog.publish(snapshot(101));
        for request in requests {
            let reply = request.join().unwrap();
            assert_eq!((reply.status, &reply.json["freshness"]["positions"]["orders"]), (200, &json!(101)));
        }
    });
}

/// What a view reads is found out once, where there is the stack for it, and not by each that waits.
#[test]
fn waiting_for_a_view_parses_no_sql_again() {
    let daemon = Daemon::usual();
    let waits = |wait: &str| daemon.get(&format!("/v1/tables/deep?minPosition=orders:9999&wait={wait}"));
    waits("1ms").problem(409, "position-not-reached");
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..50).map(|_| scope.spawn(|| waits("3s"))).collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while daemon.api.service().admission().waiting() < waiters.len() {
            assert!(Instant::now() < deadline, "nobody waits");
            std::thread::yield_now();
        }
        for position in 101..151 {
            daemon.catalog.publish(snapshot(position));
            assert_eq!(daemon.get("/livez").status, 200);
        }
        for waiter in waiters {
            waiter.join().unwrap().problem(409, "position-not-reached");
        }
    });
}

#[test]
fn rows_bytes_memory_and_time_are_limited() {
    let patient = Daemon::usual();
    let rows = patient.sql("SELECT a.order_id FROM orders a, orders b");
    assert_eq!(rows.problem(422, "answer-too-large"), "the answer has more than 5000 rows");
    let bytes = patient.sql("SELECT lpad('x', 9999, 'y') AS x FROM orders a, (SELECT * FROM orders LIMIT 20) b");
    assert_eq!(bytes.problem(422, "answer-too-large"), "the answer is larger than 4194304 bytes");
    let memory = patient.sql(
        "SELECT array_agg(a.order_id * b.order_id * c.order_id) FROM orders a, orders b, (SELECT * FROM orders LIMIT 99) c
         GROUP BY a.order_id * 1000000 + b.order_id * 1000 + c.order_id",
    );
    memory.problem(422, "out-of-memory");
    let daemon = Daemon::start(QueryLimits { timeout: Duration::from_millis(1500), ..limits() });
    let started = Instant::now();
    assert_eq!(daemon.sql(ENDLESS).problem(504, "timeout"), "the query took longer than 1500 ms and was stopped");
    assert!(started.elapsed() < Duration::from_secs(10));
    let deadline = Instant::now() + Duration::from_secs(20);
    while daemon.api.service().admission().running() > 0 {
        assert!(Instant::now() < deadline, "the query goes on though it was stopped");
        std::thread::yield_now();
    }
}

#[test]
fn a_closed_connection_ends_its_query() {
    let daemon = Daemon::start(QueryLimits { timeout: Duration::from_secs(600), ..limits() });
    let body = json!({"sql": ENDLESS}).to_string();
    let host = daemon.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(host).unwrap();
    let length = body.len();
    let head =
        format!("POST /v1/sql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    write!(connection, "{head}\r\n\r\n{body}").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let running = || daemon.api.service().admission().running();
    while running() == 0 {
        assert!(Instant::now() < deadline, "the query does not start");
        std::thread::yield_now();
    }
    drop(connection);
    while running() > 0 {
        assert!(Instant::now() < deadline, "the query goes on without a reader");
        std::thread::yield_now();
    }
}

#[test]
fn too_many_queries_are_refused_and_other_answers_go_on() {
    // Equal queries would else wait for the first one of them.
    let limits = QueryLimits { timeout: Duration::from_secs(3), concurrency: 1, result_cache_bytes: 0, ..limits() };
    let daemon = Daemon::start(limits);
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| daemon.sql(ENDLESS))).collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while daemon.api.service().admission().queued() < 4 {
            assert!(Instant::now() < deadline, "nobody queues");
            std::thread::yield_now();
        }
        // Looking up a key takes no turn.
        assert_eq!(daemon.get("/v1/tables/orders/1").status, 200);
        assert_eq!(daemon.get("/livez").status, 200);
        let replies: Vec<Reply> = requests.into_iter().map(|request| request.join().unwrap()).collect();
        let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 503).collect();
        assert_eq!((refused.len(), replies.iter().filter(|reply| reply.status == 504).count()), (7, 1));
        for reply in refused {
            reply.problem(503, "overloaded");
            assert_eq!(reply.header("retry-after"), "1");
        }
    });
}

#[test]
fn one_principal_has_so_many_requests_at_once() {
    let per_principal = PrincipalLimits { requests_per_second: None, concurrent: Some(1) };
    let daemon = Daemon::start(QueryLimits { per_principal, ..limits() });
    let deadline = Instant::now() + Duration::from_secs(20);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| daemon.get("/v1/tables/orders/1?minPosition=orders:101&wait=30s"));
        while daemon.api.service().admission().waiting() == 0 {
            assert!(Instant::now() < deadline, "nobody waits");
            std::thread::yield_now();
        }
        let refused = daemon.get("/v1/tables/orders/1");
        let detail =
            "as many of your requests are being answered as may be at once: 1 (`limits.per_principal.concurrent`)";
        assert_eq!(refused.problem(429, "too-many-requests"), detail);
        assert_eq!(refused.header("retry-after"), "1");
        for path in ["/livez", "/healthz", "/", "/console/main.js"] {
            assert_ne!(daemon.get(path).status, 429, "{path}");
        }
        // Nobody answers administrators in this test.
        let reload = Daemon::agent().post(format!("{}/v1/admin/reload", daemon.url)).content_type("application/json");
        daemon.send(reload.send("{}")).problem(503, "unavailable");
        daemon.catalog.publish(snapshot(101));
        assert_eq!(waits.join().unwrap().status, 200);
    });
    // Its answer has been taken.
    while daemon.get("/v1/tables/orders/1").status == 429 {
        assert!(Instant::now() < deadline, "a request that has ended counts as one that is answered");
        std::thread::yield_now();
    }
}

/// What lies just within the limits of a text is planned and answered, on the stack that query threads have.
#[test]
fn the_largest_sql_that_is_let_in_is_answered() {
    let daemon = Daemon::start(QueryLimits { timeout: Duration::from_secs(90), ..limits() });
    let chain = |operator: &str, count: usize| vec!["order_id"; count].join(operator);
    let unions = vec!["SELECT order_id FROM orders WHERE order_id < 0"; 64].join(" UNION ALL ");
    let expressions: String = (1..60).map(|n| format!(", c{n} AS (SELECT * FROM c{})", n - 1)).collect();
    let doubling: String =
        (1..8).map(|n| format!(", c{n} AS (SELECT * FROM c{0} UNION ALL SELECT * FROM c{0})", n - 1)).collect();
    let joins: String = (0..63).map(|n| format!(" JOIN pairs AS p{n} ON p{n}.n = orders.order_id")).collect();
    let alternatives = (0..250).map(|n| format!("order_id = {n}")).collect::<Vec<_>>().join(" OR ");
    let nested = |open: &str, close: &str| {
        format!("SELECT {}order_id{} AS x FROM orders LIMIT 1", open.repeat(31), close.repeat(31))
    };
    for sql in [
        format!("SELECT {} AS x FROM orders LIMIT 1", chain(" % ", 500)),
        format!("SELECT count(*) AS x FROM orders WHERE {alternatives}"),
        format!("SELECT {}true AS x", "NOT ".repeat(500)),
        format!("SELECT 1{} AS x", "::int".repeat(499)),
        format!("SELECT count(*) AS x FROM ({unions})"),
        format!("SELECT count(*) AS x FROM orders{joins}"),
        format!("WITH c0 AS (SELECT * FROM pairs){expressions} SELECT count(*) AS x FROM c59"),
        format!("WITH c0 AS (SELECT * FROM pairs){doubling} SELECT count(*) AS x FROM c7"),
        format!("SELECT count(*) AS x FROM {}pairs{}", "(SELECT * FROM ".repeat(31), ")".repeat(31)),
        format!("SELECT 1 AS x WHERE {}true{}", "EXISTS (SELECT 1 WHERE ".repeat(6), ")".repeat(6)),
        nested("NOT (NOT (true OR 1 = ", "))")
            .replace(&"NOT (NOT (true OR 1 = ".repeat(31), &"NOT (NOT (true OR 1 = ".repeat(15))
            .replace(&"))".repeat(31), &"))".repeat(15)),
        nested("(1 % ", ")"),
        nested("abs(", ")"),
        nested("CASE WHEN true THEN ", " END"),
        nested("[", "]"),
        "SELECT count(*) AS x FROM pairs GROUP BY CUBE (tenant, n, tenant, n, tenant, n)".to_owned(),
    ] {
        let began = Instant::now();
        let reply = daemon.sql(&sql);
        println!("{:>6} ms {} {}", began.elapsed().as_millis(), reply.status, &sql[..sql.len().min(70)]);
        assert!([200, 400, 422].contains(&reply.status), "{}: {}", &sql[..sql.len().min(200)], reply.json);
        assert_eq!(daemon.get("/livez").status, 200);
    }
}
