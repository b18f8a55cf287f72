//! A running daemon becomes what its files say, and readers notice nothing but that.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;

pub(crate) const CUSTOMERS: u64 = 50;

pub(crate) const TOTALS: &str = "projection: totals
key: [customer]
sql: SELECT customer, count(*) AS orders, sum(cents) AS cents FROM orders.placed GROUP BY customer HAVING count(*) > 0
";
pub(crate) const SIZES: &str = "projection: sizes
key: [orders]
sql: SELECT orders, count(*) AS customers FROM totals GROUP BY orders
";
pub(crate) const FOUND: &str = "projection: found
kind: search
key: [customer]
sql: SELECT customer, orders, cents FROM totals
fields: {customer: keyword}
";

/// A daemon, its files, and how many events it has.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) events: u64,
    /// Events of types that no projection reads.
    pub(crate) others: u64,
}

impl World {
    /// A daemon in which what is built serves as soon as it can.
    pub(crate) fn start(projections: &[&str]) -> Self {
        Self::start_with(projections, "promotion: auto\nkeep: 0s\n")
    }

    /// A daemon with some settings more.
    pub(crate) fn start_with(projections: &[&str], settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut world = Self { folder, daemon: None, events: 0, others: 0 };
        world.write("readside.yaml", &root(settings));
        world.declare_source("cents: int64!");
        world.declare(projections);
        world.publish(1_000);
        world.restart();
        world
    }

    /// A daemon with some settings more and another source, which has no event yet.
    pub(crate) fn start_empty(projections: &[&str], settings: &str, source: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut world = Self { folder, daemon: None, events: 0, others: 0 };
        world.write("readside.yaml", &root(settings));
        world.write("source.yaml", source);
        world.write("events.ndjson", "");
        world.declare(projections);
        world.restart();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn declare_source(&self, fields: &str) {
        let source = format!(
            "source: orders\nfile: {{path: events.ndjson, follow: true}}\nenvelope: {{type: [\"body:/type\", \"const:Placed\"], data: body}}\n\
             events: {{Placed: {{fields: {{customer: string!, {fields}}}}}}}\n"
        );
        self.write("source.yaml", &source);
    }

    pub(crate) fn declare(&self, projections: &[&str]) {
        self.write("projections.yaml", &projections.join("---\n"));
    }

    /// Every customer has one order more after each round of events.
    pub(crate) fn publish(&mut self, events: u64) {
        let mut lines = String::new();
        for number in self.events..self.events + events {
            let customer = number % CUSTOMERS;
            writeln!(lines, "{{\"customer\":\"c{customer}\",\"cents\":{number},\"half\":0.5}}").unwrap();
        }
        self.events += events;
        self.append(&lines);
    }

    /// Events of another type, each with its number.
    pub(crate) fn publish_others(&mut self, event_type: &str, events: u64) {
        let mut lines = String::new();
        for number in self.others..self.others + events {
            writeln!(lines, "{{\"type\":\"{event_type}\",\"number\":{number}}}").unwrap();
        }
        self.others += events;
        self.append(&lines);
    }

    fn append(&self, lines: &str) {
        let path = self.path("events.ndjson");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
        if let Some(daemon) = &self.daemon {
            daemon.catch_up(self.events + self.others, DEADLINE);
        }
    }

    pub(crate) fn restart(&mut self) {
        self.restart_unsettled();
        self.settled();
    }

    /// Ends the daemon as it should be ended, and starts it again.
    pub(crate) fn restart_unsettled(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert!(daemon.terminate().0.success());
        }
        self.begin();
    }

