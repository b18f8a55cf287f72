//! What is served is recomputed in batch and compared, and what was damaged on purpose is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use readside::checkpoint::{Checkpointer, Draft, IndexDraft, PinnedFile, Restored};
use readside::read_model::search::{FieldKind, FieldSpec, SearchIndex, SearchSpec, StopWords, WriterSettings};
use readside::state::{NewSegment, StateDelta};
use serde_json::{Value, json};

use crate::crash::daemon::{Daemon, binary};
use crate::reload::{CUSTOMERS, FOUND, SIZES, TOTALS, World};
use crate::support::DEADLINE;

/// Of all orders, and how many a customer has.
const COUNTED: &str = "projection: counted
kind: search
key: [customer]
sql: SELECT customer, orders FROM totals
fields: {customer: keyword, orders: keyword}
";

fn verify(world: &World, name: &str) -> Value {
    verify_with(world, name, &json!({}))
}

fn verify_with(world: &World, name: &str, asked: &Value) -> Value {
    let (status, answer) = world.daemon().post(&format!("/v1/admin/projections/{name}/verify"), asked);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Changes one row of a store in the last checkpoint, behind the back of everything that keeps it.
fn damage(data: &Path, store: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut checkpointer, restored) = Checkpointer::open(data.to_str().unwrap(), "damage").await.unwrap();
        let Restored { manifest, stores, .. } = restored.unwrap();
        let store = store.to_owned();
        let segments = &stores[&store];
        let live =
            segments.iter().map(|one| filter_record_batch(&one.rows, &BooleanArray::from(one.live.clone())).unwrap());
        let live: Vec<RecordBatch> = live.collect();
        let rows = concat_batches(&live[0].schema(), &live).unwrap();
        let cents = rows.column_by_name("cents").unwrap().as_primitive::<Int64Type>();
        let cents: Int64Array =
            cents.iter().enumerate().map(|(row, cents)| cents.map(|cents| cents + i64::from(row == 7))).collect();
        let index = rows.schema().index_of("cents").unwrap();
        let mut columns = rows.columns().to_vec();
        columns[index] = Arc::new(cents);
        let rows = RecordBatch::try_new(rows.schema(), columns).unwrap();
        let id = segments.iter().map(|segment| segment.id).max().unwrap() + 1;
        let delta = StateDelta { segment: Some(NewSegment { id, rows, dead: Vec::new() }), dropped: Vec::new() };
        let (deltas, forget) = (BTreeMap::from([(store.clone(), delta)]), BTreeSet::from([store]));
        let draft = Draft::new(manifest.content, deltas, forget, BTreeMap::new());
        checkpointer.checkpoint(&draft).await.unwrap();
    });
}

