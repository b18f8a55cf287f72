//! What an operator of the daemon sees.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::progress::Phase;

#[test]
fn a_reader_who_has_the_answer_is_told_so() {
    let daemon = Daemon::usual();
    let with_tag = |path: &str, tag: &str| {
        daemon.send(Daemon::agent().get(format!("{}{path}", daemon.url)).header("If-None-Match", tag).call())
    };
    for path in ["/v1/tables/orders?sort=-total", "/v1/tables/orders/1", "/v1/queries/statuses"] {
        let first = daemon.get(path);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{path}: {tag}");
        let again = with_tag(path, &format!("\"other\", {tag}"));
        assert_eq!((again.status, again.json.as_str()), (304, Some("")));
        let freshness: Value = serde_json::from_str(again.header("readside-freshness")).unwrap();
        assert_eq!(freshness["state"], "live");
        assert_eq!(with_tag(path, "W/\"other\"").status, 200);
        // The same rows from a source that is lost are another answer.
        let mut lost = snapshot(100);
        lost.sources.values_mut().for_each(|source| source.disconnected("no route".to_owned()));
        daemon.catalog.publish(lost);
        let reply = with_tag(path, &tag);
        assert_eq!((reply.status, &reply.json["freshness"]["state"]), (200, &json!("disconnected")));
        daemon.catalog.publish(snapshot(101));
        assert_eq!(with_tag(path, &tag).status, 200);
        daemon.catalog.publish(snapshot(100));
    }
    // What is wrong is no answer that anybody has.
    for path in ["/v1/tables/orders?totl=1", "/v1/tables/orders?total=much", "/v1/tables/orders?pageSize=0"] {
        with_tag(path, "*").problem(400, "invalid-request");
    }
    // Queries over the same cut are told apart by their SQL, which a configuration may change.
    let tag = |path: &str| daemon.get(path).header("etag").to_owned();
    assert_ne!(tag("/v1/queries/statuses"), tag("/v1/queries/cheap?limit=1000"));
    // What depends on the clock has no tag.
    assert_eq!(daemon.get("/v1/tables/clock").header("etag"), "");
    assert_eq!(daemon.get("/v1/queries/now").header("etag"), "");
}

#[test]
fn projections_and_sources_are_listed_with_their_state() {
    let daemon = Daemon::usual();
    let projections = daemon.get("/v1/projections");
    let names: Vec<&str> = projections.items().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "orders"]);
    assert_eq!(projections.items()[0]["error"], "two rows have one key");
    assert_eq!(projections.items()[1]["freshness"]["state"], "live");
    let one = daemon.get("/v1/projections/orders");
    assert_eq!((&one.json["item"]["state"], &one.json["item"]["stateBytes"]), (&json!("serving"), &json!(100)));
    daemon.get("/v1/projections/ordes").problem(404, "unknown-relation");
    let source = daemon.get("/v1/sources/orders");
    assert_eq!((&source.json["item"]["stream"], &source.json["item"]["lastSequence"]), (&json!("ORDERS"), &json!(100)));
    assert_eq!(daemon.get("/v1/sources").items().len(), 1);
    daemon.get("/v1/sources/x").problem(404, "unknown-relation");
    daemon.get("/v1/search/orders?q=x").problem(400, "invalid-request");
    daemon.get("/v1/search/nothing?q=x").problem(404, "unknown-relation");
}

#[test]
fn ready_means_serving() {
    let daemon = Daemon::usual();
    assert_eq!(daemon.get("/livez").status, 200);
    let starting = daemon.get("/readyz");
    assert_eq!((starting.status, &starting.json["reasons"]), (503, &json!(["starting"])));
    daemon.readiness.set_ready();
    assert_eq!(daemon.get("/readyz").status, 200);
    let mut building = snapshot(100);
    building.projections.get_mut("orders").unwrap().state = Phase::Building;
    daemon.catalog.publish(building);
    assert_eq!(daemon.get("/readyz").json["reasons"], json!(["projection `orders` is being built"]));
    assert_eq!(daemon.get("/healthz").json["projections"]["broken"]["error"], "two rows have one key");
    // Far behind is not unready.
    let mut behind = snapshot(100);
    behind.sources.values_mut().for_each(|source| source.opened(1_000_000.into(), 1.into(), now_us()));
    daemon.catalog.publish(behind);
    assert_eq!(daemon.get("/readyz").status, 200);
    daemon.readiness.set_not_ready(vec!["shutting down".to_owned()]);
    assert_eq!(daemon.get("/healthz").status, 503);
}