    /// Kills the daemon, and starts it again.
    pub(crate) fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
        self.begin();
    }

    pub(crate) fn begin(&mut self) {
        let daemon = Daemon::start(&self.path("readside.yaml"));
        daemon.catch_up(self.events + self.others, DEADLINE);
        self.daemon = Some(daemon);
    }

    /// Bytes of the checkpoints' objects.
    pub(crate) fn disk(&self) -> u64 {
        let objects = std::fs::read_dir(self.path("data/objects")).unwrap();
        objects.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    pub(crate) fn status(&self) -> Vec<Value> {
        self.daemon().get("/v1/projections").1["items"].as_array().unwrap().clone()
    }

    pub(crate) fn generation(&self, name: &str) -> u64 {
        self.daemon().get(&format!("/v1/projections/{name}")).1["item"]["generation"].as_u64().unwrap()
    }

    /// Waits until nothing is built.
    pub(crate) fn settled(&self) {
        self.daemon().wait("nothing to be built", DEADLINE, |_| {
            self.status().iter().all(|one| one["state"] == "serving" && one["build"].is_null()).then_some(())
        });
    }

    pub(crate) fn reload(&self) -> Value {
        let (status, reloaded) = self.daemon().post("/v1/admin/reload", &json!({"actor": "test"}));
        assert_eq!(status, 200, "{reloaded}");
        reloaded
    }

    /// What is built because of a reload, once it is there.
    pub(crate) fn reloaded(&self) -> Vec<Vec<String>> {
        let reloaded = self.reload();
        self.settled();
        serde_json::from_value(reloaded["builds"].clone()).unwrap()
    }

    pub(crate) fn sql(&self, sql: &str) -> Value {
        self.daemon().sql(sql)["items"].clone()
    }

    /// Looks at every row through each projection that is there.
    pub(crate) fn check(&self) {
        let sum = self.events * (self.events - 1) / 2;
        let all = self.sql("SELECT count(*) AS customers, sum(orders) AS orders, sum(cents) AS cents FROM totals");
        assert_eq!(all, json!([{"customers": CUSTOMERS, "orders": self.events, "cents": sum}]));
    }
}

pub(crate) fn root(settings: &str) -> String {
    format!(
        "data_dir: data\nsources: source.yaml\nprojections: projections.yaml\nhttp: {{listen: \"127.0.0.1:0\"}}\n\
         metrics: {{listen: \"127.0.0.1:0\"}}\ncheckpoint: {{interval: 100ms}}\nsearch: {{commit: 20ms}}\n{settings}",
    )
}

/// Reads without a pause, and keeps what it should never have read.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    reads: JoinHandle<(u64, Vec<String>)>,
}

impl Reader {
    pub(crate) fn start(world: &World) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let (stopped, url) = (stop.clone(), world.daemon().url().to_owned());
        let reads = std::thread::spawn(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let (mut reads, mut wrong) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let get =
                    |path: &str| agent.get(format!("{url}{path}")).call().unwrap().body_mut().read_json::<Value>();
                let mut look = |path: &str, is_right: &dyn Fn(&Value) -> bool| match get(path) {
                    Ok(answer) if is_right(&answer) => {}
                    answer => wrong.push(format!("{path}: {answer:?}")),
                };
                look("/v1/tables/totals/c7", &|answer| answer["item"]["customer"] == "c7");
                look("/v1/tables/totals?pageSize=7", &|answer| {
                    answer["items"].as_array().is_some_and(|all| all.len() == 7)
                });
                look("/v1/search/found?q=customer:c7", &|answer| {
                    answer["items"].as_array().is_some_and(|all| all.len() == 1)
                });
                // One cut: whatever the projections are by now, they are of the same events.
                let both =
                    "SELECT (SELECT sum(orders) FROM totals) AS t, (SELECT sum(orders * customers) FROM sizes) AS s";
                let answer =
                    agent.post(format!("{url}/v1/sql")).send_json(json!({"sql": both})).unwrap().body_mut().read_json();
                let answer: Value = answer.unwrap();
                if answer["items"][0]["t"].is_null() || answer["items"][0]["t"] != answer["items"][0]["s"] {
                    wrong.push(format!("{answer}"));
                }
                reads += 1;
            }
            (reads, wrong)
        });
        Self { stop, reads }
    }

    pub(crate) fn saw_nothing_wrong(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (reads, wrong) = self.reads.join().unwrap();
        assert!(reads > 3, "only {reads} rounds");
        assert_eq!(wrong, Vec::<String>::new());
    }
}

#[test]
fn readers_notice_nothing_but_that() {
    let mut world = World::start(&[TOTALS, SIZES, FOUND]);
    world.daemon().wait("the index", DEADLINE, |daemon| {
        (daemon.get("/v1/search/found?q=customer:c7").1["items"] != json!([])).then_some(())
    });
    let reader = Reader::start(&world);
    world.publish(500);
    // Another HAVING over the same aggregate, with all that reads it: it goes on from what the aggregate has.
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, FOUND]);
    assert_eq!(world.reloaded(), [["found", "sizes", "totals"]]);
    // No event is read again.
    world.daemon().says("\"reads\":\"orders after 1500\"");
    world.publish(500);
    world.check();
    // Another field, so that every message is decoded again.
    world.declare_source("cents: int64!, half: float64");
    assert_eq!(world.reloaded(), [["found", "sizes", "totals"]]);
    world.daemon().says("\"reads\":\"orders after 0\"");
    world.publish(500);
    world.check();
    // Columns that only the new ones have.
    world.declare(&[
        &TOTALS.replace(" FROM orders", ", sum(half) AS halves FROM orders").replace("> 0", "> 1"),
        SIZES,
        FOUND,
    ]);
    world.reloaded();
    assert_eq!(world.sql("SELECT sum(halves) AS halves FROM totals"), json!([{"halves": world.events as f64 / 2.0}]));
    reader.saw_nothing_wrong();
    let before = world.generation("totals");
    // What joined is what a restart goes on with.
    world.restart();
    assert_eq!(world.generation("totals"), before);
    assert!(world.daemon().logged("projection is built again").is_none());
    world.publish(100);
    world.check();
}

