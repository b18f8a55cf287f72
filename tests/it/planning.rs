//! What `readside plan` says of everything for which nothing is built, and of what a build takes.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::crash::daemon::binary;
use crate::reload::{SIZES, TOTALS, World, plan, root};

const VIEW: &str = "projection: rich\nkind: view\nsql: SELECT customer, orders, cents FROM totals\n";
const OVER: &str = "projection: richest\nkind: view\nsql: SELECT customer FROM rich\n";
const QUERY: &str = "query: top\nsql: SELECT customer FROM richest\nsort: [customer]\n";

fn world() -> World {
    World::start_with(&[TOTALS, SIZES, VIEW, OVER, QUERY], "keep: 2h\n")
}

fn asked(world: &World) -> (i32, Value) {
    plan(&world.path("readside.yaml"), &["--url", world.daemon().url()])
}

/// What a plan tells people.
fn told(world: &World) -> String {
    let mut command = std::process::Command::new(binary());
    let config = world.path("readside.yaml");
    let output = command.args(["plan", "--url", world.daemon().url(), "--config"]).arg(config).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What is not the same, of one list of a plan.
fn changed(plan: &Value, list: &str) -> Vec<Value> {
    plan[list].as_array().unwrap().iter().filter(|one| one["change"] != "no-op").cloned().collect()
}

#[test]
fn settings_are_named_as_a_reload_names_them() {
    let world = world();
    assert_eq!(asked(&world).0, 0);
    world.write("readside.yaml", &root("keep: 2h\nlimits: {timeout: 10s}\n"));
    let (code, planned) = asked(&world);
    let timeout = json!({"name": "limits.timeout", "before": "30s", "now": "10s", "needsRestart": false});
    assert_eq!((code, &planned["settings"], &planned["needsRestart"]), (2, &json!([timeout]), &Value::Null));
    assert!(told(&world).starts_with("setting limits.timeout: 30s becomes 10s\n"), "{}", told(&world));
    assert_eq!(world.reload()["changes"], json!([{"kind": "setting", "name": "limits.timeout", "change": "changed"}]));
    assert_eq!(asked(&world).0, 0);
    // What a reload refuses.
    let other = root("keep: 2h\nlimits: {timeout: 10s}\n")
        .replace("http: {listen: \"127.0.0.1:0\"}", "http: {listen: \"[::1]:0\", hosts: [a.b]}");
    world.write("readside.yaml", &other);
    let (code, planned) = asked(&world);
    let names: Vec<&str> =
        planned["settings"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!((code, names), (3, vec!["http.hosts", "http.listen"]));
    assert_eq!(planned["verdict"], "needs-restart");
    assert!(planned["settings"].as_array().unwrap().iter().all(|one| one["needsRestart"] == true));
    assert!(planned["needsRestart"].to_string().contains("`http.listen`"), "{planned}");
    assert!(told(&world).contains("a reload refuses all of it; restart the daemon, because:\n"), "{}", told(&world));
    assert!(told(&world).ends_with("\nneeds a restart: a reload refuses all of it\n"), "{}", told(&world));
    let (status, refused) = world.daemon().post("/v1/admin/reload", &json!({}));
    assert!(status == 422 && refused["detail"].as_str().unwrap().contains("`http`"), "{refused}");
}

#[test]
fn views_and_queries_are_named_with_their_readers() {
    let world = world();
    let narrow = VIEW.replace(", cents", "");
    world.declare(&[TOTALS, SIZES, &narrow, OVER, QUERY]);
    let (code, planned) = asked(&world);
    let rich = json!({
        "name": "rich", "change": "changed", "reasons": ["without `cents`"], "readers": ["richest", "top"], "breaking": true,
    });
    assert_eq!((code, changed(&planned, "views")), (3, vec![rich]));
    assert!(told(&world).contains("view rich: changed: without `cents` (breaking); read by richest, top\n"));
    assert!(told(&world).contains("\nbreaking: readers of today may miss something; "), "{}", told(&world));
    let (code, _) = plan(&world.path("readside.yaml"), &["--url", world.daemon().url(), "--allow-breaking"]);
    assert_eq!(code, 2);
    world.declare(&[
        TOTALS,
        SIZES,
        VIEW,
        OVER,
        &QUERY.replace("[customer]", "[-customer]"),
        &QUERY.replace("top", "last"),
    ]);
    let (code, planned) = asked(&world);
    let of = |name: &str, change: &str, breaking: bool| json!({"name": name, "change": change, "breaking": breaking});
    assert_eq!((code, changed(&planned, "queries")), (2, vec![of("last", "new", false), of("top", "changed", false)]));
    world.declare(&[TOTALS, SIZES, VIEW]);
    let (code, planned) = asked(&world);
    assert_eq!((code, changed(&planned, "queries")), (3, vec![of("top", "removed", true)]));
    assert_eq!(changed(&planned, "views")[0]["change"], "removed");
    // What a view reads has other columns, though its own SQL is the same.
    let all = "projection: all_of_it\nkind: view\nsql: SELECT * FROM totals\n";
    world.declare(&[TOTALS, SIZES, all]);
    world.reload();
    world.declare(&[&TOTALS.replace(", sum(cents) AS cents", ""), SIZES, all]);
    let view = changed(&asked(&world).1, "views")[0].clone();
    assert_eq!((&view["change"], &view["reasons"]), (&json!("changed"), &json!(["without `cents`"])));
}

#[test]
fn a_file_that_was_moved_is_told_and_files_elsewhere_are_not_mistaken_for_it() {
    let world = world();
    fs::rename(world.path("events.ndjson"), world.path("moved.ndjson")).unwrap();
    let source = fs::read_to_string(world.path("source.yaml")).unwrap();
    world.write("source.yaml", &source.replace("events.ndjson", "moved.ndjson"));
    let (code, planned) = asked(&world);
    assert_eq!((code, &planned["sources"]), (2, &json!([{"name": "orders", "change": "moved"}])));
    assert_eq!(planned["builds"], json!([]));
    assert!(world.reload()["changes"][0]["detail"].as_str().unwrap().contains("read from elsewhere"));
    assert_eq!(asked(&world).0, 0);
    // The same files, in a folder of their own, are the same declaration.
    let folder = world.path("new");
    fs::create_dir(&folder).unwrap();
    for name in ["readside.yaml", "source.yaml", "projections.yaml"] {
        fs::copy(world.path(name), folder.join(name)).unwrap();
    }
    let (code, planned) = plan(&folder.join("readside.yaml"), &["--url", world.daemon().url()]);
    assert_eq!((code, &planned["verdict"]), (0, &json!("in-sync")), "{planned}");
    // Another way to read lines is another source.
    world.write("source.yaml", &source.replace("events.ndjson, ", "moved.ndjson, lines: payload, "));
    let (code, planned) = asked(&world);
    assert_eq!((code, &planned["sources"][0]["change"]), (3, &json!("replaced")));
    assert!(planned["needsRestart"][0].as_str().unwrap().contains("give it a name of its own"), "{planned}");
}

#[test]
fn the_events_of_a_new_file_are_counted_or_said_to_be_unknown() {
    let world = world();
    let orders = fs::read_to_string(world.path("source.yaml")).unwrap();
    let more = |follow: bool| {
        let follow = if follow { "true" } else { "false" };
        format!(
            "{orders}---\nsource: returns\nfile: {{path: returns.ndjson, follow: {follow}}}\nenvelope: {{type: const:Returned, data: body}}\n\
             events: {{Returned: {{fields: {{customer: string!}}}}}}\n"
        )
    };
    world.write("source.yaml", &more(true));
    let counts = "projection: returned\nkey: [customer]\nsql: SELECT customer, count(*) AS n FROM returns.returned GROUP BY customer\n";
    world.declare(&[TOTALS, SIZES, VIEW, OVER, QUERY, counts]);
    let (code, planned) = asked(&world);
    assert_eq!((code, &planned["builds"][0]["reads"]), (2, &json!({"returns": null})));
    assert!(
        planned["builds"][0]["unknown"][0].as_str().unwrap().contains("how much source `returns` holds"),
        "{planned}"
    );
    assert!(planned["builds"][0].get("seconds").is_none());
    assert!(
        told(&world).contains("reads an unknown number of sequences of returns; how long that takes is not known yet")
    );
    // Seven lines, of which the last one is not ended yet.
    world.write("returns.ndjson", "{\"customer\":\"a\"}\n".repeat(7).trim_end());
    assert_eq!(asked(&world).1["builds"][0]["reads"], json!({"returns": 6}));
    world.write("source.yaml", &more(false));
    let (_, planned) = asked(&world);
    assert_eq!(planned["builds"][0]["reads"], json!({"returns": 7}));
    assert_eq!(planned["builds"][0]["estimate"], json!({"without": ["returned"]}), "nothing of it was measured");
    world.reload();
    world.settled();
    assert_eq!(world.sql("SELECT n FROM returned"), json!([{"n": 7}]));
    assert_eq!(asked(&world).0, 0);
}

#[test]
fn what_a_build_takes_is_estimated_from_what_it_replaces() {
    let mut world = world();
    let measured = |world: &World| {
        ["totals", "sizes"].map(|name| {
            let status = world.daemon().get(&format!("/v1/projections/{name}")).1["item"].clone();
            [status["stateBytes"].as_u64().unwrap(), status["diskBytes"].as_u64().unwrap_or(0)]
        })
    };
    world.daemon().wait("a checkpoint", crate::support::DEADLINE, |_| {
        measured(&world).iter().all(|[_, disk]| *disk > 0).then_some(())
    });
    let [totals, sizes] = measured(&world);
    let new = "projection: flat\nkey: [customer]\nsql: SELECT customer, orders FROM totals\n";
    world.declare(&[&TOTALS.replace("> 0", "> 1"), SIZES, VIEW, OVER, QUERY, new]);
    let (code, planned) = asked(&world);
    let build = &planned["builds"][0];
    assert_eq!((code, &build["keepSeconds"]), (2, &json!(7_200)));
    let expected = json!({"memoryBytes": totals[0] + sizes[0], "diskBytes": totals[1] + sizes[1], "without": ["flat"]});
    assert_eq!(build["estimate"], expected);
    let text = told(&world);
    assert!(text.contains("; estimate: 1 MiB of memory and 1 MiB on disk beside, as what it replaces takes now, without flat, of which nothing is there yet;"), "{text}");
    assert!(text.contains("; what it replaces is kept for 2 h"), "{text}");
    // Of a daemon that does not run only its checkpoint is known, and what that does not say is said.
    assert!(world.daemon.take().unwrap().terminate().0.success());
    let data: PathBuf = world.path("data");
    let (code, offline) = plan(&world.path("readside.yaml"), &["--data-dir", data.to_str().unwrap()]);
    let estimate = &offline["builds"][0]["estimate"];
    assert_eq!(
        (code, estimate["diskBytes"].as_u64().unwrap() > 0, estimate.get("memoryBytes")),
        (2, true, None),
        "{offline}"
    );
    assert!(offline["unknown"].to_string().contains("which settings are others"), "{offline}");
    assert!(changed(&offline, "views").is_empty(), "{offline}");
    world.declare(&[TOTALS, SIZES, &VIEW.replace(", cents", ""), OVER, QUERY]);
    let (code, offline) = plan(&world.path("readside.yaml"), &["--data-dir", data.to_str().unwrap()]);
    assert_eq!((code, &changed(&offline, "views")[0]["name"]), (2, &json!("rich")));
}
