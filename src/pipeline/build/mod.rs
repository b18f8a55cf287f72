//! Generations that are built beside the live ones, in an engine of their own, until they stand at the live cut.
//!
//! Pure: what they take is given to them. `builder` reads the sources and asks the loop.

mod builder;
mod error;
mod ground;
mod joining;
mod keeping;
mod kept;
mod pace;
mod reader;
mod storing;

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Engine, EngineError, Fetched};
use super::generation::{Definition, Generation};
use super::intake::Intake;
use crate::lifecycle::{Actor, GenerationId, Parked, Ticket};
use crate::progress::{Cut, Losses, Position, SourceName};
use crate::read_model::catalog::{BuildStatus, KeptState, KeptStatus, ProjectionStatus};
use crate::read_model::{Comparison, InputRows};

pub use builder::{BuildOutcome, Builder, Observe, Order};
pub use error::BuildError;
pub use ground::{Ground, Group};
pub(super) use joining::Joined;
pub use keeping::Keeping;
pub use kept::{KeepError, Kept, Replaced, StoredRollout};
pub(super) use reader::BuildReader;

/// A cut of the live engine, as a build beside it sees it.
#[derive(Debug, Clone, Default)]
pub struct LiveCut {
    pub cut: Cut,
    /// The rows of the asked-for projections at that cut, of those that take part in every commit.
    pub inputs: BTreeMap<String, InputRows>,
    /// The right rows that readers see of those with which something is to be compared. Of what has stopped, as a paused
    /// projection has, they are of an earlier cut.
    pub served: BTreeMap<String, InputRows>,
}

/// What a generation has of one whose state it goes on from.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    /// Events that the one could not take: it rejects the same, or that state would have another identity.
    pub(super) parked: Vec<Parked>,
    /// Messages that had vanished when the one was built.
    pub(super) lost: BTreeMap<SourceName, Losses>,
    /// Events that the one could not take, and that were given up.
    pub(super) discarded: BTreeMap<SourceName, BTreeSet<u64>>,
}

impl Inherited {
    /// What a generation of an engine hands on at the engine's cut.
    pub(super) fn of(engine: &Engine, other: &GenerationId) -> Self {
        let parked = engine.parked.iter().filter(|parked| parked.generation.as_ref() == Some(other));
        let donor = engine.generations.iter().find(|generation| generation.id == *other);
        Self {
            parked: parked.cloned().collect(),
            lost: donor.map(|one| one.lost().clone()).unwrap_or_default(),
            discarded: donor.map(|one| one.discarded().clone()).unwrap_or_default(),
        }
    }
}

/// New and changed generations, and the intakes of what they read.
pub struct Build {
    engine: Engine,
    /// Where the state stands that was adopted from a checkpoint, until the build has come as far.
    adopted: Option<LiveCut>,
    /// What the build has taken of live projections.
    taken: BTreeMap<String, InputRows>,
    /// Sources whose messages are read in another way than before. Their intakes replace those of the live engine.
    changed_sources: BTreeSet<SourceName>,
    /// What generations inherit that go on from the state of others. They have not read the events before.
    continued: BTreeMap<GenerationId, Inherited>,
    /// The last live cut at which everything stands.
    arrived: Option<Cut>,
    failed: bool,
    /// The rollout that it goes on with, of what was replaced and is kept.
    rollout: Option<u64>,
    until_us: i64,
    /// Whether that was paused, and is to go on.
    resumes: bool,
    /// Under which number the checkpoints have it, if a start has gone on with it.
    stored_as: Option<u64>,
    /// What it replaces, if that is to be kept.
    keeping: Option<Keeping>,
    /// The rollouts of what it replaces that are paused, and until when each is kept, microseconds since the epoch.
    kept_paused: BTreeMap<u64, i64>,
    /// Whether it is in no declaration: somebody has asked for it.
    asked: bool,
    /// Who wants it.
    by: Actor,
    /// Whether it is still wanted.
    ticket: Ticket,
}

