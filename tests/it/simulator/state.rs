//! State that is not what a build expects: renamed, missing, of another form, of an older or a newer build, or with a
//! flipped bit. Each start ends in the batch result, or is refused by a name; and meanwhile the last rows are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use readside::checkpoint::{Checkpointer, OpenError};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::daemon::{NotStarted, Started};
use super::definitions::Definitions;
use super::starts::Place;

/// A join, an aggregate over events, one over another projection, ordered aggregates, first rows, and rows as they are.
const PROJECTIONS: [&str; 6] = ["customers", "sizes", "reach", "newest", "order_state", "order_search"];

/// A place with two checkpoints of these projections, and rows in all of them.
async fn place() -> (Place, Definitions) {
    let (mut place, definitions) = (Place::new(300), Definitions::of(&PROJECTIONS));
    let (mut daemon, _) = place.start(&definitions).await;
    daemon.commit_all(&place.log);
    place.save(&mut daemon).await;
    let mut random = place.random.clone();
    place.log.publish(&mut random, 40);
    daemon.commit_all(&place.log);
    place.save(&mut daemon).await;
    (place, definitions)
}

/// What becomes of a changed checkpoint.
enum Ends {
    /// The projection is built again for a reason with these words in it; its last rows are there until then.
    Rebuilt(&'static str, &'static str),
    /// The same, but the rows are what is wrong, so that none are shown.
    RebuiltBlind(&'static str, &'static str),
    /// Nothing starts, and the error says this.
    Refused(&'static str),
}

/// What is done to the newest manifest.
type Edit = fn(&mut Value);

fn generation<'a>(manifest: &'a mut Value, projection: &str) -> &'a mut Value {
    &mut manifest["content"]["generations"][projection][0]
}

/// The first operator of a projection: its identity, and what is listed of it.
fn operator<'a>(manifest: &'a mut Value, projection: &str) -> (String, &'a mut Value) {
    let operators = generation(manifest, projection)["operators"].as_object_mut().unwrap();
    let (identity, entry) = operators.iter_mut().next().unwrap();
    (identity.clone(), entry)
}

/// The stores of a projection's first operator.
fn stores(manifest: &mut Value, projection: &str) -> Vec<String> {
    let (_, entry) = operator(manifest, projection);
    let prefix = entry["prefix"].as_str().unwrap().to_owned();
    entry["stores"].as_object().unwrap().keys().map(|end| format!("{prefix}{end}")).collect()
}

fn rename(manifest: &mut Value, from: &str, to: &str) {
    let all = manifest["stores"].as_object_mut().unwrap();
    let segments = all.remove(from).unwrap();
    all.insert(to.to_owned(), segments);
}

