//! One commit: messages are decoded, and every generation takes one step. What readers see of that is made in `showing`,
//! what a checkpoint keeps of it in `drafting`.
//!
//! All projections advance together, so a snapshot is one cut over all of them. Time arrives as an argument; nothing
//! here waits. The search indexes' own files are the only ones written.

mod deciding;
mod declared;
mod donors;
mod drafting;
mod pausing;
mod replaying;
mod rollouts;
mod showing;
mod storing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;

use super::error::GenerationError;
use super::generation::Generation;
use super::intake::{Intake, Stop};
use super::quota::Quota;
use crate::checkpoint::DiskBytes;
use crate::circuit::{Attributable, Memo, StepInput, Watermarks, ZBatch, share};
use crate::config::ParkedLimits;
use crate::event::{EventBatch, Message, Reason, Rejected, metadata};
use crate::identity::Identity;
use crate::lifecycle::{Action, Actor, GenerationId, GenerationState, Ledger, NewStep, Owner, Parked, ParkedEvents};
use crate::plan::PlannedView;
use crate::progress::{Applied, Cut, Phase, Reached, SourceName};
use crate::read_model::catalog::{BuildState, BuildStatus, KeptStatus, ProjectionStatus};
use crate::telemetry;

use rollouts::KeptRollouts;
use storing::StoredBuilds;

pub(in crate::pipeline) use deciding::Decided;
pub use declared::Declared;
pub(in crate::pipeline) use declared::Retired;
pub(in crate::pipeline) use donors::Donors;
pub(in crate::pipeline) use pausing::Resumed;
pub(in crate::pipeline) use pausing::told_paused;
pub use replaying::{Replayed, Replays};
pub(in crate::pipeline) use storing::Captured;

/// The store of the parked events.
pub(in crate::pipeline) const PARKED_STORE: &str = "parked";
/// Under this name rollouts are numbered, as generations are under that of their projection.
pub(in crate::pipeline) const ROLLOUTS: &str = "kept";
/// The store of the ledger.
pub(in crate::pipeline) const LEDGER_STORE: &str = "ledger";

/// Sources and projections with their state.
pub struct Engine {
    pub intakes: BTreeMap<SourceName, Intake>,
    /// Several of one projection while it is built again; each after those that it reads.
    pub generations: Vec<Generation>,
    /// Projections that are built elsewhere, by name. Of one that has rows to show, only its build counts.
    announced: BTreeMap<String, ProjectionStatus>,
    declared: Declared,
    /// The greatest number that a generation of each projection ever had.
    numbers: BTreeMap<String, u64>,
    /// Generations that are no more since that was last asked: they made room for others, or could not be built.
    replaced: Vec<GenerationId>,
    pub views: Vec<Arc<PlannedView>>,
    pub parked: ParkedEvents,
    pub ledger: Ledger,
    pub revision: u64,
    limits: ParkedLimits,
    /// The kinds of parked events that the log has one of.
    told: BTreeSet<(Owner, Reason)>,
    /// Of what is built beside, the sources that it reads otherwise than the loop, which has told of all others.
    reads_otherwise: Option<BTreeSet<SourceName>>,
    /// What readers see of the parked events, and its edition.
    parked_shown: Arc<[Arc<Parked>]>,
    parked_told: Option<u64>,
    kept: KeptRollouts,
    builds: StoredBuilds,
    /// What status shows of kept generations, by projection.
    kept_shown: BTreeMap<String, KeptStatus>,
    /// What each generation occupies in the last checkpoint.
    on_disk: Arc<DiskBytes>,
    /// What of the declared projections does not serve yet, as identities of their rows.
    pub(in crate::pipeline) awaited_rows: BTreeMap<String, Identity>,
    /// Stores whose names are others since the last draft.
    renames: BTreeMap<String, String>,
    /// The stores that the checkpoints hold, or will once the last draft is written.
    persisted: BTreeSet<String>,
}

/// What a step changed in the rows of each projection that it computed, by name.
pub type Deltas = BTreeMap<String, ZBatch>;

/// Messages of one source for one commit.
#[derive(Debug)]
pub struct Fetched {
    pub source: SourceName,
    /// In stream order, following everything committed before.
    pub messages: Vec<Message>,
    pub covered: u64,
    pub last_sequence: u64,
}