#[test]
fn what_is_new_begins_with_the_rows_that_are_there_and_what_is_gone_leaves_nothing() {
    let mut world = World::start(&[TOTALS]);
    let view = "projection: rich\nkind: view\nsql: SELECT customer FROM bought WHERE cents > 100\n";
    let query = "query: richest\nsql: SELECT customer FROM rich\nsort: [customer]\n";
    let bought = "projection: bought\nkey: [customer]\nsql: SELECT customer, cents FROM totals WHERE orders > 1\n";
    world.declare(&[TOTALS, bought, view, query, FOUND]);
    assert_eq!(world.reloaded(), [["bought"], ["found"]]);
    assert!(world.daemon().logged("orders after").is_none(), "no event is read");
    world.publish(100);
    let customers = json!([{"n": CUSTOMERS}]);
    assert_eq!(world.sql("SELECT count(*) AS n FROM rich"), customers);
    assert_eq!(world.daemon().get("/v1/queries/richest?pageSize=3").1["items"].as_array().unwrap().len(), 3);
    assert_eq!(world.daemon().get("/v1/search/found?q=customer:c3").1["items"].as_array().unwrap().len(), 1);
    // A projection reads it, so it has to stay until that reads it no more.
    world.declare(&[TOTALS, FOUND]);
    assert_eq!(world.reloaded(), Vec::<Vec<String>>::new());
    for gone in ["/v1/tables/bought", "/v1/tables/rich", "/v1/queries/richest", "/v1/projections/bought"] {
        assert_eq!(world.daemon().get(gone).0, 404, "{gone}");
    }
    world.declare(&[TOTALS]);
    world.reloaded();
    world.publish(100);
    world.check();
    // Neither do the checkpoints know of them, nor is a folder of theirs left.
    let folders = || walk(&world.path("data")).into_iter().filter(|path| path.contains("found")).collect::<Vec<_>>();
    world.daemon().wait("no folder", DEADLINE, |_| folders().is_empty().then_some(()));
    let manifests = walk(&world.path("data/manifests"));
    let newest = std::fs::read_to_string(manifests.iter().max().unwrap()).unwrap();
    assert!(newest.contains("totals/1/rows") && !newest.contains("bought") && !newest.contains("found"), "{newest}");
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[test]
fn what_is_not_valid_changes_nothing_and_is_told() {
    let mut world = World::start(&[TOTALS]);
    let refused = |world: &World, expected: &str| {
        let (status, problem) = world.daemon().post("/v1/admin/reload", &json!({}));
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{problem}");
        let ready = world.daemon().wait("a warning", DEADLINE, |daemon| {
            let (status, ready) = daemon.get("/readyz");
            ready["warnings"].to_string().contains("the configuration was not reloaded").then_some((status, ready))
        });
        assert_eq!(ready.0, 200, "{}", ready.1);
    };
    world.declare(&[&TOTALS.replace("sum(cents)", "sum(centz)"), SIZES]);
    refused(&world, "No field named centz");
    assert_eq!(world.daemon().get("/v1/projections/sizes").0, 404, "all of it, or nothing");
    world.declare(&["projection: [\n"]);
    refused(&world, "projections.yaml:");
    world.declare(&[TOTALS]);
    let root = std::fs::read_to_string(world.path("readside.yaml")).unwrap();
    world.write("readside.yaml", &root.replace("data_dir: data", "data_dir: elsewhere"));
    refused(&world, "`data_dir` cannot change while the daemon runs");
    world.write("readside.yaml", &root);
    assert_eq!(world.reload()["changes"], json!([]));
    world
        .daemon()
        .wait("no warning", DEADLINE, |daemon| (daemon.get("/readyz").1["warnings"] == json!([])).then_some(()));
    world.publish(100);
    world.check();
}

#[test]
fn what_cannot_be_built_leaves_what_is_there() {
    let mut world = World::start(&[TOTALS, SIZES]);
    // More state than it may have.
    let large = "projection: totals\nkey: [customer]\nstate_limit: 1KiB\nsql: SELECT customer, count(*) AS orders, \
                 sum(cents) AS cents, max(cents) AS most FROM orders.placed GROUP BY customer\n";
    world.declare(&[large, SIZES]);
    world.reload();
    let build = world.daemon().wait("the build to fail", DEADLINE, |daemon| {
        let build = daemon.get("/v1/projections/totals").1["item"]["build"].clone();
        (build["state"] == "failed").then_some(build)
    });
    assert!(build["message"].as_str().unwrap().starts_with("its state takes"), "{build}");
    let (_, verified) = world.daemon().post("/v1/admin/projections/totals/verify", &json!({}));
    assert_eq!(verified["result"], "not-verifiable", "what serves is not what is declared: {verified}");
    let ready = world.daemon().get("/readyz");
    assert!(ready.0 == 200 && ready.1["warnings"].to_string().contains("its build has failed"), "{}", ready.1);
    world.publish(100);
    world.check();
    assert_eq!(world.daemon().get("/v1/tables/totals/c1").1["freshness"]["state"], "live");
    // A limit that fits mends it.
    world.declare(&[&large.replace("1KiB", "1GiB"), SIZES]);
    world.reloaded();
    world.publish(100);
    world.check();
    assert_eq!(world.sql("SELECT max(most) AS most FROM totals"), json!([{"most": world.events - 1}]));
    // So does it one that serves and comes to its limit, without a restart.
    world.declare(&[large, SIZES]);
    world.reload();
    world.publish(100);
    world.daemon().wait("the limit", DEADLINE, |daemon| {
        (daemon.get("/v1/projections/totals").1["item"]["state"] == "failed").then_some(())
    });
    world.declare(&[&large.replace("1KiB", "1GiB"), SIZES]);
    assert_eq!(world.reloaded(), [["sizes", "totals"]]);
    world.publish(100);
    world.check();
}

#[test]
fn what_is_built_together_comes_together_or_not_at_all() {
    let mut world = World::start(&[TOTALS, SIZES]);
    // As the others, with a field more, whose type the next declaration does not allow.
    let customer = world.events % CUSTOMERS;
    world.events += 1;
    world.append(&format!("{{\"customer\":\"c{customer}\",\"cents\":{},\"more\":\"x\"}}\n", world.events - 1));
    world.check();
    let parked = |world: &World| world.daemon().get("/v1/sources/orders").1["item"]["parked"].clone();
    let build =
        |name: &str, world: &World| world.daemon().get(&format!("/v1/projections/{name}")).1["item"]["build"].clone();
    // The one that reads the other has more state than it may have.
    let large = SIZES.replace("count(*)", "count(DISTINCT customer)").replace("sql:", "state_limit: 1KiB\nsql:");
    world.declare_source("cents: int64!, more: int64");
    world.declare(&[TOTALS, &large]);
    world.reload();
    world.daemon().wait("the builds to fail", DEADLINE, |_| {
        ["sizes", "totals"].iter().all(|name| build(name, &world)["state"] == "failed").then_some(())
    });
    let told = ["sizes", "totals"].map(|name| build(name, &world)["message"].as_str().unwrap().to_owned());
    assert!(told[0].starts_with("its state takes"), "{told:?}");
    assert!(told[1].starts_with("it is built together with `sizes`, which cannot be: its state takes"), "{told:?}");
    assert_eq!(parked(&world), json!({}), "the source is read as it was");
    world.publish(100);
    world.check();
    assert_eq!(world.sql("SELECT sum(orders * customers) AS n FROM sizes"), json!([{"n": world.events}]));
    world.declare(&[TOTALS, &large.replace("1KiB", "1GiB")]);
    assert_eq!(world.reloaded(), [["sizes", "totals"]]);
    assert_eq!(parked(&world), json!({"Placed": 1}));
    assert_eq!(world.sql("SELECT sum(orders * customers) AS n FROM sizes"), json!([{"n": world.events - 1}]));
}

/// The exit code of `readside plan`, and the plan.
pub(crate) fn plan(config: &std::path::Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = std::process::Command::new(binary());
    let output = command.args(["plan", "--json", "--config"]).arg(config).args(arguments).output().unwrap();
    let plan = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), plan)
}

