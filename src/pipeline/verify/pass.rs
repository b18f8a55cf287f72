//! One pass over the sources: the events that a share of the keys needs, in bounded memory.
//!
//! Where they take too much, the pass lets go of the half of its keys, keeps of what it has what the other half needs, and goes on
//! reading. What it let go of has its own pass later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use tokio::time::timeout;

use super::super::build::{BuildError, BuildReader};
use super::super::intake::Intake;
use super::super::quota::Quota;
use super::{Means, Subject};
use crate::event::{EventBatch, SourceSchema, metadata};
use crate::plan::{Batch, Needed, RelationName};
use crate::progress::{Losses, SourceName};
use crate::source::Source;
use crate::state::KeyShare;

/// So long a source may say nothing.
const SILENT_LONGEST: Duration = Duration::from_secs(60);

/// Parts that what is asked for is divided into at the most: so often the sources are read.
const PASSES_MAX: u32 = 64;

/// What comparing takes of each row that is served.
const ROW_BYTES: usize = 100;

pub(super) struct Pass<'a> {
    subject: &'a Subject,
    means: &'a Means<'a>,
    /// The keys that it is about by now.
    pub(super) share: KeyShare,
    /// Parts beyond which it is not divided.
    parts_max: u32,
    needed: BTreeMap<RelationName, Needed>,
    /// What it keeps of each relation, and how many bytes that is.
    kept: BTreeMap<RelationName, (Vec<RecordBatch>, usize)>,
    /// What it has let go of.
    pub(super) left: Vec<KeyShare>,
}

impl<'a> Pass<'a> {
    /// A pass for some keys, of those that are asked for.
    ///
    /// # Errors
    /// Why the batch cannot be planned.
    pub(super) fn new(
        subject: &'a Subject,
        means: &'a Means<'a>,
        share: KeyShare,
        asked: KeyShare,
    ) -> Result<Self, String> {
        let batch = match subject.is_divided() {
            true => Batch::within(means.selected, means.scope, &subject.key, share),
            false => Batch::new(means.selected, means.scope),
        };
        let needed = batch.and_then(|batch| batch.needed()).map_err(|refusal| fails(&refusal.message))?;
        let parts_max = asked.parts().saturating_mul(PASSES_MAX);
        let mut pass = Self { subject, means, share, parts_max, needed, kept: BTreeMap::new(), left: Vec::new() };
        let comparing = |share: KeyShare| subject.rows.num_rows() * ROW_BYTES / share.parts() as usize;
        while subject.is_divided() && comparing(pass.share) > means.bytes_max {
            pass.narrow()?;
        }
        Ok(pass)
    }

    /// Reads all sources through the cut.
    ///
    /// # Errors
    /// Why that cannot be done, as a sentence.
    pub(super) async fn read(&mut self) -> Result<(), String> {
        let subject = self.subject;
        for (name, intake) in &subject.intakes {
            let source = (self.means.open)(name, intake)?;
            self.read_source(name, intake.clone(), source).await?;
        }
        Ok(())
    }

    async fn read_source(
        &mut self,
        name: &SourceName,
        mut intake: Intake,
        source: Box<dyn Source>,
    ) -> Result<(), String> {
        let target = self.subject.cut.position(name);
        let mut reader = BuildReader::new(name.clone(), source);
        let mut lost = Losses::default();
        while intake.progress.covered() < target {
            let next = timeout(SILENT_LONGEST, reader.next(intake.progress.covered(), target)).await;
            let fetched = match next.unwrap_or_else(|_| Ok(Err("nothing comes of it".to_owned()))) {
                Ok(Ok(fetched)) => fetched,
                Ok(Err(why)) => return Err(format!("source `{name}` cannot be read now: {why}")),
                Err(BuildError::Halted { message, .. } | BuildError::Gone { message, .. }) => {
                    return Err(format!("source `{name}`: {message}"));
                }
                Err(error) => return Err(error.to_string()),
            };
            lost.extend(reader.take_lost());
            let decoded = intake.decode(&fetched.messages, Quota::unlimited()).map_err(|error| error.to_string())?;
            intake.progress.reached(fetched.covered.into());
            self.take(name, &decoded.0.batch)?;
        }
        let known = self.subject.lost.get(name).copied().unwrap_or_default();
        if lost.messages() != known {
            let ranges: Vec<String> =
                lost.ranges().iter().map(|range| format!("{} to {}", range.first, range.last)).collect();
            return Err(format!(
                "source `{name}` has changed since it was read: {} messages are gone by now ({}), and {known} were when it was \
                 read",
                lost.messages(),
                ranges.join(", ")
            ));
        }
        Ok(())
    }