impl Build {
    /// Generations of `engine` with nothing applied but what some of them have adopted.
    pub(super) fn new(mut engine: Engine, changed_sources: BTreeSet<SourceName>) -> Self {
        engine.is_beside(changed_sources.clone());
        let (taken, continued) = (BTreeMap::new(), BTreeMap::new());
        Self {
            engine,
            adopted: None,
            taken,
            changed_sources,
            continued,
            arrived: None,
            failed: false,
            rollout: None,
            until_us: 0,
            resumes: false,
            stored_as: None,
            keeping: None,
            kept_paused: BTreeMap::new(),
            asked: false,
            by: Actor::default(),
            ticket: Ticket::default(),
        }
    }

    /// Sets the live cut at which the adopted state stands.
    pub(super) fn begins_at(&mut self, adopted: LiveCut) {
        self.adopted = Some(adopted);
    }

    /// Says what generations inherit from those whose state they go on from, without reading the events before.
    pub(super) fn continues(&mut self, continued: BTreeMap<GenerationId, Inherited>) {
        self.continued = continued;
    }

    /// Whether it has read exactly what a live engine has.
    fn stands_at(&self, cut: &Cut) -> bool {
        self.engine.intakes.iter().all(|(name, intake)| intake.progress.covered() == cut.position(name))
    }

    /// Names who wants it, for the ledger.
    pub(super) fn wanted_by(&mut self, by: Actor) {
        self.by = by;
    }

    /// Makes it one that ends with this ticket.
    pub fn ends_with(&mut self, ticket: Ticket) {
        self.ticket = ticket;
    }

    /// Has what it replaces kept.
    pub fn keeps(&mut self, keeping: Keeping) {
        self.keeping = Some(keeping);
    }

    /// Makes it one of what was replaced and is kept until then.
    pub fn is_kept(&mut self, rollout: u64, until_us: i64) {
        (self.rollout, self.until_us) = (Some(rollout), until_us);
    }

    /// Makes it one of what was paused, and is to go on.
    pub fn resumes(&mut self) {
        self.resumes = true;
    }

    /// The rollout that it goes on with, of what was replaced and is kept.
    pub(super) fn rollout(&self) -> Option<u64> {
        self.rollout
    }

    /// Whether it is still wanted.
    pub(super) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The generations that are built.
    pub fn ids(&self) -> impl Iterator<Item = &GenerationId> {
        self.engine.generations.iter().map(|generation| &generation.id)
    }

    /// Who wants it.
    pub(super) fn by(&self) -> &Actor {
        &self.by
    }

    /// The projections that are built.
    pub fn projections(&self) -> impl Iterator<Item = &str> {
        self.engine.generations.iter().map(|generation| generation.projection())
    }

    /// The sources whose messages are read in another way than before.
    pub fn changed_sources(&self) -> impl Iterator<Item = &SourceName> {
        self.changed_sources.iter()
    }

    /// The definitions of what is built, by projection.
    pub fn definitions(&self) -> impl Iterator<Item = (String, Definition)> {
        self.engine.generations.iter().map(|one| (one.projection().to_owned(), one.definition.clone()))
    }