#[test]
fn a_plan_says_what_a_reload_then_does() {
    let mut world = World::start(&[TOTALS, SIZES, FOUND]);
    let config = world.path("readside.yaml");
    let url = world.daemon().url().to_owned();
    let ask = |more: &[&str]| plan(&config, &[&["--url", url.as_str()], more].concat());
    let (code, in_sync) = ask(&[]);
    assert_eq!((code, &in_sync["verdict"], &in_sync["builds"]), (0, &json!("in-sync"), &json!([])));
    let change = |plan: &Value, name: &str| {
        let all = plan["projections"].as_array().unwrap().clone();
        let one = all.into_iter().find(|one| one["name"] == name).unwrap();
        (one["change"].as_str().unwrap().to_owned(), one["reasons"].to_string(), one["breaking"] == true)
    };
    // Another HAVING: nothing is read again.
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, FOUND]);
    let (code, having) = ask(&[]);
    assert_eq!((code, &having["verdict"]), (2, &json!("deployable")));
    assert_eq!(change(&having, "sizes").0, "build");
    let build = &having["builds"][0];
    assert_eq!((&build["reads"], &build["avoids"], &build["seconds"]), (&json!({}), &json!(1_000), &json!(0.0)));
    // Another field: everything is.
    world.declare_source("cents: int64!, half: float64");
    let (code, field) = ask(&[]);
    assert_eq!((code, &field["builds"][0]["reads"]), (2, &json!({"orders": 1_000})));
    assert_eq!(field["sources"], json!([{"name": "orders", "change": "read-again"}]));
    world.declare_source("cents: int64!");
    // What breaks readers is not deployed by accident.
    world.declare(&[
        &TOTALS.replace(", sum(cents) AS cents", ""),
        &SIZES.replace("count(*) AS customers", "CAST(count(*) AS VARCHAR) AS customers"),
    ]);
    let (code, breaking) = ask(&[]);
    assert_eq!((code, &breaking["verdict"]), (3, &json!("breaking")));
    assert_eq!(change(&breaking, "totals"), ("build".to_owned(), json!(["without `cents`"]).to_string(), true));
    assert!(change(&breaking, "sizes").1.contains("column `customers` becomes"), "{breaking}");
    assert_eq!(change(&breaking, "found").0, "removed");
    let (code, allowed) = ask(&["--allow-breaking"]);
    assert_eq!((code, &allowed["verdict"]), (2, &json!("deployable")));
    // The same with a daemon that does not run.
    world.declare(&[TOTALS, SIZES, &FOUND.replace("customer: keyword", "customer: keyword, orders: {sort: true}")]);
    let (code, index) = ask(&[]);
    assert_eq!((code, change(&index, "found").0.as_str()), (2, "index-only"));
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, FOUND]);
    world.settled();
    assert!(world.daemon.take().unwrap().terminate().0.success());
    let data = world.path("data").display().to_string();
    let (code, offline) = plan(&config, &["--data-dir", &data]);
    assert_eq!((code, &offline["builds"][0]["avoids"]), (2, &json!(1_000)), "{offline}");
    // What was planned is what is done.
    world.declare(&[TOTALS, SIZES, FOUND]);
    world.restart();
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, FOUND]);
    world.reloaded();
    assert!(world.daemon().logged("orders after 0").is_none());
    let url = world.daemon().url().to_owned();
    assert_eq!(plan(&config, &["--url", &url]).0, 0);
}

