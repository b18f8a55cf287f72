//! What a commit of 1,000 changed rows costs on tables of 10 thousand, 100 thousand and a million keys.
//!
//! A commit has to cost O(delta), not O(table): the median on a million keys is meant to stay within 1.5 times that
//! on ten thousand. The mean includes compaction.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use readside::circuit::ZBatch;
use readside::read_model::table::{Table, TableSpec};

const CHANGES: usize = 1_000;
const COMMITS: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{CHANGES} updates a commit, {COMMITS} commits, apply + snapshot");
    println!(
        "{:>9} {:>10} {:>10} {:>10} {:>10} {:>9} {:>9}",
        "keys", "median", "mean", "p99", "max", "segments", "MiB"
    );
    let mut base = None;
    for keys in [10_000, 100_000, 1_000_000] {
        let median = measure(keys)?;
        let base = *base.get_or_insert(median);
        println!("{:>9} {:>9.2}x of 10k", "", median.as_secs_f64() / base.as_secs_f64());
    }
    Ok(())
}

fn measure(keys: usize) -> Result<Duration, Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(keys as u64);
    let mut table = Table::new(Arc::new(spec()))?;
    let mut versions = vec![0i64; keys];
    for start in (0..keys).step_by(50_000) {
        let part: Vec<(usize, i64)> = (start..keys.min(start + 50_000)).map(|key| (key, 0)).collect();
        table.apply(&ZBatch::inserts(rows(&part)?))?;
    }
    let mut times = Vec::with_capacity(COMMITS);
    let mut snapshot = table.snapshot();
    for _ in 0..COMMITS {
        let delta = updates(&mut random, &mut versions)?;
        let start = Instant::now();
        table.apply(&delta)?;
        let next = table.snapshot();
        times.push(start.elapsed());
        // Readers hold the one before, so that what it shares has to be copied before it is changed.
        snapshot = next;
    }
    assert_eq!(snapshot.num_rows(), keys);
    times.sort_unstable();
    let (median, mean) = (times[COMMITS / 2], times.iter().sum::<Duration>() / COMMITS as u32);
    let (p99, max) = (times[COMMITS * 99 / 100], times[COMMITS - 1]);
    let (segments, size) = (table.num_segments(), table.size() / (1024 * 1024));
    println!("{keys:>9} {median:>10.1?} {mean:>10.1?} {p99:>10.1?} {max:>10.1?} {segments:>9} {size:>9}");
    Ok(median)
}

/// Old rows taken back and new ones given for distinct random keys.
fn updates(random: &mut fastrand::Rng, versions: &mut [i64]) -> Result<ZBatch, Box<dyn Error>> {
    let keys: std::collections::BTreeSet<usize> =
        std::iter::repeat_with(|| random.usize(..versions.len())).take(CHANGES).collect();
    let old: Vec<(usize, i64)> = keys.iter().map(|&key| (key, versions[key])).collect();
    keys.iter().for_each(|&key| versions[key] += 1);
    let new = keys.iter().map(|&key| (key, versions[key]));
    let weights = (0..2 * old.len()).map(|row| if row < old.len() { -1 } else { 1 });
    let all: Vec<(usize, i64)> = old.iter().copied().chain(new).collect();
    Ok(ZBatch::new(rows(&all)?, Int64Array::from_iter_values(weights)))
}

fn spec() -> TableSpec {
    let fields = vec![
        Field::new("customer_id", DataType::Utf8, false),
        Field::new("tenant_id", DataType::Utf8, false),
        Field::new("orders", DataType::Int64, false),
        Field::new("revenue", DataType::Float64, true),
        Field::new("email", DataType::Utf8, true),
    ];
    let (name, schema) = ("customers".to_owned(), Arc::new(Schema::new(fields)));
    TableSpec { name, schema, key: vec![0], key_proven: true, indexes: vec![vec![1, 3]] }
}

fn rows(all: &[(usize, i64)]) -> Result<RecordBatch, Box<dyn Error>> {
    let text = |form: &dyn Fn(usize, i64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(|&(key, version)| form(key, version))))
    };
    let columns: Vec<ArrayRef> = vec![
        text(&|key, _| format!("customer-{key:09}")),
        text(&|key, _| format!("tenant-{}", key % 100)),
        Arc::new(Int64Array::from_iter_values(all.iter().map(|&(_, version)| version))),
        Arc::new(Float64Array::from_iter_values(all.iter().map(|&(key, version)| key as f64 * version as f64))),
        text(&|key, version| format!("customer-{key}-{version}@example.com")),
    ];
    Ok(RecordBatch::try_new(Arc::new(spec()).schema.clone(), columns)?)
}