/// A commit that failed as a whole: the state must not be used any further.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("a batch of source `{source_name}` cannot be decoded: {error}")]
    Decode { source_name: SourceName, error: ArrowError },
    #[error("the parked events cannot be captured for a checkpoint: {0}")]
    Parked(ArrowError),
    #[error("the ledger cannot be captured for a checkpoint: {0}")]
    Ledger(ArrowError),
    #[error("the state of {id} cannot be captured for a checkpoint: {error}")]
    Capture { id: GenerationId, error: GenerationError },
    #[error("the rows of `{projection}`, which a projection that is built reads, cannot be read: {error}")]
    Inputs { projection: String, error: ArrowError },
}

impl Engine {
    pub fn new(limits: ParkedLimits) -> Self {
        Self {
            intakes: BTreeMap::new(),
            generations: Vec::new(),
            announced: BTreeMap::new(),
            declared: Declared::default(),
            numbers: BTreeMap::new(),
            replaced: Vec::new(),
            views: Vec::new(),
            parked: ParkedEvents::default(),
            ledger: Ledger::default(),
            revision: 0,
            limits,
            told: BTreeSet::new(),
            reads_otherwise: None,
            parked_shown: Arc::default(),
            parked_told: None,
            kept: KeptRollouts::default(),
            builds: StoredBuilds::default(),
            awaited_rows: BTreeMap::new(),
            renames: BTreeMap::new(),
            kept_shown: BTreeMap::new(),
            on_disk: Arc::default(),
            persisted: BTreeSet::new(),
        }
    }

    /// Lets projections share what they compute alike. All of them stand at one cut.
    pub(in crate::pipeline) fn share(&mut self) {
        share(&mut self.generations.iter_mut().filter_map(Generation::circuit).collect::<Vec<_>>());
    }

    /// The cut that everything not failed stands at.
    pub fn cut(&self) -> Cut {
        let positions = self.intakes.iter().map(|(name, intake)| (name.clone(), intake.progress.covered()));
        Cut { positions: positions.collect(), revision: self.revision }
    }

    /// Applies messages of any number of sources in one step, and gives what changed in the rows of each projection.
    ///
    /// # Errors
    /// If decoding fails or state is undefined; the engine must then be assembled again from the last checkpoint. A
    /// projection's own failure is none.
    pub fn commit(&mut self, fetched: Vec<Fetched>, now_us: i64) -> Result<Deltas, EngineError> {
        let mut batches: Vec<(SourceName, EventBatch, Vec<Message>)> = Vec::new();
        for input in joined(fetched) {
            let source = input.source.clone();
            if let Some((batch, messages)) = self.admit(input, now_us)? {
                batches.push((source, batch, messages));
            }
        }
        self.step(&batches, BTreeMap::new(), now_us)
    }

    /// Applies rows of projections that are not part of this engine, as if they had just been inserted.
    ///
    /// # Errors
    /// As [`Engine::commit`].
    pub fn feed(&mut self, deltas: BTreeMap<&str, &ZBatch>, now_us: i64) -> Result<(), EngineError> {
        self.step(&[], deltas, now_us).map(drop)
    }

    /// Decodes one source's messages and parks the rejected ones. None if the source has halted.
    fn admit(&mut self, mut input: Fetched, now_us: i64) -> Result<Option<(EventBatch, Vec<Message>)>, EngineError> {
        let quota = Quota::left(&self.limits, self.parked.usage(&Owner::Source(input.source.clone())));
        let source = &input.source;
        let Some(intake) = self.intakes.get_mut(source) else { return Ok(None) };
        if intake.progress.is_halted() {
            return Ok(None);
        }
        // Exactly once, even if a source should repeat itself.
        let covered = intake.progress.covered().sequence();
        let repeated = input.messages.partition_point(|message| message.seq <= covered);
        drop(input.messages.drain(..repeated));
        let (decoded, stop) = intake
            .decode(&input.messages, quota)
            .map_err(|error| EngineError::Decode { source_name: source.clone(), error })?;
        intake.progress.fetched(reached(&input, stop.as_ref()), now_us);
        if let Some(stop) = stop {
            intake.progress.halted(halted_at(&stop));
        }
        telemetry::count_left_out(source, decoded.ignored, decoded.undeclared_fields);
        for rejected in decoded.rejected {
            telemetry::count_event_failures(&input.source, rejected.reason, 1);
            self.park(Parked { source: source.clone(), generation: None, rejected });
        }
        Ok(Some((decoded.batch, input.messages)))
    }

