//! Search against a model: what an index answers equals what a plain map of rows would.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use super::spec::Language;
use super::*;
use crate::event::timestamp;
use crate::progress::Cut;
use crate::read_model::table::{TableSnapshot, TableSpec};
use crate::state::KeyShare;

mod answers;
mod background;
mod commits;
mod comparison;
mod queries;
mod typed;

/// A row by its key: notes, status, amount in cents, tags.
#[derive(Debug, Clone, PartialEq, Default)]
struct Order {
    notes: Option<String>,
    status: Option<String>,
    cents: Option<i64>,
    tags: Vec<String>,
}

type Model = BTreeMap<i64, Order>;

fn order(notes: &str, status: &str, cents: i64) -> Order {
    Order { notes: Some(notes.into()), status: Some(status.into()), cents: Some(cents), tags: Vec::new() }
}

fn schema() -> SchemaRef {
    let tags = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("notes", DataType::Utf8, true),
        Field::new("status", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(18, 2), true),
        Field::new("tags", tags, true),
    ]))
}

fn field(column: usize, kind: FieldKind) -> FieldSpec {
    FieldSpec { column, kind, weight: 1, sort: false, facet: false }
}

fn spec() -> SearchSpec {
    let text = FieldKind::Text { tokenizer: Tokenizer::Stem(Language::English) };
    SearchSpec {
        name: "order_search".into(),
        schema: schema(),
        key: vec![0],
        fields: vec![
            field(1, text),
            FieldSpec { facet: true, sort: true, ..field(2, FieldKind::Keyword) },
            FieldSpec { sort: true, ..field(3, FieldKind::Stored) },
            FieldSpec { facet: true, ..field(4, FieldKind::Keyword) },
        ],
        synonyms: Vec::new(),
        stop_words: StopWords::None,
    }
}

fn rows<'a>(orders: impl IntoIterator<Item = (&'a i64, &'a Order)>) -> RecordBatch {
    let orders: Vec<(&i64, &Order)> = orders.into_iter().collect();
    let mut tags = ListBuilder::new(StringBuilder::new());
    for (_, order) in &orders {
        order.tags.iter().for_each(|tag| tags.values().append_value(tag));
        tags.append(!order.tags.is_empty());
    }
    let amounts: Decimal128Array = orders.iter().map(|(_, order)| order.cents.map(i128::from)).collect();
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(orders.iter().map(|(id, _)| Some(**id)).collect::<Int64Array>()),
            Arc::new(orders.iter().map(|(_, order)| order.notes.clone()).collect::<StringArray>()),
            Arc::new(orders.iter().map(|(_, order)| order.status.clone()).collect::<StringArray>()),
            Arc::new(amounts.with_precision_and_scale(18, 2).unwrap()),
            Arc::new(tags.finish()),
        ],
    )
    .unwrap()
}

fn keys(ids: &[i64]) -> RecordBatch {
    let schema = Arc::new(schema().project(&[0]).unwrap());
    RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

fn table(model: &Model) -> TableSnapshot {
    let spec = TableSpec {
        name: "order_search".into(),
        schema: schema(),
        key: vec![0],
        key_proven: true,
        indexes: Vec::new(),
    };
    TableSnapshot::from_batches(Arc::new(spec), vec![rows(model)])
}

fn cut(position: u64) -> Cut {
    Cut { positions: BTreeMap::from([("orders".into(), position.into())]), revision: 0 }
}

fn open(directory: &Path) -> SearchIndex {
    SearchIndex::open(directory, spec(), WriterSettings::default()).unwrap()
}

/// An index with its model, kept in step.
struct Pair {
    index: SearchIndex,
    model: Model,
    committed: Model,
}

impl Pair {
    fn new(directory: &Path) -> Self {
        Self { index: open(directory), model: Model::new(), committed: Model::new() }
    }

    fn with(directory: &Path, orders: impl IntoIterator<Item = (i64, Order)>) -> Self {
        let mut pair = Self::new(directory);
        pair.put(orders);
        pair.commit(1);
        pair
    }

    fn put(&mut self, orders: impl IntoIterator<Item = (i64, Order)>) {
        let (mut inserted, mut updated) = (Model::new(), Model::new());
        for (id, order) in orders {
            let into = if self.model.contains_key(&id) { &mut updated } else { &mut inserted };
            into.insert(id, order.clone());
        }
        self.index.apply(&rows(&inserted), &rows(&updated), &keys(&[])).unwrap();
        self.model.extend(inserted.into_iter().chain(updated));
    }

    fn delete(&mut self, ids: &[i64]) {
        let none = rows(&Model::new());
        self.index.apply(&none, &none, &keys(ids)).unwrap();
        ids.iter().for_each(|id| drop(self.model.remove(id)));
    }

    fn commit(&mut self, position: u64) {
        self.index.commit(&cut(position)).unwrap();
        self.committed = self.model.clone();
    }

    fn snapshot(&self) -> SearchSnapshot {
        self.index.snapshot(table(&self.committed))
    }
}

/// The pinned files in a directory of their own.
fn restored(pin: &PinnedFiles) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, path) in &pin.files {
        fs::copy(path, copy.path().join(name)).unwrap();
    }
    copy
}

