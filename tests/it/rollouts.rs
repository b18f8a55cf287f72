//! What was built is compared and promoted, and what was replaced can be rolled back to, whatever ends the daemon meanwhile.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use readside::checkpoint::{Checkpointer, Content, Manifest, newest_manifest};
use serde_json::{Value, json};

use crate::crash::daemon::binary;
use crate::reload::{CUSTOMERS, FOUND, Reader, SIZES, TOTALS, World};
use crate::support::DEADLINE;

const MANUAL: &str = "";

/// Types more, behind the fields of the one that is there.
const EXTRA: &str = "}}, Extra: {fields: {number: int64!";
const MORE: &str = "}}, More: {fields: {number: int64!";

fn big() -> String {
    TOTALS.replace("> 0", "> 25")
}

impl World {
    /// What status says of a projection.
    pub(crate) fn status_of(&self, name: &str) -> Value {
        self.daemon().get(&format!("/v1/projections/{name}")).1["item"].clone()
    }

    /// What status says of what is built of a projection, once that waits.
    pub(crate) fn shadow(&self, name: &str) -> Value {
        self.daemon().wait("a shadow", DEADLINE, |_| {
            let build = self.status_of(name)["build"].clone();
            (build["state"] == "shadowing").then_some(build)
        })
    }

    /// Waits until what was replaced can be rolled back to.
    pub(crate) fn kept(&self, name: &str) -> Value {
        self.daemon().wait("what is kept", DEADLINE, |_| {
            let kept = self.status_of(name)["kept"].clone();
            (kept["state"] == "ready").then_some(kept)
        })
    }

    fn decide(&self, name: &str, verb: &str, body: &Value) -> (u16, Value) {
        self.daemon().post(&format!("/v1/admin/projections/{name}/{verb}"), body)
    }

    pub(crate) fn decided(&self, name: &str, verb: &str) {
        let (status, answer) = self.decide(name, verb, &json!({"actor": "test", "reason": "to see"}));
        assert_eq!(status, 200, "{answer}");
    }

    /// What the checkpoint of a daemon that has ended says.
    fn manifest(&self) -> Manifest {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = self.path("data");
        let (_, restored) = runtime.block_on(Checkpointer::open(folder.to_str().unwrap(), "test")).unwrap();
        restored.unwrap().manifest
    }

    fn actions(&self) -> Vec<String> {
        let steps = self.daemon().get("/v1/history?pageSize=1000").1["items"].clone();
        let named = |step: &Value| {
            format!("{} {}", step["action"].as_str().unwrap(), step["subject"].as_str().unwrap_or_default())
        };
        steps.as_array().unwrap().iter().map(named).collect()
    }

    fn count(&self) -> Value {
        self.sql("SELECT count(*) AS n FROM totals")[0]["n"].clone()
    }
}