    /// Parks an event. The log has the first of each kind, the status all of them.
    fn park(&mut self, parked: Parked) {
        let Rejected { message, reason, pointer, .. } = &parked.rejected;
        let is_told = parked.generation.is_none()
            && self.reads_otherwise.as_ref().is_some_and(|sources| !sources.contains(&parked.source));
        if !is_told && self.told.insert((parked.owner(), *reason)) {
            let projection = parked.generation.as_ref().map(|generation| generation.projection.as_ref());
            let generation = parked.generation.as_ref().map(|generation| generation.number);
            tracing::warn!(
                source = %parked.source, projection, generation, sequence = message.seq, reason = reason.label(), pointer = pointer.as_deref(),
                "an event is parked; the next ones for this reason are only counted"
            );
        }
        self.parked.park(parked);
    }

    /// Makes it one that is built beside: of a source that it reads as the loop does, the log has what is parked already.
    pub(in crate::pipeline) fn is_beside(&mut self, reads_otherwise: BTreeSet<SourceName>) {
        self.reads_otherwise = Some(reads_otherwise);
    }

    /// Takes over what the log has of the parked events of another engine, whose generations it takes.
    pub(in crate::pipeline) fn has_told(&mut self, other: &mut Engine) {
        self.told.append(&mut other.told);
    }

    fn step(
        &mut self,
        batches: &[(SourceName, EventBatch, Vec<Message>)],
        outside: BTreeMap<&str, &ZBatch>,
        now_us: i64,
    ) -> Result<Deltas, EngineError> {
        let cut = self.cut();
        let watermarks =
            self.intakes.iter().filter_map(|(name, intake)| Some((&**name, intake.progress.watermark_us()?)));
        let watermarks: Watermarks<'_> = watermarks.collect();
        let memo = Memo::default();
        let mut outputs = Deltas::new();
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        let mut in_error: BTreeSet<String> = BTreeSet::new();
        let mut rejected: Vec<(GenerationId, Attributable)> = Vec::new();
        for generation in &mut self.generations {
            if let Some(input) = generation.definition.upstream.iter().find(|name| failed.contains_key(*name))
                && generation.state().steps()
            {
                generation.fail(format!("its input `{input}` has failed"));
            }
            if !generation.state().steps() {
                let reason = generation.state().reason().unwrap_or_default().to_owned();
                failed.insert(generation.projection().to_owned(), reason);
                continue;
            }
            if generation.follows_rows() {
                let delta = outside.get(generation.projection());
                if let Some(Err(error)) = delta.map(|delta| generation.take_rows(delta, now_us)) {
                    failed.insert(generation.projection().to_owned(), error.to_string());
                    generation.fail(error.to_string());
                }
                continue;
            }
            let mut deltas: BTreeMap<&str, &ZBatch> =
                outputs.iter().map(|(name, delta)| (name.as_str(), delta)).collect();
            deltas.extend(outside.iter().map(|(name, delta)| (*name, *delta)));
            let reads = |source: &SourceName| generation.definition.reads.contains_key(source);
            let events = batches.iter().filter(|(source, _, _)| reads(source));
            let input = StepInput {
                events: events.map(|(source, batch, _)| (source.as_ref(), batch)).collect(),
                deltas,
                watermarks: watermarks.clone(),
                memo: Some(&memo),
            };
            let quota = Quota::left(&self.limits, self.parked.usage(&Owner::Generation(generation.id.clone())));
            let erring = generation.definition.upstream.iter().find(|name| in_error.contains(*name)).cloned();
            match generation.step(&input, erring.as_deref(), quota, now_us) {
                Ok((delta, found)) => {
                    generation.arrive(&cut, now_us);
                    if generation.is_in_error() {
                        in_error.insert(generation.projection().to_owned());
                    }
                    rejected.extend(found.into_iter().map(|attributable| (generation.id.clone(), attributable)));
                    outputs.insert(generation.projection().to_owned(), delta);
                }
                Err(error) => {
                    let failure = error.to_string();
                    tracing::error!(projection = generation.projection(), reason = %failure, "projection failed");
                    failed.insert(generation.projection().to_owned(), failure.clone());
                    generation.fail(failure);
                }
            }
        }
        for (generation, attributable) in rejected {
            let projection = generation.projection.clone();
            if let Some(parked) = parked(generation, attributable, batches) {
                telemetry::count_projection_errors(&projection, parked.rejected.event_type.as_deref(), 1);
                self.park(parked);
            }
        }
        if self.parked_told != Some(self.parked.edition()) {
            self.tell_parked();
        }
        Ok(outputs)
    }