#[test]
fn rows_that_are_only_kept_in_another_way_are_made_of_those_that_are_there() {
    // Nothing of it has state, so that the rows are all that there is; and one event cannot be taken.
    let flat = "projection: flat\nkey: [position]\nsql: SELECT _seq AS position, customer, 100 / (cents - 5) AS share FROM orders.placed\n";
    let words = "projection: words\nkind: search\nkey: [position]\nsql: SELECT position, customer FROM flat\nfields: {customer: keyword}\n";
    let mut world = World::start(&[flat, words, TOTALS]);
    let check = |world: &World| {
        let all = world.sql("SELECT count(*) AS n, min(position) AS first FROM flat");
        assert_eq!(all, json!([{"n": world.events - 1, "first": 1}]));
        let page = world.daemon().get("/v1/tables/flat?customer=c7&pageSize=1000").1;
        assert_eq!(page["items"].as_array().unwrap().len() as u64, world.events / CUSTOMERS);
        assert_eq!(page["freshness"]["incomplete"], true, "an event is parked for it");
        let (_, verified) = world.daemon().post("/v1/admin/projections/flat/verify", &json!({}));
        assert_eq!(verified["result"], "equal", "{verified}");
    };
    check(&world);
    let indexed = flat.replace("key: [position]", "key: [position]\nindexes: [[customer]]");
    let sorted = words.replace("customer: keyword", "customer: keyword, position: {sort: true}");
    world.declare(&[&indexed, &sorted, &TOTALS.replace("count(*) > 0", "count(*) > 1")]);
    let url = world.daemon().url().to_owned();
    let (code, planned) = plan(&world.path("readside.yaml"), &["--url", &url]);
    assert_eq!(code, 2);
    assert!(planned["builds"].as_array().unwrap().iter().all(|build| build["reads"] == json!({})), "{planned}");
    world.publish(500);
    world.reloaded();
    assert!(world.daemon().logged("orders after 0").is_none(), "no event is read again");
    assert_eq!((world.generation("flat"), world.generation("words")), (2, 2));
    check(&world);
    world.publish(500);
    check(&world);
    let hits = world.daemon().get("/v1/search/words?q=customer:c7&sort=-position&pageSize=1").1;
    assert_eq!(hits["items"][0]["item"]["customer"], "c7", "{hits}");
    world.restart();
    assert!(world.daemon().logged("projection is built again").is_none());
    world.publish(500);
    check(&world);
    world.check();
}

