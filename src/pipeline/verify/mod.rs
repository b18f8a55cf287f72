//! Recomputes a projection in batch over exactly the events of a cut, read once more from its sources, and compares the result
//! with the rows that are served.
//!
//! The incremental operators have no part in it, so it finds what is wrong with their state, with the table, and with what a
//! checkpoint made of them. What a projection reads of others is taken as it is served: those are verified by themselves. A search
//! index is compared with the rows of its own cut.

mod comparison;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::build::{BuildError, BuildReader};
use super::engine::Engine;
use super::intake::Intake;
use super::quota::Quota;
use crate::event::{EventBatch, SourceSchema, metadata};
use crate::identity::Identity;
use crate::lifecycle::GenerationId;
use crate::plan::{Scope, batch};
use crate::progress::{Cut, Losses, SourceName};
use crate::read_model::InputRows;
use crate::read_model::search::{IndexComparison, IndexFault, SearchSnapshot};
use crate::source::Source;

use comparison::compare;
pub use comparison::{RowDifference, RowFault};

/// So long a source may say nothing.
const SILENT_LONGEST: Duration = Duration::from_secs(60);

/// A projection to be verified, at one cut.
#[derive(Debug)]
pub struct Subject {
    pub generation: GenerationId,
    pub cut: Cut,
    /// Of what its rows are.
    pub identity: Option<Identity>,
    rows: InputRows,
    schema: SchemaRef,
    key: Vec<usize>,
    /// What it reads of others, at the same cut.
    inputs: BTreeMap<String, InputRows>,
    /// The sources that it reads itself, at their beginning.
    pub intakes: BTreeMap<SourceName, Intake>,
    /// What had vanished of them when it was built, or since.
    lost: BTreeMap<SourceName, u64>,
    /// Events that it could not take.
    parked: BTreeMap<SourceName, BTreeSet<u64>>,
    /// Of a search index: its last commit, with the rows of its own cut.
    index: Option<SearchSnapshot>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Verified {
    /// The batch gives the same rows.
    Equal { rows: u64 },
    Different {
        /// Keys whose rows differ, and keys that are indexed otherwise than their rows say.
        total: u64,
        /// The first of both.
        differences: Vec<RowDifference>,
    },
    /// It cannot be said.
    NotVerifiable { reason: String },
}

impl Verified {
    /// With what was found of the index over these rows.
    fn and_index(self, found: IndexComparison) -> Self {
        let (total, mut differences) = match self {
            Self::Equal { .. } if found.total > 0 => (0, Vec::new()),
            Self::Different { total, differences } => (total, differences),
            other => return other,
        };
        differences.extend(found.differences.into_iter().map(|(key, fault)| {
            let fault = match fault {
                IndexFault::Missing => RowFault::NotIndexed,
                IndexFault::WithoutRow => RowFault::IndexedWithoutRow,
                IndexFault::Twice => RowFault::IndexedTwice,
                IndexFault::Otherwise => RowFault::IndexedOtherwise,
            };
            RowDifference { key, fault, columns: Vec::new() }
        }));
        Self::Different { total: total + found.total, differences }
    }
}

impl Subject {
    /// A projection of a live engine; as error, why nothing can be said of it.
    pub(super) fn of(engine: &Engine, projection: &str) -> Result<Self, String> {
        let generation = engine.shown().find(|one| one.projection() == projection);
        let generation = generation.ok_or_else(|| format!("`{projection}` has no rows yet"))?;
        if !generation.state().steps() {
            let reason = generation.state().reason().unwrap_or("it has stopped");
            return Err(format!("its rows are those of an earlier cut: {reason}"));
        }
        if generation.is_in_error() {
            return Err(
                "it is in error: its batch result is an error too, and its rows are those of an earlier cut".to_owned()
            );
        }
        let upstream: BTreeSet<String> = generation.definition.upstream.iter().cloned().collect();
        let inputs = engine.shown().filter(|one| upstream.contains(one.projection()));
        let inputs = inputs.map(|one| (one.projection().to_owned(), one.input_rows()));
        let reads = |name: &SourceName| generation.has_events() && generation.definition.reads.contains_key(name);
        let intakes = engine.intakes.iter().filter(|(name, _)| reads(name));
        let lost = |name: &SourceName, intake: &Intake| {
            let own = generation.lost().get(name).map_or(0, Losses::messages);
            own.max(intake.progress.losses().messages())
        };
        let mut parked: BTreeMap<SourceName, BTreeSet<u64>> = BTreeMap::new();
        for one in engine.parked.iter().filter(|one| one.generation.as_ref() == Some(&generation.id)) {
            parked.entry(one.source.clone()).or_default().insert(one.rejected.message.seq);
        }
        Ok(Self {
            generation: generation.id.clone(),
            cut: engine.cut(),
            identity: generation.definition.rows,
            rows: generation.input_rows(),
            schema: generation.definition.table.schema.clone(),
            key: generation.definition.table.key.clone(),
            inputs: inputs.collect(),
            lost: intakes.clone().map(|(name, intake)| (name.clone(), lost(name, intake))).collect(),
            intakes: intakes.map(|(name, intake)| (name.clone(), intake.begun_again())).collect(),
            parked,
            index: generation.index(),
        })
    }

    /// Reads the sources through the cut, recomputes, and compares. Blocks while it computes. `sources` begin at their beginning,
    /// and the events may take `bytes_max` at once.
    pub async fn verify(
        self,
        sql: &str,
        scope: &Scope,
        sources: BTreeMap<SourceName, Box<dyn Source>>,
        bytes_max: usize,
    ) -> Verified {
        match self.recomputed(sql, scope, sources, bytes_max).await {
            Ok(verified) => verified,
            Err(reason) => Verified::NotVerifiable { reason },
        }
    }