#[test]
fn a_damaged_row_is_found_named_and_mended() {
    let mut world = World::start(&[TOTALS, SIZES, FOUND]);
    let equal = |world: &World, name: &str, rows: u64| {
        let answer = verify(world, name);
        assert_eq!((&answer["result"], &answer["rows"]), (&json!("equal"), &json!(rows)), "{answer}");
    };
    world.publish(3);
    for (name, rows) in [("totals", CUSTOMERS), ("sizes", 2), ("found", CUSTOMERS)] {
        equal(&world, name, rows);
    }
    assert!(world.daemon.take().unwrap().terminate().0.success());
    damage(&world.path("data"), "totals/1/rows");
    world.restart();
    let answer = verify(&world, "totals");
    assert_eq!((&answer["result"], &answer["total"]), (&json!("different"), &json!(1)), "{answer}");
    let difference = &answer["differences"][0];
    assert_eq!((&difference["fault"], &difference["columns"]), (&json!("otherwise"), &json!(["cents"])));
    let warned = |daemon: &Daemon| {
        let warnings = daemon.get("/readyz").1["warnings"].to_string();
        warnings.contains("projection `totals`: rows of 1 keys are not what the batch gives; rebuild it")
    };
    world.daemon().wait("a warning", DEADLINE, |daemon| warned(daemon).then_some(()));
    let key = difference["key"].as_str().unwrap();
    let orders = if ["c0", "c1", "c2"].contains(&key) { 21 } else { 20 };
    assert_eq!(world.sql(&format!("SELECT orders FROM totals WHERE customer = '{key}'")), json!([{"orders": orders}]));
    let mut command = std::process::Command::new(binary());
    let output = command.args(["projection", "verify", "totals", "--url", world.daemon().url()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains(&format!("{key} is otherwise: cents")) && text.contains("projection rebuild totals"),
        "{text}"
    );
    assert_eq!(world.daemon().metric("consistency_check_failures_total", &["projection=\"totals\""]), 2.0);
    let (status, _) = world.daemon().post("/v1/admin/projections/totals/rebuild", &json!({}));
    assert_eq!(status, 200);
    world.settled();
    for (name, rows) in [("totals", CUSTOMERS), ("sizes", 2), ("found", CUSTOMERS)] {
        equal(&world, name, rows);
    }
    world.daemon().wait("no warning", DEADLINE, |daemon| (!warned(daemon)).then_some(()));
    world.check();
    // One after the other, by themselves.
    let root = std::fs::read_to_string(world.path("readside.yaml")).unwrap();
    world.write("readside.yaml", &format!("{root}verify: {{every: 50ms}}\n"));
    let checks = |daemon: &Daemon, name: &str| {
        daemon.metric("consistency_checks_total", &[&format!("projection=\"{name}\""), "result=\"equal\""])
    };
    let before = ["found", "sizes", "totals"].map(|name| checks(world.daemon(), name));
    assert_eq!(world.reload()["changes"][0]["name"], "verify.every");
    world.daemon().wait("three rounds", DEADLINE, |daemon| {
        let now = ["found", "sizes", "totals"].map(|name| checks(daemon, name));
        now.iter().zip(before).all(|(now, before)| *now >= before + 3.0).then_some(())
    });
}

/// Changes some documents of `counted` in the last checkpoint: `c2` has none, `c3` has two, that of `c4` is another, and `x` has
/// no row.
fn damage_index(data: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let fields = [Field::new("customer", DataType::Utf8, false), Field::new("orders", DataType::Int64, false)];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let field = |column| FieldSpec { column, kind: FieldKind::Keyword, weight: 1, sort: false, facet: false };
    let spec = SearchSpec {
        name: "counted".to_owned(),
        schema: schema.clone(),
        key: vec![0],
        fields: vec![field(0), field(1)],
        synonyms: Vec::new(),
        stop_words: StopWords::None,
    };
    let rows = |rows: &[(&str, i64)]| {
        let customers: StringArray = rows.iter().map(|(customer, _)| Some(*customer)).collect();
        let orders: Int64Array = rows.iter().map(|(_, orders)| Some(*orders)).collect();
        RecordBatch::try_new(schema.clone(), vec![Arc::new(customers), Arc::new(orders)]).unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut checkpointer, restored) = Checkpointer::open(data.to_str().unwrap(), "damage").await.unwrap();
        checkpointer.restore_index("counted", folder.path()).await.unwrap();
        let mut index = SearchIndex::open(folder.path(), spec, WriterSettings::default()).unwrap();
        let (cut, deleted) = (index.cut().clone(), rows(&[("c2", 0)]).project(&[0]).unwrap());
        index.apply(&rows(&[("c3", 20), ("x", 1)]), &rows(&[("c4", 99)]), &deleted).unwrap();
        index.commit(&cut).unwrap();
        let pinned = index.pin().unwrap();
        let files = pinned.files.iter().map(|(name, path)| PinnedFile { name: name.clone(), path: path.clone() });
        let draft = IndexDraft { cut, files: files.collect() };
        let content = restored.unwrap().manifest.content;
        let indexes = BTreeMap::from([("counted".to_owned(), draft)]);
        checkpointer.checkpoint(&Draft::new(content, BTreeMap::new(), BTreeSet::new(), indexes)).await.unwrap();
    });
}

