//! Everything that a daemon answers, in a form that can be compared: sums of hashes over all rows and documents,
//! freshness, and what the checkpoint keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::daemon::Daemon;
use super::folder::Folder;
use super::shop::{CITIES, TABLES, WORDS};

/// Rows of one answer, about.
const CHUNK_ROWS: u64 = 20_000;

/// How many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, item: &Value) {
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(xxh3_64(item.to_string().as_bytes()));
    }
}

/// What two runs over the same stream must agree on.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) tables: BTreeMap<String, Sum>,
    /// By query.
    pub(crate) searches: BTreeMap<String, Sum>,
    facets: Value,
    freshness: BTreeMap<String, Value>,
    pub(crate) parked: BTreeSet<String>,
    /// Admitted events by type and version.
    pub(crate) admitted: BTreeMap<String, BTreeMap<u32, u64>>,
    greatest_event_time_us: Option<i64>,
}

impl Digest {
    pub(crate) fn assert_same(&self, other: &Self) {
        assert_eq!(self.tables, other.tables);
        assert_eq!(self.searches, other.searches);
        assert_eq!(self.facets, other.facets);
        let differing: Vec<&String> = self.parked.symmetric_difference(&other.parked).collect();
        assert_eq!(differing, Vec::<&String>::new(), "parked in one of both");
        assert_eq!(self.freshness, other.freshness);
        assert_eq!(self.admitted, other.admitted);
        assert_eq!(self.greatest_event_time_us, other.greatest_event_time_us);
    }
}

/// Reads everything when all through `position` is applied, and ends the daemon to read its last checkpoint.
pub(crate) async fn digest(daemon: Daemon, folder: &Folder, position: u64, within: Duration) -> Digest {
    daemon.catch_up(position, within);
    let at = format!("minPosition=orders:{position}&wait=30s");
    let tables = TABLES.iter().map(|table| (table.to_string(), rows(&daemon, table)));
    let tables: BTreeMap<String, Sum> = tables.collect();
    // City by city, because a search gives no more than ten thousand hits.
    let words = WORDS.iter().chain(&["name", "urgent+cold+gift"]);
    let mut queries: Vec<String> = words.flat_map(|word| CITIES.map(|city| format!("q={word}&city={city}"))).collect();
    queries.push("city=Oslo".to_owned());
    let searches = queries.into_iter().map(|query| {
        let sum = documents(&daemon, &format!("{query}&{at}"));
        (query, sum)
    });
    let searches = searches.collect();
    let facets = daemon.get(&format!("/v1/search/customer_search?q=name&facet=city&{at}")).1["facets"].clone();
    let freshness = TABLES.iter().map(|table| (table.to_string(), freshness(&daemon, table)));
    let freshness = freshness.collect();
    let (status, took) = daemon.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    let (manifest, parked) = folder.contents().await;
    let source = &manifest.content.sources["orders"];
    assert_eq!(
        (source.covered, source.applied),
        (position.into(), position.into()),
        "the last checkpoint is at the end"
    );
    Digest {
        tables,
        searches,
        facets,
        freshness,
        parked,
        admitted: source.admitted.clone(),
        greatest_event_time_us: source.greatest_event_time_us,
    }
}

/// A table's rows, some at a time.
fn rows(daemon: &Daemon, table: &str) -> Sum {
    let count = daemon.sql(&format!("SELECT count(*) AS n FROM {table}"))["items"][0]["n"].as_u64().expect("a count");
    let chunks = count / CHUNK_ROWS + 1;
    let mut sum = Sum::default();
    for chunk in 0..chunks {
        let answer = daemon.sql(&format!("SELECT * FROM {table} WHERE position % {chunks} = {chunk}"));
        answer["items"].as_array().expect("rows").iter().for_each(|row| sum.add(row));
    }
    assert_eq!(sum.count, count, "{table}: every row has a position");
    sum
}

/// Every hit of a search, without its score: that depends on how the index is cut into segments.
fn documents(daemon: &Daemon, query: &str) -> Sum {
    let mut sum = Sum::default();
    let mut token = String::new();
    loop {
        let path = format!("/v1/search/customer_search?pageSize=200&sort=-total&{query}{token}");
        let (status, answer) = daemon.get(&path);
        assert_eq!(status, 200, "{path}: {answer}");
        for hit in answer["items"].as_array().expect("hits") {
            sum.add(&hit["item"]);
        }
        match answer["page"]["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => {
                assert_eq!(answer["total"], sum.count, "{query}");
                return sum;
            }
        }
    }
}

/// A projection's freshness without the time of the answer.
fn freshness(daemon: &Daemon, projection: &str) -> Value {
    let what = format!("live freshness of {projection}");
    let mut freshness = daemon.wait(&what, Duration::from_secs(30), |daemon| {
        let freshness = daemon.get(&format!("/v1/projections/{projection}")).1["freshness"].clone();
        (freshness["state"] == "live" && freshness["lagSeconds"] == 0.0).then_some(freshness)
    });
    assert!(freshness["positions"]["orders"].is_u64(), "{freshness}");
    freshness.as_object_mut().expect("an object").remove("asOf");
    freshness
}