const EDITS: &[(&str, Edit, Ends)] = &[
    (
        "the stores of a join are named by another identity",
        |manifest| {
            let (identity, _) = operator(manifest, "order_state");
            for store in stores(manifest, "order_state") {
                rename(manifest, &store, &store.replace(&identity, "0123456789abcdef0123456789abcdef"));
            }
        },
        Ends::Rebuilt("order_state", "holds 0 rows"),
    ),
    (
        "a store is missing",
        |manifest| {
            let store = stores(manifest, "customers").remove(0);
            manifest["stores"].as_object_mut().unwrap().remove(&store).unwrap();
        },
        Ends::Rebuilt("customers", "holds 0 rows"),
    ),
    (
        "a segment of a store is missing",
        |manifest| {
            let store = stores(manifest, "customers").remove(0);
            manifest["stores"][&store].as_array_mut().unwrap().remove(0);
        },
        Ends::Rebuilt("customers", "rows, and must hold"),
    ),
    (
        "a store is listed with another column",
        |manifest| {
            let (_, entry) = operator(manifest, "customers");
            let store = entry["stores"].as_object_mut().unwrap().values_mut().next().unwrap();
            store["schema"]["fields"][0]["data_type"] = json!("Int64");
        },
        Ends::Rebuilt("customers", "has other columns"),
    ),
    (
        "an operator is not listed",
        |manifest| {
            let (identity, _) = operator(manifest, "reach");
            generation(manifest, "reach")["operators"].as_object_mut().unwrap().remove(&identity);
        },
        Ends::Rebuilt("reach", "no operator `aggregate`"),
    ),
    (
        "an operator is listed with the stores of another",
        |manifest| {
            let other = operator(manifest, "customers").1["prefix"].clone();
            operator(manifest, "sizes").1["prefix"] = other;
        },
        Ends::Rebuilt("sizes", "which is not its identity"),
    ),
    (
        "a store is there that nothing lists",
        |manifest| {
            let store = stores(manifest, "customers").remove(0);
            let segments = manifest["stores"][&store].clone();
            manifest["stores"]["customers/1/0123."] = segments;
        },
        Ends::Rebuilt("customers", "belongs to nothing"),
    ),
    (
        "the rows are of another definition",
        |manifest| generation(manifest, "newest")["rows"] = json!("00000000000000000000000000000001"),
        Ends::Rebuilt("newest", "its definition has changed"),
    ),
    (
        "it had failed",
        |manifest| generation(manifest, "newest")["state"] = json!("failed"),
        Ends::Rebuilt("newest", "it had failed"),
    ),
    (
        "it stands elsewhere than the others",
        |manifest| generation(manifest, "reach")["positions"]["orders"] = json!(7),
        Ends::Rebuilt("reach", "it was at 7"),
    ),
    (
        "the rows are missing",
        |manifest| drop(manifest["stores"].as_object_mut().unwrap().remove("reach/1/rows")),
        Ends::RebuiltBlind("reach", "holds 0 rows"),
    ),
    (
        "the rows are fewer than listed",
        |manifest| generation(manifest, "reach")["table"]["rows"] = json!(1_000_000),
        Ends::RebuiltBlind("reach", "must hold 1000000"),
    ),
    (
        "the source admits other events",
        |manifest| {
            manifest["content"]["sources"]["orders"]["admission"] = json!("00000000000000000000000000000001");
            generation(manifest, "reach")["rows"] = json!("00000000000000000000000000000001");
        },
        Ends::Rebuilt("reach", "its definition has changed"),
    ),
    (
        "an older build listed nothing",
        |manifest| {
            for projection in PROJECTIONS {
                let entry = generation(manifest, projection).as_object_mut().unwrap();
                for listed in ["rows", "key", "table", "operators"] {
                    entry.remove(listed);
                }
            }
        },
        Ends::Rebuilt("customers", "older build"),
    ),
    (
        "the parked events are missing",
        |manifest| drop(manifest["stores"].as_object_mut().unwrap().remove("parked")),
        Ends::Refused("the parked events in the checkpoint are not those that it lists"),
    ),
];

