//! The only loop: it awaits sources, commits, publishes, and hands checkpoints over. What it does for others is in `obeying`.
//!
//! With nothing queued a commit happens at once; while a commit runs, what arrives waits in bounded queues, so under
//! load batches grow and intake slows down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::assemble::IndexRoot;
use super::commands::{Command, Commands};
use super::engine::{Engine, EngineError, Fetched};
use super::grounding::{Asked, Gathered};
use super::readers::{OpenSource, Readers, Report};
use super::saver::{Job, Saved, spawn_saver};
use super::visibility::Visibility;
use crate::checkpoint::Checkpointer;
use crate::progress::{Cut, SourceName};
use crate::read_model::catalog::Catalog;
use crate::source::{Input, Source};
use crate::telemetry;

mod obeying;

/// As good as never: the loop looks again at the next checkpoint at the latest.
const NEVER: Duration = Duration::from_secs(86_400);

/// After which time the loop looks again at commits of indexes that run.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How the loop paces itself.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// Messages that one commit takes at the most, over all sources.
    pub max_events: usize,
    /// Longest that one commit gathers what keeps arriving. With nothing queued it begins at once.
    pub max_delay: Duration,
    pub search_commit: Duration,
    pub checkpoint_interval: Duration,
    /// For the last checkpoint when it is told to stop.
    pub drain: Duration,
}

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoopEnd {
    /// It was told to; everything is in the checkpoint.
    Drained,
    /// It was told to, but the last checkpoint did not become durable in time. Nothing is lost: the streams still have it.
    Undrained,
    /// Another daemon has the data directory.
    Fenced(String),
    /// A commit failed; the state in memory must not be used.
    Poisoned(String),
}

/// What the loop says of itself, for readiness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunnerStatus {
    /// The last checkpoint's failure, until one succeeds.
    pub checkpoint_failure: Option<String>,
    /// Sources that have been reached since the start.
    pub opened: BTreeSet<SourceName>,
}

/// Tells someone that what was done is durable.
pub(super) type Acknowledgement = Box<dyn FnOnce() + Send>;

/// The loop with everything it owns.
pub struct Runner {
    engine: Engine,
    catalog: Catalog,
    config: RunnerConfig,
    readers: Readers,
    reports: mpsc::Receiver<Report>,
    /// Opens sources as they are declared by now.
    open: Option<OpenSource>,
    /// Opens those of which that is known as they are read.
    openers: BTreeMap<SourceName, OpenSource>,
    /// From when on builds may join, where somebody compares what runs with what is declared.
    joins_from: Option<Instant>,
    commands: mpsc::Receiver<Command>,
    /// Until when nothing is taken in, because a build is about to join.
    held_until: Option<Instant>,
    jobs: mpsc::Sender<Job>,
    saved: mpsc::Receiver<Saved>,
    status: watch::Sender<RunnerStatus>,
    saving: bool,
    /// Those who want to begin builds, before and after the capture of the checkpoint that they wait for.
    asked: Vec<Asked>,
    gathered: Vec<Gathered>,
    /// What waits until a checkpoint has what was done: before, and after its capture.
    unsaved: Vec<Acknowledgement>,
    captured: Vec<Acknowledgement>,
    indexes: IndexRoot,
    /// Folders of search indexes that are of no more use: before, and after the capture of a checkpoint without them.
    unused: Vec<PathBuf>,
    removable: Vec<PathBuf>,
    /// The cut of the last durable checkpoint.
    durable: Option<Cut>,
    /// Whether something was done since the last capture that moves no cut.
    has_changed: bool,
    next_checkpoint: Instant,
    /// Whether the indexes were committed for the checkpoint that is due.
    has_committed_ahead: bool,
    /// When the job was handed over that is being done, microseconds since the epoch.
    captured_at_us: i64,
    /// Messages that some answers have yet to show.
    visibility: Visibility,
}