#[test]
fn what_changes_rows_waits_until_it_is_promoted_and_can_be_taken_back() {
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    world.daemon().wait("the index", DEADLINE, |daemon| {
        (daemon.get("/v1/search/found?q=customer:c7").1["items"] != json!([])).then_some(())
    });
    // Twenty of each customer: none has more than 25 yet.
    world.declare(&[&big(), SIZES, FOUND]);
    let waits = json!([{"projections": ["found", "sizes", "totals"], "unlessEqual": false, "breaking": false}]);
    assert_eq!(world.reload()["waits"], waits);
    let shadow = world.shadow("totals");
    assert_eq!(world.count(), CUSTOMERS);
    let compared = &shadow["comparison"];
    assert_eq!(
        (&compared["equal"], &compared["rowsBefore"], &compared["rowsNow"]),
        (&json!(false), &json!(CUSTOMERS), &json!(0))
    );
    assert_eq!((&compared["onlyBefore"], &compared["onlyNow"]), (&json!(CUSTOMERS), &json!(0)));
    assert_eq!(compared["differences"].as_array().unwrap().len() as u64, CUSTOMERS);
    assert!(shadow["message"].as_str().unwrap().contains("projection promote"), "{shadow}");
    // It follows, and nobody who reads notices.
    let reader = Reader::start(&world);
    world.publish(500);
    world.check();
    assert_eq!(world.reload()["builds"], json!([["found", "sizes", "totals"]]), "it goes on");
    // Before it serves, the batch says whether it is right.
    for name in ["totals", "sizes", "found"] {
        let (status, verified) = world.decide(name, "verify", &json!({"built": true}));
        assert_eq!((status, &verified["result"]), (200, &json!("equal")), "{verified}");
        assert_eq!(verified["together"], json!(["found", "sizes", "totals"]));
        assert_ne!(verified["generation"], world.status_of(name)["generation"]);
    }
    let promoted = Command::new(binary())
        .args(["projection", "promote", "totals", "--verify", "--url", world.daemon().url()])
        .output()
        .unwrap();
    let told = String::from_utf8(promoted.stdout).unwrap();
    assert_eq!(
        (promoted.status.code(), told.matches(": equal: the batch gives the same").count()),
        (Some(0), 3),
        "{told}"
    );
    assert!(told.ends_with("promoted: found, sizes, totals\n"), "{told}");
    let (status, refused) = world.decide("totals", "verify", &json!({"built": true}));
    assert_eq!(status, 409, "{refused}");
    assert_eq!(world.decide("totals", "retire", &json!({"allowBreaking": true})).0, 400);
    // Thirty of each by now.
    assert_eq!(world.count(), CUSTOMERS);
    let kept = world.kept("totals");
    assert_ne!(kept["generation"], world.status_of("totals")["generation"]);
    world.publish(500);
    world.check();
    world.decided("totals", "rollback");
    reader.saw_nothing_wrong();
    world.check();
    assert_eq!(world.status_of("totals")["generation"], kept["generation"]);
    assert_eq!(world.status_of("totals")["build"]["state"], "rolled-back");
    // Nobody builds it again by looking at the same files.
    assert_eq!(world.reload()["builds"], json!([]));
    world.restart_unsettled();
    world.check();
    assert_eq!(world.reload()["builds"], json!([]));
    // Somebody who wants it does.
    let (status, _) = world.decide("totals", "rebuild", &json!({}));
    assert_eq!(status, 200);
    world.shadow("totals");
    world.decided("totals", "promote");
    world.kept("totals");
    world.stored();
    let kept = world.kept_rows();
    assert!(kept.iter().any(|store| store.starts_with("totals/")), "{kept:?}");
    world.decided("totals", "retire");
    assert_eq!(world.decide("totals", "rollback", &json!({})).0, 409);
    // An object that nothing lists any more goes with the next checkpoint.
    world.daemon().wait("nothing of it in a checkpoint", DEADLINE, |_| {
        let stores = world.newest_manifest().stores;
        (!kept.iter().any(|store| stores.contains_key(store))).then_some(())
    });
    let actions = world.actions();
    for (wanted, times) in [("served projection totals", 3), ("rolled-back projection totals", 1)] {
        assert_eq!(actions.iter().filter(|one| *one == wanted).count(), times, "{wanted}: {actions:?}");
    }
}

/// The sequences after which builds began to read, as the log of the daemon that runs says it.
fn began_after(world: &World) -> Vec<u64> {
    let told = world.daemon().all_logged("\"reads\":\"orders after ");
    let after = told.iter().filter_map(|line| line.split("orders after ").nth(1)?.split('"').next()?.parse().ok());
    after.collect()
}

/// How far what is built has read, as the last checkpoint has it, once it has read something.
fn stored_build(world: &World) -> u64 {
    world.daemon().wait("a build in a checkpoint", DEADLINE, |_| {
        let builds = world.checkpointed().builds;
        let sources = builds.values().flat_map(|entry| entry.sources.values());
        sources.map(|source| source.covered.sequence()).max().filter(|covered| *covered > 0)
    })
}

