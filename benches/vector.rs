//! How long it takes to find the ten nearest of many vectors, alone, behind a filter, and in one order with words.
//!
//! 100,000 rows with vectors of 384 numbers in clusters, as those of texts are; a fifth of the rows have been replaced since. Each answer is
//! compared with a search through all vectors in 64 bits (recall@10). `cargo bench --bench vector -- 10000` takes fewer rows.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, Float32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use readside::circuit::ZBatch;
use readside::progress::Cut;
use readside::read_model::search::{
    Distance, FieldKind, FieldSpec, Fusion, Nearest, SearchFilter, SearchIndex, SearchRequest, SearchSnapshot,
    SearchSpec, StopWords, Tokenizer, VectorSpec, WriterSettings,
};
use readside::read_model::table::{Table, TableSpec};

/// By the number of the row.
type Vectors = Vec<Vec<f32>>;

const ROWS: usize = 100_000;
const DIMENSIONS: usize = 384;
const CLUSTERS: usize = 200;
const ASKED: usize = 200;
const K: usize = 10;
const WORDS: [&str; 8] = ["red", "green", "hat", "shoe", "coat", "rain", "wool", "light"];

fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(ROWS);
    let mut random = fastrand::Rng::with_seed(29);
    let centres: Vec<Vec<f32>> = (0..CLUSTERS).map(|_| gaussian(&mut random)).collect();
    let home = tempfile::tempdir()?;
    let start = Instant::now();
    let (snapshot, vectors) = indexed(home.path(), rows, &centres, &mut random)?;
    println!("{rows} x {DIMENSIONS}, indexed in {:.0} s", start.elapsed().as_secs_f64());
    println!("{:<26} {:>9} {:>9} {:>9} {:>10}", "search", "p50 ms", "p99 ms", "max ms", "recall@10");
    for (name, every, has_words) in [
        ("all rows", 1, false),
        ("a filter of one in 10", 10, false),
        ("a filter of one in 1,000", 1_000, false),
        ("with words", 1, true),
    ] {
        let (mut times, mut found, mut wanted) = (Vec::new(), 0, 0);
        for _ in 0..ASKED {
            let vector = near(&centres[random.usize(0..CLUSTERS)], &mut random);
            let filter = SearchFilter::is(format!("one_in_{every}"), "yes");
            let request = SearchRequest {
                text: has_words.then(|| WORDS[random.usize(0..WORDS.len())].to_owned()),
                filters: if every > 1 { vec![filter] } else { Vec::new() },
                nearest: Some(Nearest { field: None, vector: vector.clone(), k: K, fusion: Fusion::default() }),
                limit: 2 * K,
                ..SearchRequest::default()
            };
            let start = Instant::now();
            let answer = snapshot.search(&request)?;
            times.push(start.elapsed());
            let nearest = by_hand(&vectors, &vector, every);
            wanted += nearest.len();
            let is_near =
                |key: &ScalarValue| matches!(key, ScalarValue::Int64(Some(id)) if nearest.contains(&(*id as usize)));
            let near = answer.hits.iter().filter(|hit| hit.parts.is_some_and(|parts| parts.vector.is_some()));
            found += near.filter(|hit| is_near(&hit.key[0])).count();
        }
        let recall = found as f64 / wanted as f64;
        println!("{name:<26} {} {recall:>10.4}", percentiles(times));
        if recall < 0.999 {
            return Err(format!("{name}: an exact search has to find all").into());
        }
    }
    Ok(())
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    format!("{:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0))
}