impl Runner {
    /// Starts reading the sources and takes over the checkpointer. `open` opens them once more where that has to be. Call it within a tokio runtime. The loop can be asked
    /// through the commands once it runs.
    pub fn start(
        engine: Engine,
        sources: BTreeMap<SourceName, Box<dyn Source>>,
        checkpointer: Checkpointer,
        catalog: Catalog,
        config: RunnerConfig,
        indexes: IndexRoot,
        open: Option<OpenSource>,
    ) -> (Self, watch::Receiver<RunnerStatus>, Commands) {
        let (mut readers, reports) = Readers::new();
        for (name, source) in sources {
            readers.begin(name, || source);
        }
        let (jobs, job_receiver) = mpsc::channel(1);
        let (saved_sender, saved) = mpsc::channel(1);
        spawn_saver(checkpointer, job_receiver, saved_sender);
        let (status, status_receiver) = watch::channel(RunnerStatus::default());
        let next_checkpoint = Instant::now() + config.checkpoint_interval;
        let (commander, commands) = Commands::new();
        let runner = Self {
            engine,
            catalog,
            config,
            readers,
            reports,
            open,
            openers: BTreeMap::new(),
            joins_from: None,
            commands,
            held_until: None,
            jobs,
            saved,
            status,
            saving: false,
            asked: Vec::new(),
            gathered: Vec::new(),
            unsaved: Vec::new(),
            captured: Vec::new(),
            indexes,
            unused: Vec::new(),
            removable: Vec::new(),
            durable: None,
            has_changed: false,
            next_checkpoint,
            has_committed_ahead: false,
            captured_at_us: now_us(),
            visibility: Visibility::default(),
        };
        (runner, status_receiver, commander)
    }