/// What is built waits for a person at its end and is in checkpoints there too, so that nothing here depends on how fast it is.
#[test]
fn what_is_built_goes_on_from_where_it_was() {
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    world.publish(60_000);
    // Every event is decoded again, which takes some seconds.
    world.declare_source("cents: int64!, half: float64");
    assert_eq!(world.reload()["builds"], json!([["found", "sizes", "totals"]]));
    for kill in 0..3 {
        let reached = stored_build(&world);
        if kill == 1 {
            world.restart_unsettled();
        } else {
            world.kill();
        }
        world.daemon().wait("the build", DEADLINE, |_| (!began_after(&world).is_empty()).then_some(()));
        let after = *began_after(&world).last().unwrap();
        assert!(after >= reached, "it began after {after}, and had come to {reached}");
    }
    assert_eq!(world.shadow("totals")["comparison"]["equal"], true);
    // A shadow stands at the live cut, and goes on from there too.
    world.publish(500);
    world.stored();
    world.kill();
    world.shadow("totals");
    assert!(*began_after(&world).last().unwrap() > 60_000, "{:?}", began_after(&world));
    world.publish(500);
    world.decided("totals", "promote");
    world.check();
    let (status, verified) = world.decide("totals", "verify", &json!({}));
    assert_eq!((status, &verified["result"]), (200, &json!("equal")), "{verified}");
    world.restart_unsettled();
    world.check();
    world.daemon().wait("nothing of the build", DEADLINE, |_| world.checkpointed().builds.is_empty().then_some(()));
    // What was replaced goes on from where it was, too, and not from where it was replaced.
    world.publish(500);
    world.kept("totals");
    world.stored();
    world.kill();
    world.kept("totals");
    assert!(began_after(&world).iter().all(|after| *after > 62_000), "{:?}", began_after(&world));
    world.decided("totals", "rollback");
    world.check();
    // What a person has asked for is in no file, and goes on all the same. Nothing else reads: what was rolled back from is not kept.
    let (status, _) = world.decide("totals", "rebuild", &json!({"actor": "ann"}));
    assert_eq!(status, 200);
    let reached = stored_build(&world);
    world.kill();
    world
        .daemon()
        .wait("the build", DEADLINE, |_| began_after(&world).iter().any(|after| *after >= reached).then_some(()));
    world.daemon().wait("the end of the build", DEADLINE, |_| {
        let build = world.status_of("totals")["build"].clone();
        (build.is_null() || build["state"] == "shadowing" || build["state"] == "rolled-back").then_some(())
    });
    world.check();
}

impl World {
    /// What the last checkpoint says of a daemon that runs. It may remove an old one while that is read.
    pub(crate) fn checkpointed(&self) -> Content {
        self.newest_manifest().content
    }

    fn newest_manifest(&self) -> Manifest {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = self.path("data");
        let read = || runtime.block_on(newest_manifest(folder.to_str().unwrap()));
        self.daemon().wait("a checkpoint", DEADLINE, |_| read().ok().flatten())
    }

    /// The stores of the rows that are kept, as the last checkpoint has them.
    fn kept_rows(&self) -> Vec<String> {
        let Manifest { content, stores, .. } = self.newest_manifest();
        let kept = content.kept.values().flat_map(|entry| &entry.generations);
        let rows = kept.map(|(name, one)| format!("{name}/{}/rows", one.generation));
        rows.filter(|store| stores.contains_key(store)).collect()
    }

    /// Waits until the last checkpoint has what stands beside at the live position.
    pub(crate) fn stored(&self) {
        self.daemon().wait("what stands beside in a checkpoint", DEADLINE, |_| {
            let Content { builds, kept, .. } = self.checkpointed();
            let mut sources = builds.values().chain(kept.values()).flat_map(|entry| entry.sources.values());
            sources.any(|source| source.covered.sequence() == self.events).then_some(())
        });
    }
}

#[test]
fn what_is_kept_survives_a_kill() {
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    world.declare(&[&big(), SIZES, FOUND]);
    world.reload();
    world.shadow("totals");
    world.decided("totals", "promote");
    assert_eq!(world.count(), 0);
    world.kill();
    assert_eq!(world.count(), 0);
    world.kept("totals");
    world.kill();
    world.publish(250);
    world.kept("totals");
    world.decided("sizes", "rollback");
    world.check();
    world.kill();
    world.check();
    // Once the files have been taken.
    world.daemon().wait("what was rolled back", DEADLINE, |_| {
        (world.status_of("found")["build"]["state"] == "rolled-back").then_some(())
    });
}

