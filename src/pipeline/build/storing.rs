//! Builds that go on after a restart: what one has is captured now and then and comes with the next checkpoint of the loop, in
//! which it is listed beside what is live.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::assemble::IndexRoot;
use super::super::commands::Commands;
use super::super::engine::{Captured, EngineError};
use super::super::generation::Generation;
use super::super::intake::Intake;
use super::kept::{KeepError, StoredRollout, generation};
use super::{Build, BuildError};
use crate::checkpoint::{GenerationEntry, KeptEntry, kept_parked_store};
use crate::circuit::Handles;
use crate::lifecycle::ParkedEvents;
use crate::plan::PlannedProjection;
use crate::progress::{Cut, Phase, SourceName};

/// What an engine goes on with.
struct Restored {
    number: u64,
    generations: Vec<Generation>,
    intakes: BTreeMap<SourceName, Intake>,
    parked: ParkedEvents,
}

/// When a build is captured.
pub(super) struct Storing {
    /// Never without.
    every: Option<Duration>,
    last: Instant,
    /// Where the build stood then.
    at: Option<Cut>,
    /// Under which number the checkpoints have it.
    pub(super) number: Option<u64>,
    /// Until the next checkpoint has what was captured.
    waits: Option<oneshot::Receiver<u64>>,
}

impl Storing {
    pub(super) fn new(every: Option<Duration>, number: Option<u64>) -> Self {
        Self { every, last: Instant::now(), at: None, number, waits: None }
    }

    /// Captures a build if it is time for that, and the checkpoints have what was captured before.
    ///
    /// # Errors
    /// State cannot be gathered into columns, or the loop has ended.
    pub(super) async fn store(&mut self, build: &mut Build, live: &Commands) -> Result<(), BuildError> {
        if let Some(waits) = &mut self.waits {
            match waits.try_recv() {
                Ok(number) => self.number = Some(number),
                Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
            self.waits = None;
        }
        if self.every.is_none_or(|every| self.last.elapsed() < every) || !build.can_be_stored() {
            return Ok(());
        }
        let at = build.engine.cut();
        if self.at.as_ref() == Some(&at) {
            return Ok(());
        }
        let captured = build.capture()?;
        self.at = Some(at);
        self.waits = Some(live.store_build(self.number, captured, build.ticket()).await?);
        self.last = Instant::now();
        Ok(())
    }

    /// Waits until the checkpoints have what was captured: whoever captures next begins there.
    pub(super) async fn finish(&mut self) {
        if let Some(waits) = self.waits.take() {
            // Without a loop nobody captures next.
            self.number = waits.await.ok().or(self.number);
        }
    }
}

impl Build {
    /// Whether a restart could go on with what it has: it has read all of that itself, from the beginning of its sources, and
    /// taken nothing of live generations, of whose rows at that cut nothing would be known then.
    fn can_be_stored(&self) -> bool {
        let is_whole = self.adopted.is_none() && self.taken.is_empty() && self.continued.is_empty();
        let is_own = |one: &Generation| one.state().steps() && !one.follows_rows() && !one.has_copies();
        is_whole && !self.failed && self.engine.generations.iter().all(is_own)
    }

    fn capture(&mut self) -> Result<Captured, EngineError> {
        let positions = self.engine.cut().positions;
        let (mut deltas, mut generations) = (BTreeMap::new(), BTreeMap::new());
        for one in &mut self.engine.generations {
            let id = one.id.clone();
            let failed = |error| EngineError::Capture { id, error };
            let captured = one.capture().and_then(|captured| Ok((captured, one.entry()?)));
            let (captured, entry) = captured.map_err(failed)?;
            deltas.extend(captured);
            // At these positions it is all that it has to be.
            let entry = GenerationEntry { positions: positions.clone(), state: Phase::Serving, ..entry };
            generations.insert(one.projection().to_owned(), entry);
        }
        let parked = self.engine.parked.capture().map_err(EngineError::Parked)?;
        let sources = self.engine.intakes.iter().map(|(name, intake)| (name.clone(), intake.entry()));
        let entry = KeptEntry {
            replaced: false,
            pause: None,
            asked: self.asked.then(|| self.by.clone()),
            until_us: 0,
            sources: sources.collect(),
            changed_sources: self.changed_sources.clone(),
            generations,
            inputs: BTreeSet::new(),
            parked: self.engine.parked.shape(),
            documents: Vec::new(),
            views: Vec::new(),
        };
        Ok(Captured { entry, deltas, parked })
    }

    /// Under which number the checkpoints have it, if they do.
    pub(super) fn stored_as(&self) -> Option<u64> {
        self.rollout.or(self.stored_as)
    }

    /// The same build as a checkpoint has it, in the place of this one, which has read nothing yet. `planned` is what is declared.
    ///
    /// # Errors
    /// Why it cannot go on from there, as a sentence; and this one.
    pub fn resumed(
        self,
        stored: StoredRollout,
        planned: &[PlannedProjection],
        indexes: &IndexRoot,
    ) -> Result<Self, (Box<Self>, String)> {
        let unused: Vec<_> = self.ids().map(|id| indexes.folder(id)).collect();
        match self.restored(stored, planned, indexes) {
            Ok(Restored { number, generations, intakes, parked }) => {
                unused.iter().for_each(|folder| IndexRoot::remove(folder));
                let mut build = self;
                build.engine.generations = generations;
                build.engine.intakes = intakes;
                build.engine.parked = parked;
                build.engine.share();
                build.stored_as = Some(number);
                Ok(build)
            }
            Err(why) => Err((Box::new(self), why.to_string())),
        }
    }

    fn restored(
        &self,
        stored: StoredRollout,
        planned: &[PlannedProjection],
        indexes: &IndexRoot,
    ) -> Result<Restored, KeepError> {
        let (number, entry, mut stores, revision) = stored.into_parts();
        let other = |what: &str| KeepError::Setup(what.to_owned());
        if !self.can_be_stored() || !self.is_of(&entry) {
            return Err(other("something else is built by now"));
        }
        let mut intakes = self.engine.intakes.clone();
        for (name, intake) in &mut intakes {
            let source = entry.sources.get(name).ok_or_else(|| other("it read other sources"))?;
            intake.resume(source);
            if !intake.is_read_as_declared() {
                return Err(other("a source is read in another way by now"));
            }
            *intake = intake.read_on();
        }
        let positions = intakes.iter().map(|(name, intake)| (name.clone(), intake.progress.covered())).collect();
        let cut = Cut { positions, revision };
        let mut restored = Handles::default();
        let mut generations = Vec::new();
        for planned in planned {
            let Some(entry) = entry.generations.get(&planned.config.name) else { continue };
            let mut one = generation(planned, entry, &cut, &mut stores, &mut restored, indexes)?;
            one.is_building();
            generations.push(one);
        }
        let parked = stores.remove(&kept_parked_store(number)).unwrap_or_default();
        Ok(Restored { number, generations, intakes, parked: ParkedEvents::restore(&parked, |_| 0)? })
    }

    /// Whether an entry is one of this very build.
    pub(super) fn is_of(&self, entry: &KeptEntry) -> bool {
        let generations = &self.engine.generations;
        let is_same = |one: &Generation| {
            let stored = entry.generations.get(one.projection());
            stored.is_some_and(|stored| {
                stored.rows.is_some() && stored.rows == one.definition.rows && stored.since == *one.since()
            })
        };
        generations.len() == entry.generations.len()
            && generations.iter().all(is_same)
            && self.changed_sources == entry.changed_sources
            && self.engine.intakes.keys().eq(entry.sources.keys())
    }
}
