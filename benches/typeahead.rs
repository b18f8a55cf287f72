//! How long a search box waits: each key that is pressed is a search with free text over a million documents.
//!
//! Somebody types one to three words of some document's title, key by key, a fifth of them with a typing error. The goal is a
//! p99 of at most 20 ms for a search, on one thread. `cargo bench --bench typeahead -- 100000` takes fewer documents.

#[path = "doors/documents.rs"]
mod documents;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use documents::{Chance, Vocabulary, WORDS, typed};
use readside::circuit::ZBatch;
use readside::progress::Cut;
use readside::read_model::search::{
    FieldKind, FieldSpec, Highlight, SearchIndex, SearchRequest, SearchSnapshot, SearchSpec, StopWords, Tokenizer,
    WriterSettings,
};
use readside::read_model::table::{Table, TableSpec};

const DOCUMENTS: usize = 1_000_000;
const TEXTS: usize = 150;
const GOAL: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let documents = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(DOCUMENTS);
    let (mut chance, vocabulary) = (Chance::of(1), Vocabulary::new());
    let home = tempfile::tempdir()?;
    let start = Instant::now();
    let snapshot = indexed(home.path(), documents, &vocabulary)?;
    let (seconds, segments) = (start.elapsed().as_secs_f64(), snapshot.num_segments());
    println!("{documents} documents, {WORDS} words, indexed in {seconds:.0} s, in {segments} segments");

    let mut taken: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    let mut slowest = (Duration::ZERO, String::new());
    for _ in 0..TEXTS {
        let title = vocabulary.title(chance.below(documents) as u64);
        let (text, has_typo) = typed(&title, &mut chance);
        for end in (1..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let text = &text[..end];
            let request = SearchRequest {
                text: Some(text.to_owned()),
                limit: 10,
                highlight: Some(Highlight { fields: vec!["title".to_owned()], max_chars: 200 }),
                ..SearchRequest::default()
            };
            let start = Instant::now();
            let answer = snapshot.search(&request)?;
            let time = start.elapsed();
            if answer.hits.is_empty() && !has_typo {
                return Err(format!("`{text}` of `{title}` finds nothing").into());
            }
            let letters = text.rsplit(' ').next().unwrap_or_default().chars().count();
            let kind = match letters {
                0..=1 => "1 letter",
                2..=4 => "2 to 4 letters",
                5..=7 => "5 to 7, one typo",
                _ => "8 and more, two typos",
            };
            taken.entry(kind.to_owned()).or_default().push(time);
            taken.entry("all".to_owned()).or_default().push(time);
            if time > slowest.0 {
                slowest = (time, text.to_owned());
            }
        }
    }
    println!("{:<24} {:>8} {:>9} {:>9} {:>9}", "last word", "searches", "p50 ms", "p99 ms", "max ms");
    for (kind, times) in &mut taken {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
        println!("{kind:<24} {:>8} {:>9.2} {:>9.2} {:>9.2}", times.len(), at(0.5), at(0.99), at(1.0));
    }
    let all = &taken["all"];
    let p99 = all[(all.len() - 1) * 99 / 100];
    let verdict = if p99 <= GOAL { "within" } else { "beyond" };
    println!("p99 is {verdict} the goal of {} ms; slowest: `{}`", GOAL.as_millis(), slowest.1);
    Ok(())
}

fn indexed(
    folder: &std::path::Path,
    documents: usize,
    vocabulary: &Vocabulary,
) -> Result<SearchSnapshot, Box<dyn Error>> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema: SchemaRef =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), text("title"), text("body")]));
    let name = "documents".to_owned();
    let mut table = Table::new(Arc::new(TableSpec {
        name: name.clone(),
        schema: schema.clone(),
        key: vec![0],
        key_proven: true,
        indexes: Vec::new(),
    }))?;
    let field = |column, weight| {
        let kind = FieldKind::Text { tokenizer: Tokenizer::Default };
        FieldSpec { column, kind, weight, sort: false, facet: false }
    };
    let spec = SearchSpec {
        name,
        schema: schema.clone(),
        key: vec![0],
        fields: vec![field(1, 3), field(2, 1)],
        synonyms: Vec::new(),
        stop_words: StopWords::None,
    };
    let mut index = SearchIndex::open(folder, spec, WriterSettings::default())?;
    let mut next = 0;
    while next < documents {
        let ids: Vec<i64> = (next..documents.min(next + 20_000)).map(|id| id as i64).collect();
        next += ids.len();
        let title: Vec<String> = ids.iter().map(|id| vocabulary.title(*id as u64)).collect();
        let body: Vec<String> = ids.iter().map(|id| vocabulary.body(*id as u64)).collect();
        let columns = (Int64Array::from(ids), StringArray::from(title), StringArray::from(body));
        let rows =
            RecordBatch::try_new(schema.clone(), vec![Arc::new(columns.0), Arc::new(columns.1), Arc::new(columns.2)])?;
        let nothing = rows.slice(0, 0);
        index.apply(&rows, &nothing, &nothing.project(&[0])?)?;
        table.apply(&ZBatch::inserts(rows))?;
        // As many commits as a daemon makes while it builds.
        if next % 100_000 == 0 {
            index.commit(&Cut::default())?;
        }
    }
    // A daemon goes on committing, so that readers see what was merged beside.
    let (mut segments, mut same) = (0, 0);
    while same < 5 {
        index.commit(&Cut::default())?;
        let now = index.snapshot(table.snapshot()).num_segments();
        same = if now == segments { same + 1 } else { 0 };
        segments = now;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(index.snapshot(table.snapshot()))
}