    async fn recomputed(
        mut self,
        sql: &str,
        scope: &Scope,
        sources: BTreeMap<SourceName, Box<dyn Source>>,
        bytes_max: usize,
    ) -> Result<Verified, String> {
        let mut events: BTreeMap<SourceName, Vec<EventBatch>> = BTreeMap::new();
        let mut bytes = 0;
        for (name, source) in sources {
            let target = self.cut.position(&name);
            let Some(mut intake) = self.intakes.remove(&name) else { continue };
            let mut reader = BuildReader::new(name.clone(), source);
            let mut lost = Losses::default();
            let batches = events.entry(name.clone()).or_default();
            while intake.progress.covered() < target {
                let next = timeout(SILENT_LONGEST, reader.next(intake.progress.covered(), target)).await;
                let fetched = match next.unwrap_or_else(|_| Ok(Err("nothing comes of it".to_owned()))) {
                    Ok(Ok(fetched)) => fetched,
                    Ok(Err(why)) => return Err(format!("source `{name}` cannot be read now: {why}")),
                    Err(BuildError::Halted { message, .. }) => return Err(format!("source `{name}`: {message}")),
                    Err(error) => return Err(error.to_string()),
                };
                lost.extend(reader.take_lost());
                let decoded =
                    intake.decode(&fetched.messages, Quota::unlimited()).map_err(|error| error.to_string())?;
                intake.progress.reached(fetched.covered.into());
                bytes += bytes_of(&decoded.0.batch);
                if bytes > bytes_max {
                    let mib = bytes_max >> 20;
                    return Err(format!(
                        "its events take more than {mib} MiB at once, which is as much as a verification may take"
                    ));
                }
                batches.push(decoded.0.batch);
            }
            let known = self.lost.get(&name).copied().unwrap_or_default();
            if lost.messages() != known {
                let ranges: Vec<String> =
                    lost.ranges().iter().map(|range| format!("{} to {}", range.first, range.last)).collect();
                return Err(format!(
                    "source `{name}` has changed since it was read: {} messages are gone by now ({}), and {known} were when it was \\
                     read",
                    lost.messages(),
                    ranges.join(", ")
                ));
            }
        }
        let (expected, served) = (self.expected(sql, scope, &events)?, rows_of(&self.rows)?);
        let verified = compare(&self.schema, &self.key, &served, &expected).map_err(|error| error.to_string())?;
        let Some(index) = &self.index else { return Ok(verified) };
        let found =
            index.compare_index().map_err(|error| format!("the index cannot be compared with its rows: {error}"))?;
        Ok(verified.and_index(found))
    }

    /// The batch result.
    fn expected(
        &self,
        sql: &str,
        scope: &Scope,
        events: &BTreeMap<SourceName, Vec<EventBatch>>,
    ) -> Result<RecordBatch, String> {
        let rows = |source: Option<&str>, table: &str| -> Result<Vec<RecordBatch>, ArrowError> {
            let Some(source) = source else {
                return self.inputs.get(table).map_or(Ok(Vec::new()), batches_of);
            };
            let (Some(of), Some(batches)) = (scope.sources.get(source), events.get(source)) else {
                return Ok(Vec::new());
            };
            let parked = self.parked.get(source);
            batches.iter().map(|batch| relation(&of.schema, table, batch, parked)).collect()
        };
        // The batch asks within a plan, where nothing can fail.
        let failed = std::cell::RefCell::new(None);
        let found = |source: Option<&str>, table: &str| {
            rows(source, table).unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error.to_string());
                Vec::new()
            })
        };
        let expected = batch(sql, scope, &found);
        match failed.into_inner() {
            Some(error) => Err(error),
            None => expected.map_err(|refusal| format!("the batch fails: {}", refusal.message)),
        }
    }
}

/// A relation's rows of a batch of events, without those that could not be taken.
fn relation(
    schema: &Arc<SourceSchema>,
    table: &str,
    batch: &EventBatch,
    parked: Option<&BTreeSet<u64>>,
) -> Result<RecordBatch, ArrowError> {
    let relation = schema.relation(table);
    let relation = relation.ok_or_else(|| ArrowError::SchemaError(format!("there is no relation `{table}`")))?;
    let full = schema.relation_schema(relation);
    let columns: Vec<usize> = (0..full.fields().len()).collect();
    let rows = batch.relation(relation, &full, &columns)?;
    let Some(parked) = parked else { return Ok(rows) };
    let sequences = rows.column(metadata::SEQ).as_primitive::<Int64Type>();
    let taken: BooleanArray = sequences.values().iter().map(|seq| Some(!parked.contains(&(*seq as u64)))).collect();
    filter_record_batch(&rows, &taken)
}

fn bytes_of(batch: &EventBatch) -> usize {
    let fields = batch.types.iter().map(|rows| rows.fields.get_array_memory_size()).sum::<usize>();
    batch.metadata.get_array_memory_size() + fields
}

fn batches_of(rows: &InputRows) -> Result<Vec<RecordBatch>, ArrowError> {
    Ok(rows.changes_since(None)?.into_iter().map(|changes| changes.rows).collect())
}

fn rows_of(rows: &InputRows) -> Result<Vec<RecordBatch>, String> {
    batches_of(rows).map_err(|error| error.to_string())
}