    /// Makes the sources' progress, and the snapshots, tell of the parked events as they are now.
    pub(in crate::pipeline) fn tell_parked(&mut self) {
        for (name, intake) in &mut self.intakes {
            intake.progress.parked_are(self.parked.counts(name, None));
        }
        self.parked_shown = self.parked.in_order();
        self.parked_told = Some(self.parked.edition());
    }

    /// Why a source takes nothing more, if it does not.
    pub(in crate::pipeline) fn halted(&self, source: &SourceName) -> Option<String> {
        let progress = &self.intakes.get(source)?.progress;
        progress.is_halted().then(|| progress.message().unwrap_or("it has halted").to_owned())
    }

    /// Stops the generations whose state is beyond their limits.
    pub(in crate::pipeline) fn check_state_limits(&mut self) {
        for generation in self.generations.iter_mut().filter(|generation| generation.state().steps()) {
            if let Err(error) = generation.check_state_limit() {
                generation.fail(error.to_string());
            }
        }
    }

    /// Stops all generations; their rows stay as they are.
    pub fn fail_all(&mut self, failure: &str) {
        self.generations.iter_mut().for_each(|generation| generation.fail(failure.to_owned()));
    }

    /// Shows a projection that is built elsewhere.
    pub(in crate::pipeline) fn announce(&mut self, status: ProjectionStatus) {
        self.announced.insert(status.name.clone(), status);
    }

    /// Takes generations that stand at this engine's cut, in the place of what was there of their projections. One whose
    /// build has failed leaves its predecessor as it is: it serves, or shows its last rows. In a rollback they come back.
    pub(in crate::pipeline) fn take_over(
        &mut self,
        built: Vec<Generation>,
        is_rollback: bool,
        by: &Actor,
        now_us: i64,
    ) {
        for mut generation in built {
            self.record_outcome(&generation, is_rollback, by, now_us);
            let name = generation.projection().to_owned();
            let last = self.generations.iter_mut().find(|other| other.projection() == name);
            match (generation.state(), last) {
                (GenerationState::Failed { reason }, Some(last)) => {
                    if last.state().steps() || last.phase() == Phase::Paused {
                        self.tell_failed_build(&generation);
                    } else {
                        last.fail(format!("it could not be built again: {reason}"));
                        self.announced.remove(&name);
                    }
                    self.replaced.push(generation.id);
                    continue;
                }
                (GenerationState::Failed { .. }, None) => {}
                _ => {
                    generation.serve();
                    if let Some(to) = self.declared.projections.get(&name)
                        && generation.definition.is_kept_as(to)
                    {
                        generation.definition.adapt(to);
                    }
                    self.declared.awaited.remove(&name);
                    self.awaited_rows.remove(&name);
                    let others = self.generations.extract_if(.., |other| other.projection() == name);
                    self.replaced.extend(others.map(|other| other.id));
                    let id = &generation.id;
                    let _ = self.parked.take(|parked| {
                        parked.generation.as_ref().is_some_and(|of| *of.projection == *name && of != id)
                    });
                }
            }
            self.announced.remove(&name);
            self.generations.push(generation);
        }
    }

