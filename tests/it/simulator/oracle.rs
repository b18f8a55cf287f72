//! What every table has to hold: the batch result of its SQL over the admitted prefix, by DataFusion alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use readside::event::{Decoded, Decoder, SourceRelation, SourceSchema, metadata};
use readside::plan::{Program, Scope, batch};
use readside::progress::{Cut, SourceName, Watermark};

use super::definitions::Definitions;
use super::log::Log;

/// Rows as text, sorted.
pub(crate) type Rows = Vec<String>;

/// Source, projection (none if it could not be decoded) and sequence of a parked event.
pub(crate) type Parked = (String, Option<String>, u64);

/// What one set of definitions asks for.
pub(crate) struct Oracle {
    scope: Scope,
    projections: BTreeMap<String, Asked>,
    /// Projections in which an event without a proper rate errs.
    strict: BTreeSet<String>,
}

struct Asked {
    sql: String,
    key: Vec<usize>,
    upstream: Vec<String>,
    reads: BTreeSet<SourceName>,
}

/// What is expected at one cut. Computed as far as it is asked for.
pub(crate) struct Expected<'a> {
    oracle: &'a Oracle,
    log: &'a Log,
    decoded: BTreeMap<SourceName, Decoded>,
    results: RefCell<BTreeMap<String, Result<RecordBatch, String>>>,
}

impl Oracle {
    pub(crate) fn new(definitions: &Definitions, program: &Program) -> Self {
        let scope = program.scope();
        let mut projections = BTreeMap::new();
        for planned in &program.projections {
            let asked = Asked {
                sql: planned.config.sql.clone(),
                key: planned.compiled.schema.key.clone(),
                upstream: planned.compiled.upstream.clone(),
                reads: planned.compiled.schema.reads.keys().cloned().collect(),
            };
            projections.insert(planned.config.name.clone(), asked);
        }
        Self { scope, projections, strict: definitions.strict() }
    }

    pub(crate) fn at<'a>(&'a self, log: &'a Log, cut: &Cut) -> Expected<'a> {
        let decoded = self.scope.sources.iter().map(|(name, source)| {
            let schema = &source.schema;
            let messages = log.between(name, 0, cut.position(name).sequence());
            let decoder = Decoder::new(schema.clone()).unwrap_or_else(|problems| panic!("{problems:?}"));
            let mut watermark = Watermark::new(schema.lateness_us, None);
            (SourceName::from(name.as_str()), decoder.decode(messages, &mut watermark).unwrap())
        });
        Expected { oracle: self, log, decoded: decoded.collect(), results: RefCell::default() }
    }
}

impl Expected<'_> {
    pub(crate) fn rows(&self, projection: &str) -> Rows {
        text(&[self.result(projection).unwrap_or_else(|error| panic!("{projection}: {error}"))])
    }

    /// Whether the batch fails or two rows have one key, here or below: such a projection is in error.
    pub(crate) fn is_in_error(&self, projection: &str) -> bool {
        let asked = &self.oracle.projections[projection];
        if asked.upstream.iter().any(|name| self.is_in_error(name)) {
            return true;
        }
        let Ok(result) = self.result(projection) else { return true };
        // Only keys that are asserted can be false.
        if self.oracle.scope.projections[projection].key_proven {
            return false;
        }
        let keys = text(&[result.project(&asked.key).unwrap()]);
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Every event that is parked, sorted.
    pub(crate) fn parked(&self) -> Vec<Parked> {
        let mut parked: Vec<Parked> = Vec::new();
        for (source, decoded) in &self.decoded {
            parked.extend(decoded.rejected.iter().map(|r| (source.to_string(), None, r.message.seq)));
        }
        for projection in &self.oracle.strict {
            let rejected = sequences(&self.decoded["orders"].batch.metadata);
            let bad = rejected.filter(|seq| self.log.bad_rates.contains(seq));
            parked.extend(bad.map(|seq| ("orders".to_owned(), Some(projection.clone()), seq)));
        }
        parked.sort_unstable();
        parked
    }

    /// The rows, or the error of the batch: no event of these logs errs alone, beside those with bad rates.
    fn result(&self, projection: &str) -> Result<RecordBatch, String> {
        if let Some(known) = self.results.borrow().get(projection) {
            return known.clone();
        }
        let asked = &self.oracle.projections[projection];
        let rows = |source: Option<&str>, table: &str| match source {
            Some(source) if asked.reads.contains(source) => vec![self.events(projection, source, table)],
            None if asked.upstream.iter().any(|name| name == table) => vec![self.result(table).unwrap()],
            _ => Vec::new(),
        };
        let result = batch(asked.sql.as_str(), &self.oracle.scope, &rows).map_err(|refusal| refusal.message);
        self.results.borrow_mut().insert(projection.to_owned(), result.clone());
        result
    }

    /// A source's relation without what this projection cannot take.
    fn events(&self, projection: &str, source: &str, table: &str) -> RecordBatch {
        let schema: &SourceSchema = &self.oracle.scope.sources[source].schema;
        let relation: SourceRelation = schema.relation(table).unwrap();
        let full = schema.relation_schema(relation);
        let columns: Vec<usize> = (0..full.fields().len()).collect();
        let rows = self.decoded[source].batch.relation(relation, &full, &columns).unwrap();
        if !self.oracle.strict.contains(projection) {
            return rows;
        }
        let keep: BooleanArray = sequences(&rows).map(|seq| Some(!self.log.bad_rates.contains(&seq))).collect();
        filter_record_batch(&rows, &keep).unwrap()
    }
}

fn sequences(rows: &RecordBatch) -> impl Iterator<Item = u64> {
    rows.column(metadata::SEQ).as_primitive::<Int64Type>().clone().values().to_vec().into_iter().map(|seq| seq as u64)
}

/// Rows in a form that compares.
pub(crate) fn text(batches: &[RecordBatch]) -> Rows {
    let options = FormatOptions::new().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    rows.sort_unstable();
    rows
}