#[test]
fn what_a_changed_source_replaced_is_read_as_it_was() {
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    // Half of the events have no such field.
    world.declare_source("cents: int64!, none: string!");
    world.reload();
    let shadow = world.shadow("totals");
    assert_eq!(shadow["comparison"]["onlyBefore"], CUSTOMERS);
    world.check();
    assert_eq!(world.daemon().get("/v1/parked").1["items"], json!([]));
    world.decided("found", "promote");
    assert_eq!(world.count(), 0);
    let parked = |world: &World| world.daemon().get("/v1/sources/orders").1["item"]["parked"].clone();
    assert_eq!(parked(&world), json!({"Placed": 1000}));
    world.kept("totals");
    world.decided("totals", "rollback");
    world.check();
    assert_eq!(parked(&world), json!({}));
    assert_eq!(world.reload()["builds"], json!([]));
    world.publish(100);
    world.check();
    world.kill();
    world.publish(100);
    world.check();
    assert_eq!(parked(&world), json!({}));
}

#[test]
fn what_is_the_same_is_promoted_by_itself_and_what_breaks_readers_only_with_a_word() {
    let world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    let generation = world.generation("totals");
    assert_eq!(world.decide("totals", "rebuild", &json!({})).0, 200);
    world.settled();
    assert!(world.generation("totals") > generation);
    world.check();
    let other = TOTALS.replace("sum(cents) AS cents", "count(cents) AS priced");
    world.declare(&[&format!("{other}promotion: auto\n"), SIZES]);
    world.reload();
    let shadow = world.shadow("totals");
    assert_eq!(shadow["comparison"]["notCompared"], json!(["priced", "cents"]));
    let hint = shadow["message"].as_str().unwrap();
    assert!(hint.contains(" --allow-breaking` lets it serve; ") && hint.contains("without `cents`"), "{shadow}");
    let (status, problem) = world.decide("totals", "promote", &json!({}));
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("without `cents`"), "{problem}");
    let (status, answer) = world.decide("totals", "promote", &json!({"allowBreaking": true}));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.sql("SELECT sum(priced) AS n FROM totals"), json!([{"n": 1000}]));
    // With the index gone, what is kept of it has no place to come back to.
    assert_eq!(world.daemon().get("/v1/search/found?q=customer:c7").0, 404);
}

#[test]
fn what_was_rolled_back_stays_so_whatever_reads_it_and_comes_back_with_its_views() {
    let mut world = World::start_with(&[TOTALS], MANUAL);
    let view =
        |least: u64| format!("projection: rich\nkind: view\nsql: SELECT customer, {least} AS least FROM totals\n");
    world.declare(&[TOTALS, &view(1)]);
    world.reloaded();
    world.declare(&[&big(), &view(2)]);
    world.reload();
    world.shadow("totals");
    world.decided("totals", "promote");
    world.publish(500);
    assert_eq!(world.sql("SELECT DISTINCT least FROM rich"), json!([{"least": 2}]));
    // What is newer reads what was promoted.
    let newer = "projection: newer\nkey: [customer]\nsql: SELECT customer, orders FROM totals\n";
    world.declare(&[&big(), &view(2), newer]);
    world.reloaded();
    world.kept("totals");
    world.kill();
    world.kept("totals");
    world.decided("totals", "rollback");
    let generation = world.generation("totals");
    assert_eq!(world.sql("SELECT DISTINCT least FROM rich"), json!([{"least": 1}]));
    assert_eq!(world.status_of("newer")["state"], "rebuilding");
    for _ in 0..2 {
        world.restart_unsettled();
        world.publish(50);
        assert_eq!(world.reload()["builds"], json!([]));
        assert_eq!(world.generation("totals"), generation, "nothing takes its place by itself");
        world.check();
    }
    // A person wants what is declared after all, and no reload takes that back.
    assert_eq!(world.decide("newer", "rebuild", &json!({})).0, 200);
    world.shadow("totals");
    assert_eq!(world.reload()["builds"], json!([["newer", "totals"]]));
    world.decided("newer", "promote");
    world.settled();
    assert!(world.generation("totals") > generation);
    assert_eq!(world.sql("SELECT count(*) AS n FROM newer"), world.sql("SELECT count(*) AS n FROM totals"));
}