#[test]
fn a_rebuild_begins_at_the_start_and_can_be_ended() {
    let mut world = World::start(&[TOTALS, SIZES]);
    let ask = |world: &World, verb: &str| world.daemon().post(&format!("/v1/admin/projections/{verb}"), &json!({}));
    let (status, rebuilt) = ask(&world, "totals/rebuild");
    assert_eq!((status, &rebuilt["builds"]), (200, &json!([["sizes", "totals"]])));
    world.settled();
    assert_eq!((world.generation("totals"), world.generation("sizes")), (2, 2));
    assert!(
        world.daemon().logged("\"reads\":\"orders after 0\"").is_some(),
        "nothing that may be wrong is gone on from"
    );
    world.publish(100);
    world.check();
    assert_eq!(ask(&world, "total/rebuild").0, 404);
    assert_eq!(ask(&world, "totals/abort").0, 409, "it is not built");
    // A build that cannot go on, because its file is away.
    let source = std::fs::read_to_string(world.path("source.yaml")).unwrap();
    world.write("source.yaml", &source.replace("int64!", "int64!, half: float64"));
    let events = world.path("events.ndjson");
    std::fs::rename(&events, world.path("away")).unwrap();
    world.reload();
    let (status, told) = ask(&world, "sizes/abort");
    assert!(status == 200 && told["detail"].as_str().unwrap().contains("sizes, totals"), "{told}");
    let build = world.daemon().get("/v1/projections/totals").1["item"]["build"].clone();
    assert!(build["message"].as_str().unwrap().contains("begins it again"), "{build}");
    std::fs::rename(world.path("away"), &events).unwrap();
    assert_eq!(world.reloaded(), [["sizes", "totals"]]);
    world.publish(100);
    world.check();
}

#[test]
fn a_signal_and_a_changed_file_reload_too() {
    let mut world = World::start(&[TOTALS]);
    world.declare(&[TOTALS, SIZES]);
    let process = rustix::process::Pid::from_raw(world.daemon().process() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
    let is_there =
        |daemon: &Daemon, name: &str| (daemon.get(&format!("/v1/projections/{name}")).0 == 200).then_some(());
    world.daemon().wait("SIGHUP to be heard", DEADLINE, |daemon| is_there(daemon, "sizes"));
    world.daemon().wait("the log", DEADLINE, |daemon| daemon.logged("\"by\":\"SIGHUP\""));
    world.daemon = None;
    let watching = Daemon::start_with(&world.path("readside.yaml"), &["--watch-config"]);
    watching.catch_up(world.events, DEADLINE);
    world.daemon = Some(watching);
    world.declare(&[TOTALS, SIZES, FOUND]);
    world.daemon().wait("the file to be seen", DEADLINE, |daemon| is_there(daemon, "found"));
    world.settled();
    world.publish(100);
    world.check();
}

#[test]
fn only_this_machine_may_ask_and_no_page_of_others() {
    let world = World::start(&[TOTALS]);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}/v1/admin/reload", world.daemon().url());
    let ask = |headers: &[(&str, &str)], body: &str| {
        let request = headers.iter().fold(agent.post(&url), |request, (name, value)| request.header(*name, *value));
        request.send(body).unwrap().status().as_u16()
    };
    const JSON: (&str, &str) = ("content-type", "application/json");
    assert_eq!(ask(&[JSON], "{}"), 200);
    assert_eq!(ask(&[("content-type", "text/plain")], "{}"), 415);
    assert_eq!(ask(&[JSON, ("origin", "https://attacker.example")], "{}"), 403);
    assert_eq!(ask(&[JSON, ("origin", world.daemon().url())], "{}"), 200);
    assert_eq!(ask(&[JSON, ("host", "attacker.example")], "{}"), 421);
    assert_eq!(ask(&[JSON], "{\"who\": 1}"), 400);
    assert_eq!(agent.get(&url).call().unwrap().status().as_u16(), 405);
}