/// The ten nearest of the rows that a filter of one in so many lets through.
fn by_hand(vectors: &[Vec<f32>], from: &[f32], every: usize) -> Vec<usize> {
    let dot =
        |one: &[f32], other: &[f32]| -> f64 { one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let passing = vectors.iter().enumerate().step_by(every);
    let mut apart: Vec<(f64, usize)> = passing.map(|(id, own)| (-dot(from, own) / dot(own, own).sqrt(), id)).collect();
    apart.sort_by(|one, other| one.0.total_cmp(&other.0));
    apart.into_iter().take(K).map(|(_, id)| id).collect()
}

fn gaussian(random: &mut fastrand::Rng) -> Vec<f32> {
    // The sum of uniform numbers is near enough.
    (0..DIMENSIONS).map(|_| (0..6).map(|_| random.f32() - 0.5).sum()).collect()
}

fn near(centre: &[f32], random: &mut fastrand::Rng) -> Vec<f32> {
    gaussian(random).into_iter().zip(centre).map(|(noise, centre)| centre + 0.6 * noise).collect()
}

fn indexed(
    folder: &std::path::Path,
    count: usize,
    centres: &[Vec<f32>],
    random: &mut fastrand::Rng,
) -> Result<(SearchSnapshot, Vectors), Box<dyn Error>> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        text("title"),
        text("one_in_10"),
        text("one_in_1000"),
        Field::new("embedding", DataType::List(item.clone()), true),
    ]));
    let name = "documents".to_owned();
    let spec =
        TableSpec { name: name.clone(), schema: schema.clone(), key: vec![0], key_proven: true, indexes: Vec::new() };
    let mut table = Table::new(Arc::new(spec))?;
    let field = |column, kind| FieldSpec { column, kind, weight: 1, sort: false, facet: false };
    let vector = VectorSpec { dimensions: DIMENSIONS, distance: Distance::Cosine };
    let spec = SearchSpec {
        name,
        schema: schema.clone(),
        key: vec![0],
        fields: vec![
            field(1, FieldKind::Text { tokenizer: Tokenizer::Default }),
            field(2, FieldKind::Keyword),
            field(3, FieldKind::Keyword),
            field(4, FieldKind::Vector(vector)),
        ],
        synonyms: Vec::new(),
        stop_words: StopWords::None,
    };
    let mut index = SearchIndex::open(folder, spec, WriterSettings::default())?;
    let mut vectors = Vectors::new();
    let batch = |ids: &[usize], vectors: &[Vec<f32>]| -> Result<RecordBatch, Box<dyn Error>> {
        let word = |number: usize| WORDS[number % WORDS.len()];
        let title = |id: &usize| Some(format!("{} {}", word(*id), word(id / WORDS.len())));
        let one_in = |every: usize| -> StringArray {
            ids.iter().map(|id| Some(if id.is_multiple_of(every) { "yes" } else { "no" })).collect()
        };
        let numbers: Float32Array = ids.iter().flat_map(|id| vectors[*id].iter().copied()).collect();
        let offsets = OffsetBuffer::from_lengths(ids.iter().map(|_| DIMENSIONS));
        let titles: StringArray = ids.iter().map(title).collect();
        let lists = ListArray::try_new(item.clone(), offsets, Arc::new(numbers), None)?;
        let id: Int64Array = ids.iter().map(|id| Some(*id as i64)).collect();
        let columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(id), Arc::new(titles), Arc::new(one_in(10)), Arc::new(one_in(1_000)), Arc::new(lists)];
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    };
    while vectors.len() < count {
        let ids: Vec<usize> = (vectors.len()..count.min(vectors.len() + 10_000)).collect();
        vectors.extend(ids.iter().map(|id| near(&centres[id % CLUSTERS], random)));
        let rows = batch(&ids, &vectors)?;
        let nothing = rows.slice(0, 0);
        index.apply(&rows, &nothing, &nothing.project(&[0])?)?;
        table.apply(&ZBatch::inserts(rows))?;
        // As many commits as a daemon makes while it builds.
        index.commit(&Cut::default())?;
    }
    // What is replaced leaves dead rows behind.
    for start in 0..10 {
        let ids: Vec<usize> = (0..count).skip(start * 5).step_by(50).collect();
        let old = batch(&ids, &vectors)?;
        for id in &ids {
            vectors[*id] = near(&centres[id % CLUSTERS], random);
        }
        let new = batch(&ids, &vectors)?;
        let nothing = new.slice(0, 0);
        index.apply(&nothing, &new, &nothing.project(&[0])?)?;
        let gone = Int64Array::from(vec![-1; old.num_rows()]);
        table.apply(&ZBatch::concat(&schema, &[ZBatch::new(old, gone), ZBatch::inserts(new)])?)?;
    }
    index.commit(&Cut::default())?;
    Ok((index.snapshot(table.snapshot()), vectors))
}