#[test]
fn a_start_with_other_files_is_a_decision_and_what_waited_waits_on() {
    let mut world = World::start_with(&[TOTALS, SIZES], MANUAL);
    world.declare(&[&big(), SIZES]);
    world.reload();
    world.shadow("totals");
    for _ in 0..2 {
        world.kill();
        world.shadow("totals");
        assert_eq!(world.count(), CUSTOMERS);
    }
    assert!(world.daemon.take().unwrap().terminate().0.success());
    world.declare(&[&TOTALS.replace("> 0", "> 1000").replace("sum(cents) AS cents", "count(cents) AS cents"), SIZES]);
    world.begin();
    world.settled();
    assert_eq!(world.count(), 0);
}

#[test]
fn a_start_with_files_that_break_readers_goes_on_with_the_old_rows_until_that_is_allowed() {
    let mut world = World::start_with(&[TOTALS, SIZES], "");
    let readers = "SELECT customer, cents FROM totals ORDER BY customer";
    let before = world.sql(readers);
    assert!(world.daemon.take().unwrap().terminate().0.success());
    world.declare(&[&TOTALS.replace(", sum(cents) AS cents", ""), SIZES]);
    world.begin();
    world.shadow("totals");
    world.kill();
    world.shadow("totals");
    assert_eq!(world.sql(readers), before);
    assert_eq!(world.decide("totals", "promote", &json!({})).0, 409);
    assert_eq!(world.decide("totals", "promote", &json!({"allowBreaking": true})).0, 200);
    world.settled();
    assert_eq!(world.daemon().post("/v1/sql", &json!({"sql": readers})).0, 400);
}

#[test]
fn going_back_to_what_is_declared_leaves_nothing_to_be_decided() {
    let world = World::start_with(&[TOTALS, SIZES], MANUAL);
    world.declare(&[&big(), SIZES]);
    world.reload();
    world.shadow("totals");
    world.decided("totals", "promote");
    world.kept("totals");
    // The old files are back, and what is kept is faster than what they would build.
    world.declare(&[TOTALS, SIZES]);
    world.reload();
    world.decided("totals", "rollback");
    world.settled();
    world.check();
    assert_eq!(world.reload()["changes"], json!([]));
}

#[test]
fn a_query_over_what_is_not_kept_is_no_reason_against_a_rollback() {
    let mut world = World::start_with(&[TOTALS, SIZES], MANUAL);
    let view = "projection: rich\nkind: view\nsql: SELECT customer, cents FROM totals\n";
    let query = "query: richest\nsql: SELECT customer FROM rich\nsort: [customer]\n";
    world.declare(&[TOTALS, SIZES, view, query]);
    world.reloaded();
    world.declare(&[&big(), SIZES, view, query]);
    world.reload();
    world.shadow("totals");
    world.decided("totals", "promote");
    assert_eq!(world.count(), 0);
    world.kept("totals");
    world.restart_unsettled();
    world.kept("totals");
    world.decided("totals", "rollback");
    assert_eq!(world.count(), CUSTOMERS);
}