    fn record_outcome(&mut self, built: &Generation, is_rollback: bool, by: &Actor, now_us: i64) {
        let numbered = |generation: &Generation| {
            let since = generation.since().iter().map(|(source, position)| format!("{source}:{position}"));
            let since = since.collect::<Vec<_>>().join(", ");
            let since = if since.is_empty() { since } else { format!(", of what came from {since} on") };
            format!("generation {}{since}", generation.id.number)
        };
        let last = self.generations.iter().find(|other| other.projection() == built.projection()).map(numbered);
        let (action, to) = match built.state() {
            GenerationState::Failed { reason } => (Action::BuildFailed, format!("{}: {reason}", numbered(built))),
            _ if is_rollback => (Action::RolledBack, numbered(built)),
            _ => (Action::Served, numbered(built)),
        };
        let subject = format!("projection {}", built.projection());
        self.ledger.record(NewStep { action, subject, from: last, to: Some(to) }, by, now_us);
    }

    /// Makes status show that a successor of a generation that serves could not be built.
    fn tell_failed_build(&mut self, built: &Generation) {
        let name = built.projection().to_owned();
        let sources = self.announced.remove(&name).and_then(|status| status.build).map(|build| build.sources);
        let build = BuildStatus {
            generation: built.id.number,
            state: BuildState::Failed,
            sources: sources.unwrap_or_default(),
            message: built.state().reason().map(str::to_owned),
            ..BuildStatus::waiting()
        };
        self.announced.insert(name, ProjectionStatus { build: Some(build), ..built.status() });
    }

    /// A number that no generation of a projection ever had.
    pub(in crate::pipeline) fn next_number(&mut self, projection: &str) -> u64 {
        let number = self.numbers.entry(projection.to_owned()).or_default();
        *number += 1;
        *number
    }

    /// Takes account of numbers that generations had.
    pub(in crate::pipeline) fn had_numbers(&mut self, numbers: impl IntoIterator<Item = (String, u64)>) {
        for (projection, number) in numbers {
            let greatest = self.numbers.entry(projection).or_default();
            *greatest = number.max(*greatest);
        }
    }

    /// Lets go of parked events of what is neither configured nor kept any more: nothing of it can be mended.
    pub(in crate::pipeline) fn forget_parked(&mut self) {
        let kept: BTreeSet<&GenerationId> = self.generations.iter().map(|generation| &generation.id).collect();
        let is_known = |parked: &Parked| {
            self.intakes.contains_key(&parked.source) && parked.generation.as_ref().is_none_or(|id| kept.contains(id))
        };
        let _ = self.parked.take(|parked| !is_known(parked));
        self.tell_parked();
    }

    /// Lets operators give what they have adopted. What comes of it comes in one step, in which all that read it take it.
    ///
    /// # Errors
    /// A commit failed as a whole.
    pub(in crate::pipeline) fn release(&mut self, now_us: i64) -> Result<(), EngineError> {
        self.generations.iter_mut().for_each(|generation| generation.release());
        self.feed(BTreeMap::new(), now_us)
    }

    /// Puts the generations into the order of a step: each after those that it reads, and else by name.
    pub(in crate::pipeline) fn sort(&mut self) {
        let mut waiting = std::mem::take(&mut self.generations);
        while !waiting.is_empty() {
            let names: BTreeSet<String> = waiting.iter().map(|one| one.projection().to_owned()).collect();
            let waits = |one: &Generation| one.definition.upstream.iter().any(|input| names.contains(input));
            let (later, mut ready): (Vec<_>, Vec<_>) = waiting.into_iter().partition(waits);
            if ready.is_empty() {
                unreachable!("projections read each other in a circle, which no program does");
            }
            ready.sort_by(|one, other| one.id.cmp(&other.id));
            self.generations.append(&mut ready);
            waiting = later;
        }
    }

    /// Sets the cut of every generation that takes part to this cut of the live engine.
    pub(in crate::pipeline) fn arrive(&mut self, cut: &Cut, now_us: i64) {
        for generation in self.generations.iter_mut().filter(|generation| generation.state().steps()) {
            generation.arrive(cut, now_us);
        }
    }

    /// Since when there are changes that no reader sees before a commit, microseconds since the epoch.
    pub fn uncommitted_since_us(&self) -> Option<i64> {
        self.generations.iter().filter_map(Generation::uncommitted_since_us).min()
    }

    /// Makes visible what every read model has taken, and waits for that.
    pub fn commit_read_models(&mut self) {
        self.generations.iter_mut().for_each(Generation::commit);
    }