#[test]
fn a_name_may_stand_for_a_table_and_for_a_view_in_turn() {
    let mut world = World::start(&[TOTALS]);
    let over = "projection: above\nkind: view\nsql: SELECT count(*) AS n FROM names\n";
    let view = "projection: names\nkind: view\nsql: SELECT customer FROM totals\n";
    let table = "projection: names\nkey: [customer]\nsql: SELECT customer FROM totals\n";
    for names in [view, table, view] {
        world.declare(&[TOTALS, names, over]);
        world.reloaded();
        assert_eq!(world.sql("SELECT n FROM above"), json!([{"n": CUSTOMERS}]));
    }
    assert_eq!(world.reload()["changes"], json!([]), "nothing of the table is left");
    world.publish(100);
    world.check();
}

/// Killed in the middle of whatever it does, again and again, while its files change and it is asked to take them.
/// `RELOAD_KILLS` is how often.
#[test]
fn whatever_a_kill_interrupts_is_done_or_not_done() {
    let kills = std::env::var("RELOAD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let seed: u64 = std::env::var("RELOAD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::start(&[TOTALS, SIZES, FOUND]);
    world.publish(5_000);
    let mut numbers: Vec<u64> = Vec::new();
    for _ in 0..kills {
        world.declare_source(["cents: int64!", "cents: int64!, half: float64"][random.usize(0..2)]);
        let totals = TOTALS.replace("> 0", &format!("> {}", random.u8(0..3)));
        let all = [totals.as_str(), SIZES, FOUND];
        world.declare(&all[..random.usize(1..4)]);
        let url = world.daemon().url().to_owned();
        let ask = move |path: &str| {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            // The daemon may be gone before it answers.
            let _ = agent.post(format!("{url}/v1/admin/{path}")).send_json(json!({}));
        };
        let verb = ["reload", "projections/totals/rebuild", "projections/totals/abort", "sources/orders/pause"]
            [random.usize(0..4)];
        let asking = std::thread::spawn(move || {
            ask("reload");
            ask(verb);
        });
        std::thread::sleep(Duration::from_millis(random.u64(0..250)));
        world.daemon.take().unwrap().kill();
        asking.join().unwrap();
        let daemon = Daemon::start(&world.path("readside.yaml"));
        world.daemon = Some(daemon);
        let history = world.daemon().wait("the ledger", DEADLINE, |daemon| {
            let history = daemon.get("/v1/history?pageSize=1000").1["items"].clone();
            history.as_array().is_some_and(|steps| !steps.is_empty()).then_some(history)
        });
        let steps: Vec<u64> =
            history.as_array().unwrap().iter().rev().map(|step| step["number"].as_u64().unwrap()).collect();
        assert_eq!(steps, (1..=steps.len() as u64).collect::<Vec<_>>(), "each step is there once");
        assert!(steps.len() >= numbers.len(), "what was durable stays");
        numbers = steps;
        // It may have been paused before it was killed.
        world.daemon().post("/v1/admin/sources/orders/resume", &json!({}));
        world.publish(200);
        world.settled();
        world.check();
        let (_, verified) = world.daemon().post("/v1/admin/projections/totals/verify", &json!({}));
        assert_eq!(verified["result"], "equal", "{verified}");
    }
    // Nothing is left of what was built and not finished.
    world.declare(&[TOTALS]);
    world.reloaded();
    let folders = || walk(&world.path("data/indexes")).into_iter().filter(|path| path.contains("found")).count();
    world.daemon().wait("no folder of an index", DEADLINE, |_| (folders() == 0).then_some(()));
}

/// Waits until an answer from `totals` is complete or not.
fn complete(world: &World, wanted: bool) {
    world.daemon().wait("complete or not", DEADLINE, |daemon| {
        let answer = daemon.get("/v1/tables/totals?pageSize=1").1;
        (answer["freshness"]["incomplete"] == !wanted).then_some(())
    });
}

/// Reloads, and promotes what gives a column another type.
fn promoted(world: &World) {
    assert_eq!(world.reload()["builds"], json!([["sizes", "totals"]]));
    let (status, answer) = world.daemon().post("/v1/admin/projections/totals/promote", &json!({"allowBreaking": true}));
    assert_eq!(status, 200, "{answer}");
    world.settled();
}

fn append(world: &World, line: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(world.path("events.ndjson")).unwrap();
    std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
}

#[test]
fn what_was_parked_counts_as_if_it_had_been_right_at_first() {
    let mut world = World::start(&[TOTALS, SIZES]);
    append(&world, r#"{"customer":"c1","cents":"7"}"#);
    complete(&world, false);
    let parked = world.daemon().get("/v1/parked").1;
    assert_eq!((&parked["items"][0]["reason"], &parked["page"]["total"]), (&json!("wrong_type"), &json!(1)));
    // Decimals are read from texts too.
    world.declare_source("cents: \"decimal(18,0)!\"");
    promoted(&world);
    complete(&world, true);
    assert_eq!(world.daemon().get("/v1/parked").1["page"]["total"], 0);
    let all = world.sql("SELECT sum(orders) AS orders, CAST(sum(cents) AS BIGINT) AS cents FROM totals");
    assert_eq!(all, json!([{"orders": 1_001, "cents": 1_000 * 999 / 2 + 7}]));
    let (_, verified) = world.daemon().post("/v1/admin/projections/totals/verify", &json!({}));
    assert_eq!(verified["result"], "equal", "{verified}");
    // And back: the same event is parked again.
    world.declare_source("cents: int64!");
    promoted(&world);
    complete(&world, false);
    world.events += 1;
    world.restart();
    complete(&world, false);
}

#[test]
fn a_source_that_has_halted_goes_on_once_its_declaration_is_mended() {
    let world = World::start(&[TOTALS]);
    let source = |events: &str| {
        format!(
            "source: orders\nfile: {{path: events.ndjson, follow: true}}\nunknown_events: halt\n\
             envelope: {{type: [body:/type, const:Placed], data: body}}\n\
             events: {{Placed: {{fields: {{customer: string!, cents: int64!}}}}{events}}}\n"
        )
    };
    world.write("source.yaml", &source(""));
    world.reloaded();
    append(&world, r#"{"type":"Paid","customer":"c1"}"#);
    let halted = || {
        world.daemon().wait("a halt", DEADLINE, |daemon| {
            let source = daemon.source();
            (source["state"] == "halted").then(|| source["message"].as_str().unwrap().to_owned())
        })
    };
    let message = halted();
    assert!(message.contains("message 1001") && message.contains("and reload"), "{message}");
    world.check();
    world.daemon().says("\"source halted\"");
    // There is no gap that could be accepted, and nothing is recorded as if there were.
    let (status, refused) = world.daemon().post("/v1/admin/sources/orders/accept-gap", &json!({}));
    assert!(status == 409 && refused["detail"].as_str().unwrap().contains(&message), "{refused}");
    assert!(!world.daemon().get("/v1/history").1.to_string().contains("gap-accepted"));
    // Nothing has changed but that it is tried again, so it stops there again.
    let told = world.reload()["changes"].clone();
    assert_eq!((&told[0]["change"], &told[1]), (&json!("reopened"), &Value::Null), "{told}");
    assert!(told[0]["detail"].as_str().unwrap().contains(&message), "{told}");
    assert_eq!(halted(), message);
    // What reads another source goes on where this one is given up.
    let other = source("").replace("source: orders", "source: other");
    world.write("source.yaml", &format!("{}---\n{other}", source("")));
    world.reloaded();
    world.write("source.yaml", &source(""));
    world.reloaded();
    assert_eq!(world.daemon().get("/v1/sources/other").0, 404);
    assert_eq!(halted(), message);
    world.write("source.yaml", &source(", Paid: {fields: {customer: string!}}"));
    world.reloaded();
    world.daemon().catch_up(1_001, DEADLINE);
    complete(&world, true);
    world.check();
}