/// Killed in the middle of whatever it does, again and again: building, shadowing, comparing, promoting, rolling back, retiring,
/// replaying.
/// `ROLLOUT_KILLS` is how often.
#[test]
fn whatever_a_kill_interrupts_is_swapped_whole_or_not_at_all() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("ROLLOUT_KILLS").unwrap_or(12);
    let mut random = fastrand::Rng::with_seed(number("ROLLOUT_SEED").unwrap_or(7));
    let mut world = World::start_with(&[TOTALS, SIZES, FOUND], MANUAL);
    world.publish(5_000);
    let (mut steps_before, seen) = (0u64, std::cell::RefCell::new(BTreeMap::<String, usize>::new()));
    for kill in 0..kills {
        if random.bool() {
            // With or without types whose events are parked while they are not declared, and taken in place once they are.
            let fields = ["cents: int64!", "cents: int64!, half: float64"][random.usize(0..2)];
            let more = ["", EXTRA, MORE][random.usize(0..3)];
            world.declare_source(&format!("{fields}{more}"));
            let totals = TOTALS.replace("> 0", &format!("> {}", random.u8(0..3)));
            world.declare(&[&totals, SIZES, FOUND]);
        }
        let url = world.daemon().url().to_owned();
        let verbs = [
            "promote", "promote", "rollback", "rollback", "retire", "rebuild", "abort", "pause", "pause", "resume",
            "resume",
        ];
        let verbs: Vec<&str> = (0..4).map(|_| verbs[random.usize(0..verbs.len())]).collect();
        let pause = Duration::from_millis(random.u64(0..600));
        let asking = std::thread::spawn(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            // The daemon may be gone before it answers.
            let ask = |path: &str| drop(agent.post(format!("{url}/v1/admin/{path}")).send_json(json!({})));
            ask("reload");
            std::thread::sleep(pause);
            verbs.iter().for_each(|verb| ask(&format!("projections/totals/{verb}")));
        });
        std::thread::sleep(Duration::from_millis(random.u64(0..1_500)));
        world.kill();
        asking.join().unwrap();
        let steps = world.daemon().wait("the ledger", DEADLINE, |daemon| {
            let steps = daemon.get("/v1/history?pageSize=1000").1["items"].clone();
            steps.as_array().filter(|steps| !steps.is_empty()).cloned()
        });
        // The newest thousand: those before were looked at before.
        let numbers: Vec<u64> = steps.iter().rev().map(|step| step["number"].as_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "each step is there once: {numbers:?}");
        let last = *numbers.last().unwrap();
        assert!(last >= steps_before, "what was durable stays");
        for step in steps.iter().filter(|step| step["number"].as_u64().unwrap() > steps_before) {
            *seen.borrow_mut().entry(step["action"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        steps_before = last;
        world.publish(200);
        world.publish_others(["Extra", "More"][random.usize(0..2)], 5);
        // What is paused stays so until somebody says otherwise; what goes on goes on by itself.
        world.daemon().wait("all to serve", DEADLINE, |_| {
            let state = world.status_of("totals")["state"].clone();
            if state == "paused" {
                *seen.borrow_mut().entry("found paused".to_owned()).or_default() += 1;
                world.decide("totals", "resume", &json!({}));
            }
            // What was resumed, and is declared in another way by now, waits for somebody as any changed definition does.
            if state == "rebuilding" && world.status_of("totals")["build"]["state"] == "shadowing" {
                *seen.borrow_mut().entry("found resumed and waiting".to_owned()).or_default() += 1;
                world.decide("totals", "promote", &json!({}));
            }
            (state == "serving").then_some(())
        });
        world.check();
        // All of a group, or nothing.
        let both = "SELECT (SELECT sum(orders) FROM totals) AS t, (SELECT sum(orders * customers) FROM sizes) AS s";
        let both = world.sql(both);
        assert_eq!(both[0]["t"], both[0]["s"], "after kill {kill}");
        if world.status_of("totals")["kept"].is_object() {
            *seen.borrow_mut().entry("kept".to_owned()).or_default() += 1;
        }
    }
    println!("{:?}", seen.borrow());
    // Nothing is left of what was built and not promoted, or kept and retired. What was rolled back from is not declared any more.
    world.declare_source(&format!("cents: int64!, quarter: float64{EXTRA}{MORE}"));
    world.declare(&["projection: other\nkey: [number]\nsql: SELECT number FROM orders.extra UNION ALL SELECT number FROM orders.more\n"]);
    world.reload();
    world.daemon().wait("nothing else", DEADLINE, |_| (world.status().len() == 1).then_some(()));
    world.settled();
    // Whenever they were parked and replayed, each counts once.
    let (status, parked) = world.daemon().get("/v1/parked");
    assert_eq!((status, &parked["items"]), (200, &json!([])), "{parked}");
    let all = world.sql("SELECT count(*) AS n, count(DISTINCT number) AS numbers, max(number) AS last FROM other");
    assert_eq!(all, json!([{"n": world.others, "numbers": world.others, "last": world.others - 1}]));
    assert!(world.daemon.take().unwrap().terminate().0.success());
    let manifest = world.manifest();
    assert!(manifest.content.kept.is_empty() && manifest.content.generations.len() == 1, "{:?}", manifest.content);
    let stores: Vec<&String> =
        manifest.stores.keys().filter(|store| store.contains('/') && !store.starts_with("other/")).collect();
    assert_eq!(stores, Vec::<&String>::new());
}