#[test]
fn documents_that_are_not_of_their_rows_are_found_named_and_mended() {
    let mut world = World::start(&[TOTALS, COUNTED]);
    let answer = verify(&world, "counted");
    assert_eq!((&answer["result"], &answer["rows"]), (&json!("equal"), &json!(CUSTOMERS)), "{answer}");
    assert!(world.daemon.take().unwrap().terminate().0.success());
    damage_index(&world.path("data"));
    world.restart();
    let answer = verify(&world, "counted");
    assert_eq!((&answer["result"], &answer["total"]), (&json!("different"), &json!(4)), "{answer}");
    let faults = answer["differences"].as_array().unwrap().iter().map(|one| (&one["key"], &one["fault"]));
    let faults: Vec<String> = faults.map(|(key, fault)| format!("{key} {fault}").replace('"', "")).collect();
    assert_eq!(faults, ["c2 not-indexed", "c3 indexed-twice", "c4 indexed-otherwise", "x indexed-without-row"]);
    let mut command = std::process::Command::new(binary());
    let output = command.args(["projection", "verify", "counted", "--url", world.daemon().url()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("c4 is indexed otherwise\n") && text.contains("different: 4 keys"), "{text}");
    assert_eq!(verify(&world, "totals")["result"], "equal");
    let (status, _) = world.daemon().post("/v1/admin/projections/counted/rebuild", &json!({}));
    assert_eq!(status, 200);
    world.settled();
    assert_eq!(verify(&world, "counted")["result"], "equal");
}

#[test]
fn a_share_finds_what_is_in_it_and_turns_come_to_all_of_them() {
    let mut world = World::start(&[TOTALS]);
    assert!(world.daemon.take().unwrap().terminate().0.success());
    damage(&world.path("data"), "totals/1/rows");
    world.restart();
    let (mut equal, mut different) = (0, Vec::new());
    for number in 1..=4 {
        let share = format!("{number}/4");
        let answer = verify_with(&world, "totals", &json!({"share": share}));
        assert_eq!(answer["share"], json!(share));
        match answer["result"].as_str() {
            Some("equal") => equal += answer["rows"].as_u64().unwrap(),
            Some("different") if answer["total"] == 1 => different.push(share),
            _ => panic!("{answer}"),
        }
    }
    assert!(different.len() == 1 && (1..CUSTOMERS).contains(&equal), "{different:?}, and {equal} rows are equal");
    // What another share has found is not forgotten.
    let warned = |daemon: &Daemon| {
        daemon.get("/readyz").1["warnings"].to_string().contains("rows of 1 keys are not what the batch gives")
    };
    world.daemon().wait("a warning", DEADLINE, |daemon| warned(daemon).then_some(()));
    let cli = |share: &str| {
        let mut command = std::process::Command::new(binary());
        let arguments = ["projection", "verify", "totals", "--share", share, "--url", world.daemon().url()];
        let output = command.args(arguments).output().unwrap();
        (output.status.code(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
    };
    let (code, text) = cli(&different[0]);
    assert!(
        code == Some(2) && text.contains(&format!("different in share {} of the keys: 1 keys", different[0])),
        "{text}"
    );
    let (code, text) = cli("5/4");
    assert!(code == Some(1) && text.contains("such as `1/20`"), "{code:?}: {text}");
    let (status, refused) = world.daemon().post("/v1/admin/projections/totals/rebuild", &json!({"share": "1/2"}));
    assert_eq!(status, 400, "{refused}");
    // By themselves.
    let root = std::fs::read_to_string(world.path("readside.yaml")).unwrap();
    world.write("readside.yaml", &format!("{root}verify: {{every: 20ms, shares: 3}}\n"));
    let changes = world.reload()["changes"].clone();
    assert_eq!([&changes[0]["name"], &changes[1]["name"]], ["verify.every", "verify.shares"]);
    for share in ["1/3", "2/3", "3/3"] {
        let told = format!("\"share\":\"{share}\"");
        world.daemon().wait(&told, DEADLINE, |daemon| daemon.logged(&told));
    }
    assert!(world.daemon().metric("consistency_checked_rows_total", &["projection=\"totals\""]) > 0.0);
    world.daemon().wait("a warning", DEADLINE, |daemon| warned(daemon).then_some(()));
    let (status, _) = world.daemon().post("/v1/admin/projections/totals/rebuild", &json!({}));
    assert_eq!(status, 200);
    world.daemon().wait("no warning", DEADLINE, |daemon| (!warned(daemon)).then_some(()));
}

/// Of how many customers have how many orders, from the events.
const SPREAD: &str = "projection: spread
key: [orders]
sql: >
  SELECT orders, count(*) AS customers
  FROM (SELECT customer, count(*) AS orders FROM orders.placed GROUP BY customer) AS totals GROUP BY orders
";

#[test]
fn what_takes_more_memory_than_it_may_is_verified_in_parts() {
    let memory = "promotion: auto\nkeep: 0s\nverify: {memory: 48KiB}\n";
    let world = World::start_with(&[TOTALS, COUNTED, SPREAD], memory);
    let answer = verify(&world, "totals");
    assert_eq!((&answer["result"], &answer["rows"]), (&json!("equal"), &json!(CUSTOMERS)), "{answer}");
    world.daemon().wait("parts", DEADLINE, |daemon| daemon.logged("for each half of the keys"));
    // It reads no events, so that there is nothing to divide.
    assert_eq!(verify(&world, "counted")["result"], "equal");
    let answer = verify(&world, "spread");
    assert_eq!(answer["result"], "not-verifiable", "{answer}");
    let reason = answer["reason"].as_str().unwrap();
    let told = ["`orders.placed`", "48 KiB", "`verify.memory`", "`readside projection rebuild spread`"];
    assert!(told.iter().all(|part| reason.contains(part)), "{reason}");
    let memory = std::fs::read_to_string(world.path("readside.yaml")).unwrap().replace("48KiB", "10MiB");
    world.write("readside.yaml", &memory);
    world.reload();
    assert_eq!(verify(&world, "spread")["result"], "equal");
}

/// Divides by the amount, which is 0 once.
const RATES: &str = "projection: rates
key: [customer]
sql: SELECT customer, sum(1000 / cents) AS rate FROM orders.placed GROUP BY customer HAVING count(*) > 0
";

#[test]
fn an_event_that_one_projection_could_not_take_stays_left_out_once_it_is_given_up() {
    let mut world = World::start(&[TOTALS, RATES]);
    let parked = |world: &World| world.daemon().get("/v1/parked").1["items"].as_array().unwrap().len();
    let equal = |world: &World, when: &str| {
        for name in ["totals", "rates"] {
            let answer = verify(world, name);
            assert_eq!((&answer["result"], &answer["rows"]), (&json!("equal"), &json!(CUSTOMERS)), "{when}: {answer}");
        }
    };
    assert_eq!(parked(&world), 1);
    equal(&world, "parked");
    let which = json!({"which": {"source": "orders"}, "reason": "test"});
    let (status, discarded) = world.daemon().post("/v1/admin/parked/discard", &which);
    assert_eq!((status, parked(&world)), (200, 0), "{discarded}");
    equal(&world, "discarded");
    world.kill();
    world.settled();
    equal(&world, "from the checkpoint");
    // Another HAVING over the same aggregate, which goes on from what it has.
    world.declare(&[TOTALS, &RATES.replace("> 0", "> 1")]);
    assert_eq!(world.reloaded(), [["rates"]]);
    assert_eq!(parked(&world), 0, "no event is read again");
    equal(&world, "gone on from");
    let (status, _) = world.daemon().post("/v1/admin/projections/rates/rebuild", &json!({}));
    assert_eq!(status, 200);
    world.settled();
    equal(&world, "built again");
}

#[test]
fn what_is_built_is_verified_before_it_serves() {
    let mut world = World::start_with(&[TOTALS, SIZES], "");
    world.declare(&[&TOTALS.replace("sum(cents)", "sum(cents * 2)"), SIZES]);
    world.reload();
    world.shadow("totals");
    let built = json!({"built": true});
    assert_eq!(verify_with(&world, "totals", &built)["result"], "equal");
    world.stored();
    let number = world.checkpointed().builds.values().next().unwrap().generations["totals"].generation;
    assert!(world.daemon.take().unwrap().terminate().0.success());
    damage(&world.path("data"), &format!("totals/{number}/rows"));
    world.begin();
    world.shadow("totals");
    let found = verify_with(&world, "totals", &built);
    assert_eq!((&found["result"], &found["total"]), (&json!("different"), &json!(1)), "{found}");
    let promoted = std::process::Command::new(binary())
        .args(["projection", "promote", "totals", "--verify", "--url", world.daemon().url()])
        .output()
        .unwrap();
    let told = String::from_utf8(promoted.stdout).unwrap();
    assert_eq!((promoted.status.code(), told.contains("different: 1 keys; not promoted")), (Some(2), true), "{told}");
    world.check();
    world.shadow("totals");
}