    /// Keeps what is needed of some events.
    fn take(&mut self, source: &SourceName, events: &EventBatch) -> Result<(), String> {
        let Some(of) = self.means.scope.sources.get(source.as_ref()) else { return Ok(()) };
        let parked = self.subject.parked.get(source);
        for (name, needed) in &self.needed {
            if name.0.as_deref() != Some(source.as_ref()) {
                continue;
            }
            let rows = relation(&of.schema, &name.1, events, parked).map_err(|error| error.to_string())?;
            let rows = needed.of(rows, self.share).map_err(|error| error.to_string())?;
            if rows.num_rows() > 0 {
                let kept = self.kept.entry(name.clone()).or_default();
                kept.1 += rows.get_array_memory_size();
                kept.0.push(rows);
            }
        }
        while self.kept.values().map(|(_, bytes)| bytes).sum::<usize>() > self.means.bytes_max {
            self.narrow()?;
        }
        Ok(())
    }

    /// Lets go of half of the keys.
    ///
    /// # Errors
    /// Why that would not help.
    fn narrow(&mut self) -> Result<(), String> {
        let limit = size(self.means.bytes_max);
        let fixed = self.kept.iter().filter(|(name, _)| !self.needed[*name].is_divided());
        let fixed: (Vec<String>, Vec<usize>) = fixed.map(|(name, (_, bytes))| (named(name), bytes)).unzip();
        if fixed.1.iter().sum::<usize>() > self.means.bytes_max {
            return Err(format!(
                "the events of {} take more than {limit} at once, which is as much as `verify.memory` lets a verification take, and \
                 the batch needs all of them whichever keys it is for; raise it, or `readside projection rebuild {}`, which \
                 builds it once more beside what serves and compares every row",
                fixed.0.join(", "),
                self.subject.generation.projection
            ));
        }
        let halves = self.share.halves().filter(|[half, _]| half.parts() <= self.parts_max);
        let Some([one, other]) = halves else {
            return Err(format!(
                "the events of one in {} shares of its keys take more than {limit} at once, which is as much as `verify.memory` lets \
                 a verification take; raise it, or verify a smaller share, such as `--share 1/{}`",
                self.share.parts(),
                self.share.parts().saturating_mul(2)
            ));
        };
        self.share = one;
        self.left.push(other);
        let projection = &*self.subject.generation.projection;
        tracing::info!(projection, share = %one, "a verification reads its sources once more, for each half of the keys");
        for (name, (batches, bytes)) in &mut self.kept {
            let needed = &self.needed[name];
            let rows = batches.drain(..).map(|rows| needed.of(rows, one));
            let rows = rows.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
            *batches = rows.into_iter().filter(|rows| rows.num_rows() > 0).collect();
            *bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        }
        Ok(())
    }

    /// The rows that the batch gives of the share.
    ///
    /// # Errors
    /// Why it fails.
    pub(super) fn expected(&self) -> Result<RecordBatch, String> {
        let Means { selected, scope, .. } = self.means;
        let batch = match self.share.is_all() {
            true => Batch::new(*selected, scope),
            false => Batch::within(*selected, scope, &self.subject.key, self.share),
        };
        // The batch asks within a plan, where nothing can fail.
        let failed = std::cell::RefCell::new(None);
        let rows = |source: Option<&str>, table: &str| {
            let name = (source.map(str::to_owned), table.to_owned());
            self.rows(&name).unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error);
                Vec::new()
            })
        };
        let expected = batch.and_then(|batch| batch.run(&rows));
        match failed.into_inner() {
            Some(error) => Err(error),
            None => expected.map_err(|refusal| fails(&refusal.message)),
        }
    }

    /// What the batch reads of a relation.
    fn rows(&self, name: &RelationName) -> Result<Vec<RecordBatch>, String> {
        if name.0.is_some() {
            return Ok(self.kept.get(name).map(|(rows, _)| rows.clone()).unwrap_or_default());
        }
        let Some(input) = self.subject.inputs.get(&name.1) else { return Ok(Vec::new()) };
        let rows = input.within(KeyShare::ALL).map(|rows| {
            let rows = rows.map_err(|error| error.to_string())?;
            match self.needed.get(name) {
                Some(needed) => needed.of(rows, self.share).map_err(|error| error.to_string()),
                None => Ok(rows),
            }
        });
        rows.collect()
    }
}

fn fails(message: &str) -> String {
    format!("the batch fails: {message}")
}

fn named((source, table): &RelationName) -> String {
    match source {
        Some(source) => format!("`{source}.{table}`"),
        None => format!("`{table}`"),
    }
}

fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// A relation's rows of a batch of events, without those that could not be taken.
fn relation(
    schema: &SourceSchema,
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