    /// Begins to make visible what every read model has taken, unless the last ones still run. Meanwhile they take what comes.
    pub fn begin_commits(&mut self) {
        if !self.is_committing() {
            self.generations.iter_mut().for_each(Generation::begin_commit);
        }
    }

    /// Whether something was begun that [`end_commits`](Self::end_commits) has yet to make visible.
    pub fn is_committing(&self) -> bool {
        self.generations.iter().any(Generation::is_committing)
    }

    /// Makes visible what was begun once all of it has come to its end, so that it is one cut again. Says whether it did.
    pub fn end_commits(&mut self) -> bool {
        let has_ended = self.generations.iter().all(Generation::is_idle);
        if has_ended {
            self.generations.iter_mut().for_each(Generation::end_commit);
        }
        has_ended
    }

    /// Whether a part of any read model has to be built again.
    pub fn awaits_mending(&self) -> bool {
        self.generations.iter().any(Generation::awaits_mending)
    }

    /// Tries to build again what could not be written, as on a full disk.
    pub fn mend(&mut self) {
        self.generations.iter_mut().for_each(Generation::mend);
    }
}

/// One input a source, so that a place in a source's batch names one event.
fn joined(fetched: Vec<Fetched>) -> Vec<Fetched> {
    let mut joined: Vec<Fetched> = Vec::new();
    for next in fetched {
        match joined.iter_mut().find(|one| one.source == next.source) {
            Some(one) => {
                one.messages.extend(next.messages);
                one.covered = one.covered.max(next.covered);
                one.last_sequence = one.last_sequence.max(next.last_sequence);
            }
            None => joined.push(next),
        }
    }
    joined
}

/// Why a source halts, and what to do about it.
fn halted_at(Stop { rejected, has_no_room, .. }: &Stop) -> String {
    let Rejected { message, reason, pointer, detail, .. } = rejected;
    if !has_no_room {
        let advice = "declare its type, or set unknown_events to park, and reload";
        return format!("message {}: {detail}; {advice}", message.seq);
    }
    // What is wrong with it may have a value in it, and this goes into the log.
    let at = pointer.as_ref().map(|pointer| format!(" at {pointer}")).unwrap_or_default();
    format!(
        "message {} cannot be taken (`{}`{at}), and no more can be parked, because the source has as many as parked.max_events or \
         parked.max_bytes allow; correct the definition that they do not fit, discard some, or raise the limit, and reload",
        message.seq,
        reason.label()
    )
}

/// Where a fetch brings its source: to its end, or just before what it halts at.
fn reached(input: &Fetched, stop: Option<&Stop>) -> Reached {
    let last_message = input.messages.last().map_or(0, |message| message.seq);
    let covered = match stop {
        Some(stop) => stop.before.saturating_sub(1),
        None => input.covered.max(last_message),
    };
    let applied = input.messages.iter().rev().find(|message| message.seq <= covered);
    Reached {
        applied: applied
            .map(|message| Applied { position: message.seq.into(), published_at_us: message.published_at_us }),
        covered: covered.into(),
        last_sequence: input.last_sequence.max(input.covered).into(),
    }
}

/// The message that an attributable error is about, parked for its generation.
fn parked(
    generation: GenerationId,
    attributable: Attributable,
    batches: &[(SourceName, EventBatch, Vec<Message>)],
) -> Option<Parked> {
    let (source, batch, messages) = batches.iter().find(|(source, _, _)| **source == *attributable.source)?;
    let seq = batch.metadata.column(metadata::SEQ).as_primitive::<Int64Type>().value(attributable.row) as u64;
    let event_type = batch.metadata.column(metadata::TYPE).as_string::<i32>().value(attributable.row);
    let message = messages[messages.binary_search_by_key(&seq, |message| message.seq).ok()?].clone();
    let rejected = Rejected {
        message,
        reason: Reason::Projection,
        pointer: None,
        detail: attributable.message,
        event_type: Some(event_type.to_owned()),
        undeclared_type: None,
        late: Some(batch.metadata.column(metadata::LATE).as_boolean().value(attributable.row)),
    };
    Some(Parked { source: source.clone(), generation: Some(generation), rejected })
}