fn ids(answer: &SearchAnswer) -> Vec<i64> {
    let ids = answer.rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    let keys: Vec<i64> = answer.hits.iter().map(|hit| hit.key[0].clone().try_into().unwrap()).collect();
    assert_eq!(ids, keys, "a hit and its row are in the same place");
    ids
}

fn request(query: &str) -> SearchRequest {
    SearchRequest { query: query.into(), limit: 1_000, ..SearchRequest::default() }
}

fn find(snapshot: &SearchSnapshot, query: &str) -> Vec<i64> {
    let mut found = ids(&snapshot.search(&request(query)).unwrap());
    found.sort_unstable();
    found
}

fn refusal(snapshot: &SearchSnapshot, request: &SearchRequest) -> String {
    match snapshot.search(request) {
        Err(SearchError::Invalid(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

/// NULLs last in both directions.
fn cents_rank(cents: Option<i64>, descending: bool) -> (bool, i64) {
    (cents.is_none(), cents.map_or(0, |cents| if descending { -cents } else { cents }))
}

/// Everything that a snapshot can be asked equals the model.
fn assert_equals_model(snapshot: &SearchSnapshot, model: &Model, words: &[&str], statuses: &[&str]) {
    assert_eq!(snapshot.num_documents(), model.len() as u64);
    assert_eq!(snapshot.compare_index(KeyShare::ALL).unwrap(), IndexComparison::default());
    for word in words {
        let expected: Vec<i64> = model
            .iter()
            .filter(|(_, order)| order.notes.as_ref().is_some_and(|notes| notes.split(' ').any(|other| other == *word)))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(find(snapshot, &format!("notes:{word}")), expected, "{word}");
    }
    let mut any = request(&words.join(" "));
    any.limit = 1_000;
    for sort in [None, Some(("amount", true)), Some(("amount", false)), Some(("status", true))] {
        any.sort = sort.iter().map(|(name, descending)| ((*name).to_owned(), *descending)).collect();
        let all = ids(&snapshot.search(&any).unwrap());
        let page = SearchRequest { offset: 2, limit: 3, ..any.clone() };
        let expected: Vec<i64> = all.iter().copied().skip(2).take(3).collect();
        assert_eq!(ids(&snapshot.search(&page).unwrap()), expected, "a page by {sort:?} of {all:?}");
        if let Some(("amount", descending)) = sort {
            let mut expected = all.clone();
            expected.sort_by_key(|id| (cents_rank(model[id].cents, descending), *id));
            assert_eq!(all, expected, "descending: {descending}");
        }
    }
    for status in statuses {
        let expected: Vec<i64> =
            model.iter().filter(|(_, order)| order.status.as_deref() == Some(*status)).map(|(id, _)| *id).collect();
        let mut by_status = request("");
        by_status.filters = vec![SearchFilter::is("status", *status)];
        by_status.facets = vec!["status".into(), "tags".into()];
        let answer = snapshot.search(&by_status).unwrap();
        assert_eq!(ids(&answer), expected, "{status}, in the order of the key");
        assert_eq!(answer.rows, rows(model.iter().filter(|(id, _)| expected.contains(id))), "rows agree with hits");
        let counted: Vec<(String, u64)> =
            if expected.is_empty() { vec![] } else { vec![((*status).into(), expected.len() as u64)] };
        assert_eq!(answer.facets["status"], counted);
    }
}

#[test]
fn answers_equal_a_model_under_random_changes() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["alpha", "beta", "gamma", "delta", "omega"];
    let statuses = ["NEW", "READY", "SHIPPED"];
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(home.path());
    let mut position = 0;
    for _ in 0..120 {
        let mut changed = Model::new();
        for _ in 0..random.usize(0..12) {
            let words: Vec<&str> = (0..random.usize(1..4)).map(|_| words[random.usize(0..words.len())]).collect();
            let order = Order {
                notes: random.bool().then(|| words.join(" ")),
                status: random.bool().then(|| statuses[random.usize(0..statuses.len())].to_owned()),
                cents: random.bool().then(|| random.i64(-500..500)),
                tags: words.iter().map(|word| (*word).to_owned()).collect(),
            };
            changed.insert(random.i64(0..60), order);
        }
        pair.put(changed);
        let live: Vec<i64> = pair.model.keys().copied().collect();
        let gone: Vec<i64> = live.into_iter().filter(|_| random.u8(0..10) == 0).collect();
        pair.delete(&gone);
        position += 1;
        match random.u8(0..10) {
            0..=3 => {
                pair.commit(position);
                assert_equals_model(&pair.snapshot(), &pair.committed, &words, &statuses);
            }
            4 => {
                // A crash: what was not committed has to be applied again.
                let committed = pair.committed.clone();
                drop(pair);
                let index = open(home.path());
                pair = Pair { index, model: committed.clone(), committed };
                assert_equals_model(&pair.snapshot(), &pair.committed, &words, &statuses);
            }
            5 => {
                // While merges may be under way.
                let copy = restored(&pair.index.pin().unwrap());
                let snapshot = open(copy.path()).snapshot(table(&pair.committed));
                assert_equals_model(&snapshot, &pair.committed, &words, &statuses);
            }
            _ => assert_eq!(pair.snapshot().num_documents(), pair.committed.len() as u64, "uncommitted is unseen"),
        }
    }
}