    /// The sources that have to be read, each from where its intake stands, with what is known of their streams.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceName, &Intake)> {
        self.engine.intakes.iter()
    }

    /// The live projections that the built ones read.
    pub fn inputs(&self) -> BTreeSet<String> {
        let built: BTreeSet<&str> = self.projections().collect();
        let (following, computed): (Vec<&Generation>, Vec<_>) =
            self.engine.generations.iter().partition(|generation| generation.follows_rows());
        let read = computed.into_iter().flat_map(|generation| &generation.definition.upstream);
        let read = read.filter(|name| !built.contains(name.as_str())).cloned();
        read.chain(following.into_iter().map(|generation| generation.projection().to_owned())).collect()
    }

    /// Whether it has stood at a live cut.
    fn has_arrived(&self) -> bool {
        self.arrived.is_some()
    }

    /// How far a source has been taken.
    fn position(&self, source: &SourceName) -> Position {
        self.engine.intakes.get(source).map_or(Position::START, |intake| intake.progress.covered())
    }

    /// What status shows of the generations, with how far the build has come.
    fn status_with(&self, build: &BuildStatus) -> Vec<ProjectionStatus> {
        let with = |generation: &Generation| {
            let build = BuildStatus { generation: generation.id.number, ..build.clone() };
            ProjectionStatus { build: Some(build), ..generation.status() }
        };
        self.engine.generations.iter().map(with).collect()
    }

    /// Where the adopted state stands, if the build has yet to come there. It has to pass exactly there.
    fn adopted(&self) -> Option<LiveCut> {
        self.adopted.clone()
    }

    /// Takes messages of a source.
    ///
    /// # Errors
    /// A commit failed as a whole, or the source has halted: the build would be short of what the others have.
    fn take(&mut self, fetched: Fetched, now_us: i64) -> Result<(), BuildError> {
        let name = fetched.source.clone();
        self.engine.commit(vec![fetched], now_us)?;
        match self.engine.halted(&name) {
            Some(message) => Err(BuildError::Halted { source_name: name, message }),
            None => Ok(()),
        }
    }

    /// Records messages that vanished from a source before they were read.
    fn lost(&mut self, source: &SourceName, losses: Losses) {
        if let Some(intake) = self.engine.intakes.get_mut(source) {
            intake.progress.lost(losses);
        }
    }

    /// Takes the rows of the live projections at a live cut, of which all events were applied.
    ///
    /// # Errors
    /// A commit failed as a whole, or the rows of a live projection cannot be read.
    pub(super) fn arrive(&mut self, at: &LiveCut, now_us: i64) -> Result<(), EngineError> {
        for (name, rows) in &at.inputs {
            let changes = rows.changes_since(self.taken.get(name));
            let changes = changes.map_err(|error| EngineError::Inputs { projection: name.clone(), error })?;
            for batch in &changes {
                self.engine.feed(BTreeMap::from([(name.as_str(), batch)]), now_us)?;
            }
            self.taken.insert(name.clone(), rows.clone());
        }
        if self.adopted.take().is_some() {
            self.engine.release(now_us)?;
        }
        self.engine.arrive(&at.cut, now_us);
        self.arrived = Some(at.cut.clone());
        Ok(())
    }

    /// Records how fast the generations were built.
    fn came_at(&mut self, sequences_per_second: f64) {
        self.engine.generations.iter_mut().for_each(|one| one.build_rate = Some(sequences_per_second));
    }

    /// Makes visible what the read models have taken.
    fn commit_read_models(&mut self) {
        self.engine.commit_read_models();
    }

    /// Whether all of it has failed.
    fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether a generation has failed.
    fn has_stopped(&self) -> bool {
        self.engine.generations.iter().any(|generation| !generation.state().steps())
    }

    /// Why it has failed, if it has.
    fn reason(&self) -> Option<&str> {
        self.engine.generations.iter().find_map(|generation| generation.state().reason())
    }

    /// What status shows of what is kept.
    fn kept_status(&self, state: KeptState, lag_events: u64, message: Option<String>) -> Vec<(String, KeptStatus)> {
        let of = |generation: &Generation| {
            let shown = generation.status();
            let status = KeptStatus {
                generation: generation.id.number,
                state,
                lag_events,
                rows: shown.rows,
                state_bytes: shown.state_bytes,
                disk_bytes: None,
                until_us: self.until_us,
                message: message.clone(),
            };
            (shown.name, status)
        };
        self.engine.generations.iter().map(of).collect()
    }

    /// How its rows differ from those of generations that serve, at one cut. What is new, or in error there, is left out.
    fn compared_with(&self, before: &BTreeMap<String, InputRows>) -> Result<BTreeMap<String, Comparison>, BuildError> {
        let mut compared = BTreeMap::new();
        for generation in &self.engine.generations {
            let Some(before) = before.get(generation.projection()).filter(|rows| rows.is_whole()) else { continue };
            let comparison = Comparison::of(before, &generation.input_rows());
            let projection = generation.projection().to_owned();
            let comparison = comparison
                .map_err(|error| BuildError::Compare { projection: projection.clone(), error: error.to_string() })?;
            compared.insert(projection, comparison);
        }
        Ok(compared)
    }

    /// Stops all generations: they will not come to the live cut.
    fn fail(&mut self, reason: &str) {
        self.engine.fail_all(reason);
        self.failed = true;
    }
}
