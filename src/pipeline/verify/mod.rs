//! Recomputes a projection in batch over exactly the events of a cut, read once more from its sources, and compares the result
//! with the rows that are served.
//!
//! The incremental operators have no part in it, so it finds what is wrong with their state, with the table, and with what a
//! checkpoint made of them. What a projection reads of others is taken as it is served: those are verified by themselves. A search
//! index is compared with the rows of its own cut.

mod comparison;
mod pass;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::intake::Intake;
use crate::identity::Identity;
use crate::lifecycle::GenerationId;
use crate::plan::{Scope, Selected};
use crate::progress::{Cut, Losses, SourceName};
use crate::read_model::search::SearchSnapshot;
use crate::read_model::{Comparison, InputRows};
use crate::source::Source;
use crate::state::KeyShare;

use comparison::Findings;
pub use comparison::{RowDifference, RowFault};
use pass::Pass;

/// A projection to be verified, at one cut.
#[derive(Debug)]
pub struct Subject {
    pub generation: GenerationId,
    pub cut: Cut,
    /// Of what its rows are.
    pub identity: Option<Identity>,
    rows: InputRows,
    /// The key columns.
    key: Vec<usize>,
    /// What it reads of others, at the same cut.
    inputs: BTreeMap<String, InputRows>,
    /// The sources that it reads itself, at their beginning.
    intakes: BTreeMap<SourceName, Intake>,
    /// What had vanished of them when it was built, or since.
    lost: BTreeMap<SourceName, u64>,
    /// Events that it could not take, whether they wait or were given up.
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

/// Opens a source where an intake stands; as error, why it cannot.
pub type OpenAt<'a> = &'a dyn Fn(&SourceName, &Intake) -> Result<Box<dyn Source>, String>;

/// What a verification is done with.
pub struct Means<'a> {
    pub selected: Selected<'a>,
    pub scope: &'a Scope,
    pub open: OpenAt<'a>,
    /// Bytes of events that are kept at the same time.
    pub bytes_max: usize,
}

impl Subject {
    /// A projection of a live engine; as error, why nothing can be said of it.
    pub fn of(engine: &Engine, projection: &str) -> Result<Self, String> {
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
        // What was given up is as far from its rows as what waits.
        let mut parked = generation.discarded().clone();
        for one in engine.parked.iter().filter(|one| one.generation.as_ref() == Some(&generation.id)) {
            parked.entry(one.source.clone()).or_default().insert(one.rejected.message.seq);
        }
        Ok(Self {
            generation: generation.id.clone(),
            cut: engine.cut(),
            identity: generation.definition.rows,
            rows: generation.input_rows(),
            key: generation.definition.table.key.clone(),
            inputs: inputs.collect(),
            lost: intakes.clone().map(|(name, intake)| (name.clone(), lost(name, intake))).collect(),
            intakes: intakes
                .map(|(name, intake)| {
                    let since = generation.since().get(name);
                    (name.clone(), since.map_or_else(|| intake.begun_again(), |since| intake.begun_at(*since)))
                })
                .collect(),
            parked,
            index: generation.index(),
        })
    }

    /// A projection of a build, which has taken these rows of live ones; as error, why nothing can be said of it.
    pub(super) fn of_build(
        engine: &Engine,
        taken: &BTreeMap<String, InputRows>,
        projection: &str,
    ) -> Result<Self, String> {
        let mut subject = Self::of(engine, projection)?;
        let generation = engine.generations.iter().find(|one| one.id == subject.generation);
        let generation = generation.ok_or_else(|| format!("`{projection}` is not built"))?;
        if generation.follows_rows() {
            return Err("it is made of the rows of what serves, row by row; verify those".to_owned());
        }
        let upstream = &generation.definition.upstream;
        let own = taken.iter().filter(|(name, _)| upstream.contains(*name));
        subject.inputs.extend(own.map(|(name, rows)| (name.clone(), rows.clone())));
        Ok(subject)
    }

    /// The share that is verified where this one is asked for: all keys, if they cannot be divided.
    pub fn divided(&self, share: KeyShare) -> KeyShare {
        if self.is_divided() { share } else { KeyShare::ALL }
    }

    fn is_divided(&self) -> bool {
        let types = self.key.iter().map(|&column| self.rows.spec().schema.field(column).data_type());
        KeyShare::divides(types.collect::<Vec<&DataType>>())
    }

    /// Reads the sources through the cut, recomputes the rows of a share of the keys, and compares. Where its events take more than
    /// they may, the sources are read several times, each time for a part of the share. Blocks while it computes.
    pub async fn verify(self, means: &Means<'_>, share: KeyShare) -> Verified {
        let share = self.divided(share);
        match self.found(means, share).await {
            Ok(findings) => findings.verified(),
            Err(reason) => Verified::NotVerifiable { reason },
        }
    }

    async fn found(&self, means: &Means<'_>, share: KeyShare) -> Result<Findings, String> {
        let mut findings = Findings::default();
        let mut left = vec![share];
        while let Some(next) = left.pop() {
            let mut pass = Pass::new(self, means, next, share)?;
            pass.read().await?;
            let expected = pass.expected()?;
            let compared = Comparison::with_expected(&self.rows, pass.share, &expected);
            findings.take_rows(compared.map_err(|error| error.to_string())?)?;
            left.append(&mut pass.left);
        }
        if let Some(index) = &self.index {
            let failed = |error| format!("the index cannot be compared with its rows: {error}");
            findings.take_index(index.compare_index(share).map_err(failed)?);
        }
        Ok(findings)
    }
}