#[test]
fn what_is_no_route_is_a_problem_too() {
    let daemon = Daemon::usual();
    daemon.get("/v2/tables").problem(404, "no-route");
    let elsewhere = daemon.get("/metrics");
    assert!(elsewhere.problem(404, "no-route").contains("`metrics.listen`"), "{}", elsewhere.json);
    daemon.get("/v1/sql").problem(405, "wrong-method");
    daemon.get(&format!("/v1/tables/orders?status={}", "x".repeat(20_000))).problem(414, "uri-too-long");
}

#[test]
fn shutdown_ends_the_listener() {
    let mut daemon = Daemon::usual();
    assert_eq!(daemon.get("/livez").status, 200);
    daemon.stop.take().unwrap().send(()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while Daemon::agent().get(format!("{}/livez", daemon.url)).call().is_ok() {
        assert!(Instant::now() < deadline, "it still answers");
        std::thread::yield_now();
    }
}

#[test]
fn metrics_are_on_their_own_listener_and_lag_is_computed_when_they_are_read() {
    let daemon = Daemon::usual();
    let handle = crate::telemetry::install().unwrap();
    let limits = http().connections;
    let page = MetricsPage::new(handle, daemon.api.clone());
    let server = daemon.runtime.block_on(MetricsServer::bind("127.0.0.1:0", &limits, page)).unwrap();
    let url = format!("http://{}/metrics", server.local_addr().unwrap());
    daemon.runtime.spawn(server.run(std::future::pending()));
    let scrape = || {
        let mut response = Daemon::agent().get(&url).call().unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        response.body_mut().read_to_string().unwrap()
    };
    assert_eq!(daemon.get("/v1/tables/orders/1").status, 200);
    let text = scrape();
    for line in [
        "projection_lag_seconds{projection=\"orders\",source=\"orders\",generation=\"1\"} 0",
        "projection_lag_events{projection=\"orders\",source=\"orders\",generation=\"1\"} 0",
        "projection_last_processed_position{projection=\"orders\",source=\"orders\",generation=\"1\"} 100",
        "source_last_sequence{source=\"orders\"} 100",
        "# TYPE checkpoint_failures_total counter",
        "# TYPE query_latency_seconds histogram",
        "query_latency_seconds_bucket{endpoint=\"table_row\",le=\"0.0005\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let mut dead = snapshot(100);
    dead.sources.values_mut().for_each(|source| {
        *source = progress(100, now_us() - 5_000_000);
        source.disconnected("no route".to_owned());
    });
    daemon.catalog.publish(dead);
    let lag = || {
        let text = scrape();
        let line = text.lines().find(|line| line.starts_with("projection_lag_seconds{projection=\"orders\"")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let first = lag();
    assert!(first >= 5.0 && lag() > first);
    assert_eq!(daemon.get("/metrics").status, 404);
}

#[test]
fn the_command_line_asks_the_daemon() {
    let daemon = Daemon::usual();
    let connection = |json| cli::Connection { url: daemon.url.clone(), json };
    let run = |sql: &str, params: &[&str], json| {
        let args = cli::QueryArgs {
            sql: sql.to_owned(),
            params: params.iter().map(|param| param.to_string()).collect(),
            mixed_cuts: false,
            demand: cli::DemandArgs::default(),
            connection: connection(json),
        };
        let mut out = Vec::new();
        cli::query(&args, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    let table = run("SELECT tenant, n FROM pairs WHERE n = $n ORDER BY tenant", &["n=1"], false).unwrap();
    assert_eq!(
        table,
        "tenant  n\n------  -\na/b     1\nc       1\n2 rows\nlive, 0 events behind (0.0 s); orders at 100\n"
    );
    let json: Value = serde_json::from_str(&run("SELECT 1 AS a", &[], true).unwrap()).unwrap();
    assert_eq!(json["items"], json!([{"a": 1}]));
    let error = run("SELECT * FROM ordes", &[], false).unwrap_err().to_string();
    assert_eq!(error, "there is no relation `ordes`\nhint: did you mean `orders`?");
    let mut out = Vec::new();
    cli::projection_list(&cli::ListArgs { connection: connection(false) }, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().lines().any(|line| line.starts_with("broken  table  failed")));
    let mut out = Vec::new();
    let args = cli::StatusArgs { name: "orders".to_owned(), connection: connection(false) };
    cli::projection_status(&args, &mut out).unwrap();
    assert!(
        String::from_utf8(out).unwrap().lines().any(|line| line.starts_with("owner") && line.ends_with("team-sales"))
    );
    let nobody = cli::Connection { url: "http://127.0.0.1:1".to_owned(), json: false };
    let error = cli::projection_list(&cli::ListArgs { connection: nobody }, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, cli::ClientError::Unreachable { .. }));
}