#[tokio::test]
async fn state_that_is_not_as_it_must_be_is_never_read() {
    for (what, edit, ends) in EDITS {
        let (mut place, definitions) = place().await;
        rewrite(&place.store, 3, edit).await;
        match (place.try_start(&definitions).await, ends) {
            (Ok((mut daemon, started)), Ends::Rebuilt(name, reason) | Ends::RebuiltBlind(name, reason)) => {
                let Started { rebuilding, reasons, .. } = started;
                assert!(reasons[*name].contains(reason), "{what}: {}", reasons[*name]);
                assert!(started.built > 0, "{what}: built again");
                match (ends, rebuilding.get(*name)) {
                    (Ends::Rebuilt(..), Some(rows)) => assert!(*rows > 0, "{what}: the last rows are there"),
                    // What needs no event joins at once, and has nothing to show before.
                    (Ends::Rebuilt(..) | Ends::RebuiltBlind(..), None) => {}
                    (Ends::RebuiltBlind(..) | Ends::Refused(_), _) => panic!("{what}: {rebuilding:?}"),
                }
                assert_eq!(started.skipped, 0, "{what}");
                daemon.check(&place.log);
                // And goes on, and from the next checkpoint too.
                let mut random = place.random.clone();
                place.log.publish(&mut random, 20);
                daemon.commit_all(&place.log);
                daemon.check(&place.log);
                place.save(&mut daemon).await;
                let (daemon, started) = place.start(&definitions).await;
                assert_eq!((started.resumed, started.built), (PROJECTIONS.len(), 0), "{what}");
                daemon.check(&place.log);
            }
            (Err(NotStarted::Failed(error)), Ends::Refused(named)) => assert!(error.contains(named), "{what}: {error}"),
            (Ok(_), Ends::Refused(_)) => panic!("{what}: it started"),
            (Err(error), _) => panic!("{what}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_manifest_of_a_version_that_is_not_known_is_refused_by_name() {
    for version in [1, 4] {
        let (place, _) = place().await;
        rewrite(&place.store, version, |_| {}).await;
        let opened = Checkpointer::open_store(place.store.clone(), "again").await;
        let Err(OpenError::Version { object, version: found }) = opened else { panic!("{version}: {opened:?}") };
        assert_eq!((object.starts_with("manifests/"), found), (true, version));
    }
}

#[tokio::test]
async fn no_flipped_bit_of_a_checkpoint_leads_to_a_wrong_answer() {
    let (mut place, definitions) = place().await;
    let whole = contents(&place.store).await;
    let (mut fell_back, mut refused) = (0, 0);
    for (object, bytes) in &whole {
        let places = [bytes.len() / 3, bytes.len() - bytes.len() / 5 - 1];
        for at in places {
            place.store = copy(&whole).await;
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            place.store.put(object, PutPayload::from(damaged)).await.unwrap();
            match place.try_start(&definitions).await {
                Ok((daemon, started)) => {
                    fell_back += started.skipped;
                    // What fell back has to read the stream again from there.
                    let mut daemon = daemon;
                    daemon.commit_all(&place.log);
                    daemon.check(&place.log);
                }
                Err(NotStarted::NothingGood(error)) => {
                    assert!(error.contains(object.as_ref()), "{object} is named: {error}");
                    refused += 1;
                }
                Err(error) => panic!("{object} at {at}: {error:?}"),
            }
        }
    }
    assert!(fell_back > whole.len() / 2, "{fell_back} fell back and {refused} were refused, of {}", whole.len());
}

/// Every object by its name.
async fn contents(store: &Arc<dyn ObjectStore>) -> BTreeMap<Path, Vec<u8>> {
    let names: Vec<Path> = store.list(None).map_ok(|found| found.location).try_collect().await.unwrap();
    let mut contents = BTreeMap::new();
    for name in names {
        let bytes = store.get(&name).await.unwrap().bytes().await.unwrap().to_vec();
        contents.insert(name, bytes);
    }
    contents
}

async fn copy(contents: &BTreeMap<Path, Vec<u8>>) -> Arc<dyn ObjectStore> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (name, bytes) in contents {
        store.put(name, PutPayload::from(bytes.clone())).await.unwrap();
    }
    store
}

/// Changes the newest manifest, which stays whole: its checksum is of the changed text.
pub(super) async fn rewrite(store: &Arc<dyn ObjectStore>, version: u32, edit: impl Fn(&mut Value)) {
    let (name, bytes) =
        contents(store).await.into_iter().rfind(|(name, _)| name.as_ref().starts_with("manifests/")).unwrap();
    let mut envelope: Value = serde_json::from_slice(&bytes).unwrap();
    edit(&mut envelope["manifest"]);
    let manifest = to_raw_value(&envelope["manifest"]).unwrap();
    let checksum = format!("{:016x}", xxh3_64(format!("{version}:{}", manifest.get()).as_bytes()));
    let text = format!(
        r#"{{"format":{},"version":{version},"checksum":"{checksum}","manifest":{}}}"#,
        envelope["format"],
        manifest.get()
    );
    store.put(&name, PutPayload::from(text)).await.unwrap();
}