    /// Runs until `shutdown` becomes true.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> LoopEnd {
        self.publish();
        loop {
            let wake = self.wakes_at();
            let step = tokio::select! {
                biased;
                () = told(&mut shutdown) => return self.drain().await,
                Some(saved) = self.saved.recv() => self.checkpointed(saved),
                Some(command) = self.commands.recv() => self.obey(command),
                Some(report) = self.reports.recv(), if self.held_until.is_none() => self.take(report),
                () = sleep_until(wake.into()) => Ok(()),
            };
            if let Err(outcome) = step.and_then(|()| self.whatever_is_due()) {
                return outcome;
            }
        }
    }

    /// Takes what arrived and everything else that waits, and commits it.
    fn take(&mut self, report: Report) -> Result<(), LoopEnd> {
        let mut fetched = Vec::new();
        let mut events = 0;
        let mut news = None;
        let mut next = Some(report);
        let until = Instant::now() + self.config.max_delay;
        while let Some(report) = next {
            if self.readers.is_current(&report) {
                match messages(report.source, report.input) {
                    Ok(input) => {
                        events += input.messages.len();
                        fetched.push(input);
                    }
                    // What came before it is applied first, so that it has the last word.
                    Err(input) => {
                        news = Some(input);
                        break;
                    }
                }
            }
            let takes_more = events < self.config.max_events && Instant::now() < until;
            next = if takes_more { self.reports.try_recv().ok() } else { None };
        }
        if !fetched.is_empty() {
            let began = Instant::now();
            let newest_first = fetched.iter().rev().flat_map(|one| one.messages.iter().rev());
            let _span = telemetry::CommitSpan::begin(newest_first);
            let read: BTreeSet<SourceName> = fetched.iter().map(|one| one.source.clone()).collect();
            self.visibility.committed(&fetched);
            let read: Vec<SourceName> = read.into_iter().filter(|one| self.engine.halted(one).is_none()).collect();
            self.engine.commit(fetched, now_us()).map_err(poisoned)?;
            for source in read {
                // By an event of an unknown type, or because no more can be parked.
                if let Some(message) = self.engine.halted(&source) {
                    tracing::error!(%source, reason = %message, "source halted");
                    self.read_end(&source);
                }
            }
            telemetry::observe_commit(began.elapsed());
        }
        if let Some((source, input)) = news {
            self.note(source, input);
        }
        self.publish();
        Ok(())
    }

    /// Notes what a source says of itself.
    fn note(&mut self, source: SourceName, input: Input) {
        let Some(intake) = self.engine.intakes.get_mut(&source) else { return };
        let progress = &mut intake.progress;
        match input {
            Input::Ends { first_sequence, last_sequence } => {
                progress.retains(first_sequence.into());
                progress.ends(last_sequence.into());
            }
            Input::Retains { first_sequence } => progress.retains(first_sequence.into()),
            _ if progress.is_halted() => {}
            // These are committed, not noted.
            Input::Fetched { .. } | Input::Heartbeat { .. } => {}
            Input::Opened { identity, last_sequence, began } => {
                intake.identity = serde_json::to_value(&identity).unwrap_or_default();
                intake.was_opened();
                intake.progress.opened(last_sequence.into(), began.into(), now_us());
                tracing::info!(%source, last_sequence, "source opened");
                self.status.send_if_modified(|status| status.opened.insert(source));
            }
            Input::Known { identity } => intake.identity = serde_json::to_value(&identity).unwrap_or_default(),
            Input::Lost { losses } => {
                tracing::warn!(%source, "{losses} vanished from the stream before they were read");
                progress.lost(losses);
            }
            Input::Disconnected { message } => {
                tracing::warn!(%source, reason = %message, "source disconnected");
                progress.disconnected(message);
            }
            Input::Halted { message, is_gap } => {
                let message = match is_gap {
                    true => format!(
                        "{message}; restore them, or go on without them (`readside source accept-gap {source}`), and answers say \
                         that they are incomplete"
                    ),
                    false => message,
                };
                tracing::error!(%source, reason = %message, "source halted");
                match is_gap {
                    true => progress.halted_by_gap(message),
                    false => progress.halted(message),
                }
                // What was accepted was another gap.
                intake.was_opened();
                self.read_end(&source);
            }
            Input::End => progress.ended(now_us()),
        }
    }

    /// When the loop has something to do if nothing else comes.
    fn wakes_at(&self) -> Instant {
        let at = match self.engine.is_committing() {
            true => Instant::now() + LOOK_AGAIN,
            false => self.next_checkpoint.min(Instant::now() + self.until_commit()),
        };
        self.held_until.map_or(at, |until| until.min(at))
    }

    /// After which time what the read models have taken has to be made visible.
    fn until_commit(&self) -> Duration {
        let since = self.engine.uncommitted_since_us();
        let age = since.map(|since| Duration::from_micros(now_us().saturating_sub(since).max(0) as u64));
        age.map_or(NEVER, |age| self.config.search_commit.saturating_sub(age))
    }

    fn publish(&mut self) {
        self.catalog.publish(self.engine.snapshot(now_us()));
        self.visibility.published(&self.catalog, now_us());
    }

    fn whatever_is_due(&mut self) -> Result<(), LoopEnd> {
        let now = Instant::now();
        if self.held_until.is_some_and(|until| until <= now) {
            self.held_until = None;
        }
        if self.engine.is_committing() {
            if self.engine.end_commits() {
                self.publish();
            }
        } else if self.until_commit().is_zero() {
            self.engine.begin_commits();
            // What cannot be written says so.
            self.publish();
        }
        // Who would begin beside, or wants to know that something is durable, waits for a checkpoint of now, which comes as soon as the one before is written.
        if (!self.asked.is_empty() || !self.unsaved.is_empty()) && !self.saving {
            self.next_checkpoint = now;
        }
        if self.next_checkpoint <= now {
            // A checkpoint waits for the indexes at its own cut. What they have taken by now is committed before, so that there is
            // little left to wait for.
            if !self.saving && !self.has_committed_ahead {
                self.engine.begin_commits();
                self.has_committed_ahead = true;
            }
            if self.has_committed_ahead && self.engine.is_committing() {
                return Ok(());
            }
            self.has_committed_ahead = false;
            self.next_checkpoint = now + self.config.checkpoint_interval;
            // A checkpoint that is still being written is finished, or tried again, before the next one begins.
            if !self.saving {
                let is_durable = self.is_durable();
                if is_durable && !self.engine.awaits_mending() && self.asked.is_empty() && self.unsaved.is_empty() {
                    self.hand_over(Job::Confirm)?
                } else {
                    self.checkpoint()?
                }
            }
        }
        Ok(())
    }

    /// Whether a checkpoint has everything.
    fn is_durable(&self) -> bool {
        !self.has_changed && self.durable.as_ref() == Some(&self.engine.cut())
    }

    /// Captures everything at the current cut and hands it over.
    fn checkpoint(&mut self) -> Result<(), LoopEnd> {
        self.engine.mend();
        let (mut draft, holds) = self.engine.draft(now_us()).map_err(poisoned)?;
        for asked in self.asked.drain(..) {
            self.gathered.extend(asked.gather(&mut self.engine, &mut draft, now_us()));
        }
        let read_back = self.gathered.iter().flat_map(Gathered::stores).collect();
        self.removable.append(&mut self.unused);
        self.captured.append(&mut self.unsaved);
        self.has_changed = false;
        self.hand_over(Job::Write { draft: Box::new(draft), cut: self.engine.cut(), holds, read_back })?;
        self.publish();
        Ok(())
    }

    fn hand_over(&mut self, job: Job) -> Result<(), LoopEnd> {
        self.saving = true;
        self.captured_at_us = now_us();
        // The queue is empty: a job is handed over only when the one before is done.
        self.jobs.try_send(job).map_err(|_| LoopEnd::Poisoned("the checkpoint writer has stopped".to_owned()))
    }

    fn checkpointed(&mut self, saved: Saved) -> Result<(), LoopEnd> {
        match saved {
            Saved::Done { cut, stats, took, disk, stores } => {
                self.saving = false;
                self.engine.is_on_disk(disk);
                let gathered = std::mem::take(&mut self.gathered);
                let answered = gathered.into_iter().filter_map(|one| one.answer(&stores, &mut self.engine, now_us()));
                self.unsaved.extend(answered);
                self.captured.drain(..).for_each(|acknowledge| acknowledge());
                self.removable.drain(..).for_each(|folder| IndexRoot::remove(&folder));
                tracing::debug!(%cut, ?stats, "checkpoint is durable");
                telemetry::observe_checkpoint(took);
                telemetry::set_checkpoint(self.captured_at_us);
                self.durable = Some(cut);
                self.mended();
                Ok(())
            }
            Saved::Confirmed => {
                self.saving = false;
                telemetry::set_checkpoint(self.captured_at_us);
                self.mended();
                Ok(())
            }
            Saved::Failed { message } => {
                tracing::error!(reason = %message, "checkpoint failed; it will be tried again");
                telemetry::count_checkpoint_failure();
                self.status.send_modify(|status| status.checkpoint_failure = Some(message));
                Ok(())
            }
            Saved::Fenced { message } => Err(LoopEnd::Fenced(message)),
        }
    }

    fn mended(&self) {
        let mended = self.status.send_if_modified(|status| status.checkpoint_failure.take().is_some());
        if mended {
            tracing::info!("checkpoints can be written again");
        }
    }

    /// Stops intake and makes a last checkpoint.
    async fn drain(mut self) -> LoopEnd {
        let deadline = Instant::now() + self.config.drain;
        self.reports.close();
        loop {
            if !self.saving {
                if self.is_durable() {
                    return LoopEnd::Drained;
                }
                if let Err(outcome) = self.checkpoint() {
                    return outcome;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, self.saved.recv()).await {
                Ok(Some(saved)) => {
                    if let Err(outcome) = self.checkpointed(saved) {
                        return outcome;
                    }
                }
                Ok(None) | Err(_) => return LoopEnd::Undrained,
            }
        }
    }
}

/// Waits to be told to stop, without holding on to the word.
async fn told(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The messages of an input; as error, one that says something of the source itself.
fn messages(source: SourceName, input: Input) -> Result<Fetched, (SourceName, Input)> {
    match input {
        Input::Fetched { messages, covered, last_sequence } => Ok(Fetched { source, messages, covered, last_sequence }),
        Input::Heartbeat { covered, last_sequence } => {
            Ok(Fetched { source, messages: Vec::new(), covered, last_sequence })
        }
        news => Err((source, news)),
    }
}

fn poisoned(error: EngineError) -> LoopEnd {
    LoopEnd::Poisoned(error.to_string())
}

/// Microseconds since the epoch.
pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros() as i64)
}

#[cfg(test)]
mod tests;
