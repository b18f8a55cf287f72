//! One life of a daemon without its loop: opening, building, commits and checkpoints as single steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use readside::checkpoint::faulty::FaultyStore;
use readside::checkpoint::{CheckpointError, Checkpointer, Draft, Manifest, OpenError, Stats};
use readside::config::ParkedLimits;
use readside::lifecycle::{GenerationId, GenerationState};
use readside::pipeline::{Build, Builder, Engine, Fetched, IndexRoot, LiveCut, assemble, begin};
use readside::progress::{Cut, Phase, SourceName};
use readside::read_model::catalog::Snapshot;
use readside::read_model::search::{PinHold, SearchFilter, SearchRequest};
use readside::read_model::{OpenRelation, ReadView};
use readside::source::{Input, MemorySource, Source};

use super::definitions::{Definitions, ORDER_SEARCH};
use super::log::{Log, WORDS};
use super::oracle::{Expected, Oracle, text};
use tokio::sync::mpsc;

const NOW_US: i64 = 1_800_000_000_000_000;

/// A daemon that lives.
pub(crate) struct Daemon {
    pub(crate) engine: Engine,
    pub(crate) oracle: Oracle,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) building: Option<Building>,
    pending: Option<Pending>,
}

/// A build beside the engine, with what feeds its sources.
pub(crate) struct Building {
    builder: Builder,
    feeds: Feeds,
    /// The live projections that it reads.
    inputs: BTreeSet<String>,
    projections: usize,
}

/// What feeds the sources of a build, and how much of each it has given.
pub(crate) struct Feeds(BTreeMap<SourceName, (mpsc::UnboundedSender<Input>, u64)>);

/// A checkpoint that did not succeed so far.
struct Pending {
    draft: Draft,
    cut: Cut,
    holds: Vec<PinHold>,
}

/// Why a daemon did not start.
#[derive(Debug)]
pub(crate) enum NotStarted {
    Fenced,
    Failed(String),
    /// Every checkpoint is damaged.
    NothingGood(String),
}

/// How a start went.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// The positions that the checkpoint had; none if there was no checkpoint.
    pub(crate) restored: Option<Cut>,
    /// Damaged checkpoints that were skipped.
    pub(crate) skipped: usize,
    /// Projections that went on, and that were built: at once from state that was there, or beside.
    pub(crate) resumed: usize,
    pub(crate) built: usize,
    /// Sources that were read from their beginning.
    pub(crate) read: Vec<SourceName>,
    /// Why projections do not go on as they were.
    pub(crate) reasons: BTreeMap<String, String>,
    /// Projections whose last rows are shown while they are built beside: how many rows.
    pub(crate) rebuilding: BTreeMap<String, usize>,
}

/// How a checkpoint ended.
#[derive(Debug)]
pub(crate) enum Saved {
    Done(Stats),
    Failed,
    Fenced,
}

impl Daemon {
    /// Opens the store and sorts out what goes on and what is built, as the composition root does; what was restored is
    /// compared with the batch result. What is to be built has not begun.
    pub(crate) async fn start(
        store: Arc<FaultyStore>,
        writer: &str,
        definitions: &Definitions,
        folder: &Path,
        log: &Log,
    ) -> Result<(Self, Started), NotStarted> {
        let limits = ParkedLimits { max_events: 100_000, max_bytes: 1 << 30 };
        Self::start_within(store, writer, definitions, folder, log, limits).await
    }

    /// The same within limits of parked events.
    pub(crate) async fn start_within(
        store: Arc<FaultyStore>,
        writer: &str,
        definitions: &Definitions,
        folder: &Path,
        log: &Log,
        limits: ParkedLimits,
    ) -> Result<(Self, Started), NotStarted> {
        let (checkpointer, restored) = match Checkpointer::open_store(store, writer).await {
            Ok(opened) => opened,
            Err(OpenError::Fenced(_)) => return Err(NotStarted::Fenced),
            Err(error @ (OpenError::Store { .. } | OpenError::Unwritable { .. })) => {
                return Err(NotStarted::Failed(error.to_string()));
            }
            Err(error @ OpenError::NothingGood(_)) => return Err(NotStarted::NothingGood(error.to_string())),
            Err(error) => panic!("the place cannot be opened: {error}"),
        };
        let mut started = Started { restored: restored.as_ref().map(|r| cut_of(&r.manifest)), ..Started::default() };
        started.skipped = restored.iter().map(|restored| restored.skipped.len()).sum();
        let known: Option<BTreeSet<(String, u64)>> = restored.as_ref().map(|restored| {
            let generations = restored.manifest.content.generations.iter();
            generations.flat_map(|(name, all)| all.iter().map(|one| (name.clone(), one.generation))).collect()
        });
        let program = definitions.program();
        let oracle = Oracle::new(definitions, &program);
        let indexes = IndexRoot(folder.join(checkpointer.writer().epoch.to_string()));
        let assembled = assemble(program, restored, &checkpointer, &indexes, limits).await;
        let mut assembly = assembled.map_err(|error| NotStarted::Failed(error.to_string()))?;
        begin(&mut assembly.live).unwrap();
        if started.restored.is_some() {
            // Whatever goes on is right before anything else happens to it.
            check_tables(&assembly.live, &oracle.at(log, &assembly.live.cut()));
        }
        let steps = assembly.live.generations.iter().filter(|one| one.state().steps()).map(|one| &one.id);
        let goes_on = |id: &&GenerationId| {
            known.as_ref().is_none_or(|known| known.contains(&(id.projection.to_string(), id.number)))
        };
        let (resumed, joined): (Vec<_>, Vec<_>) = steps.partition(goes_on);
        (started.resumed, started.built) = (resumed.len(), joined.len());
        for generation in &assembly.live.generations {
            if let GenerationState::Rebuilding { .. } = generation.state() {
                started.rebuilding.insert(generation.projection().to_owned(), generation.table().num_rows());
            }
        }
        started.reasons = assembly.reasons.iter().map(|(name, reason)| (name.clone(), reason.to_string())).collect();
        let building = assembly.build.map(Building::new);
        if let Some(building) = &building {
            started.built += building.projections;
            started.read = building.feeds.0.keys().cloned().collect();
        }
        Ok((Self { engine: assembly.live, oracle, checkpointer, building, pending: None }, started))
    }

    /// Builds on to the live cut, if there is anything to build.
    pub(crate) async fn build(&mut self, log: &Log, random: &mut Rng) {
        if let Some(building) = &mut self.building {
            building.feeds.feed(log, random);
            let at = LiveCut::of(&self.engine, &building.inputs);
            building.builder.advance(&at).await;
        }
    }

    /// Lets what is built join.
    pub(crate) async fn join(&mut self, log: &Log, random: &mut Rng) {
        self.build(log, random).await;
        if let Some(building) = self.building.take() {
            let before = self.cut();
            assert!(
                building.builder.finish().join(&mut self.engine, None, NOW_US).is_ok(),
                "it stands at the live cut"
            );
            assert_monotone(&before, &self.cut());
        }
    }

    pub(crate) fn cut(&self) -> Cut {
        self.engine.cut()
    }

    /// Operators with state that a projection shares.
    pub(crate) fn shared(&self, projection: &str) -> usize {
        let operators = &self.engine.snapshot(NOW_US).projections[projection].operators;
        operators.iter().filter(|one| one.grows_with.is_some() && !one.shared_with.is_empty()).count()
    }

    /// Commits up to so many messages of each source, or only hears of a source that has none.
    pub(crate) fn commit(&mut self, log: &Log, random: &mut Rng, limit: usize) {
        let before = self.cut();
        let mut fetched = Vec::new();
        for source in log.sources() {
            if random.u8(0..4) == 0 {
                continue;
            }
            let after = before.position(source).sequence();
            let last_sequence = log.last_sequence(source);
            let rest = log.between(source, after, last_sequence);
            let messages = rest[..random.usize(0..=limit).min(rest.len())].to_vec();
            let covered = match messages.last() {
                _ if messages.len() == rest.len() => last_sequence,
                Some(message) => message.seq,
                None => after,
            };
            fetched.push(Fetched { source: source.clone(), messages, covered, last_sequence });
        }
        self.engine.commit(fetched, NOW_US).unwrap();
        assert_monotone(&before, &self.cut());
    }

    /// Commits everything there is.
    pub(crate) fn commit_all(&mut self, log: &Log) {
        let cut = self.cut();
        let fetched = log.sources().map(|source| {
            let last_sequence = log.last_sequence(source);
            let messages = log.between(source, cut.position(source).sequence(), last_sequence).to_vec();
            Fetched { source: source.clone(), messages, covered: last_sequence, last_sequence }
        });
        self.engine.commit(fetched.collect(), NOW_US).unwrap();
    }

    /// Tries to make a checkpoint: of the pending draft, or else of a new one.
    pub(crate) async fn checkpoint(&mut self, log: &Log) -> Saved {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => {
                let (draft, holds) = self.engine.draft(NOW_US).unwrap();
                self.check_search(log);
                Pending { draft, cut: self.cut(), holds }
            }
        };
        match self.checkpointer.checkpoint(&pending.draft).await {
            Ok(stats) => {
                assert_eq!(cut_of(self.checkpointer.manifest()), pending.cut, "the manifest is of the draft's cut");
                drop(pending.holds);
                Saved::Done(stats)
            }
            Err(CheckpointError::Fenced(_)) => Saved::Fenced,
            Err(error @ CheckpointError::Draft { .. }) => panic!("{error}"),
            Err(_) => {
                self.pending = Some(pending);
                Saved::Failed
            }
        }
    }

    /// Whether the last checkpoint is of this very cut.
    pub(crate) fn is_durable(&self) -> bool {
        self.pending.is_none() && cut_of(self.checkpointer.manifest()) == self.cut()
    }

    /// Compares everything with the batch results.
    pub(crate) fn check(&self, log: &Log) {
        let expected = self.oracle.at(log, &self.cut());
        check_tables(&self.engine, &expected);
        if self.building.is_some() {
            // What is parked of what is built comes with it.
            return;
        }
        let mut parked: Vec<_> = self
            .engine
            .parked
            .iter()
            .map(|parked| {
                (
                    parked.source.to_string(),
                    parked.generation.as_ref().map(|id| id.projection.to_string()),
                    parked.rejected.message.seq,
                )
            })
            .collect();
        parked.sort_unstable();
        assert_eq!(parked, expected.parked(), "parked events at {}", self.cut());
        let snapshot = self.engine.snapshot(NOW_US);
        check_last_rows(&self.oracle, log, snapshot.clone());
        for (source, progress) in &snapshot.sources {
            let undecoded = parked.iter().filter(|(of, projection, _)| **of == **source && projection.is_none());
            assert_eq!(progress.parked().values().sum::<u64>(), undecoded.count() as u64, "counted for `{source}`");
        }
    }

    /// Makes the indexes' changes visible and compares them with their own tables.
    pub(crate) fn check_search(&mut self, log: &Log) {
        self.engine.commit_read_models();
        let view = ReadView::of_daemon(Arc::new(self.engine.snapshot(NOW_US)));
        for name in view.names() {
            let relation = view.open(name).unwrap();
            if relation.index().is_none() || view.projections()[name].error.is_some() {
                continue;
            }
            let cut = relation.basis().cut;
            assert_eq!(cut, self.cut(), "`{name}` was just committed");
            let rows = table_text(relation.table().unwrap().scan().unwrap());
            assert_eq!(rows, self.oracle.at(log, &cut).rows(name), "table of `{name}`");
            check_documents(name, &relation, &rows);
        }
    }
}

impl Building {
    fn new(build: Build) -> Self {
        let (projections, inputs) = (build.projections().count(), build.inputs());
        let (mut feeds, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for (name, _) in build.sources() {
            let (sender, source) = MemorySource::channel();
            sources.insert(name.clone(), Box::new(source) as Box<dyn Source>);
            feeds.insert(name.clone(), (sender, 0));
        }
        Self { builder: Builder::new(build, sources), feeds: Feeds(feeds), inputs, projections }
    }

    pub(crate) fn into_parts(self) -> (Feeds, Builder) {
        (self.feeds, self.builder)
    }
}

impl Feeds {
    /// Gives the build's sources everything there is, in batches of random size.
    pub(crate) fn feed(&mut self, log: &Log, random: &mut Rng) {
        for (name, (sender, fed)) in &mut self.0 {
            let last_sequence = log.last_sequence(name);
            for batch in log.between(name, *fed, last_sequence).chunks(random.usize(1..60)) {
                let covered = batch.last().map_or(0, |message| message.seq);
                // A build that has failed reads no more.
                let _ = sender.send(Input::Fetched { messages: batch.to_vec(), covered, last_sequence });
            }
            // The stream may end with messages that no filter lets through.
            let _ = sender.send(Input::Heartbeat { covered: last_sequence, last_sequence });
            *fed = last_sequence;
        }
    }
}

/// The rows of what is in error are those of the last cut at which it was not.
pub(crate) fn check_last_rows(oracle: &Oracle, log: &Log, snapshot: Snapshot) {
    let view = ReadView::of_daemon(Arc::new(snapshot));
    for name in view.names().filter(|name| view.projections()[*name].state == Phase::Failed) {
        let relation = view.open(name).unwrap();
        let basis = relation.basis();
        assert_eq!((basis.phase, basis.reason), (Phase::Failed, view.projections()[name].error.clone()), "`{name}`");
        let rows = table_text(relation.table().unwrap().scan().unwrap());
        assert_eq!(rows, oracle.at(log, &basis.cut).rows(name), "last rows of `{name}` at {}", basis.cut);
    }
}

fn check_tables(engine: &Engine, expected: &Expected<'_>) {
    let cut = engine.cut();
    for generation in &engine.generations {
        let name = generation.projection();
        if let GenerationState::Rebuilding { .. } = generation.state() {
            continue;
        }
        assert_eq!(*generation.state(), GenerationState::Serving, "`{name}` at {cut}");
        assert_eq!(*generation.cut(), cut, "cut of `{name}`");
        let is_in_error = generation.status().state == Phase::Failed;
        assert_eq!(is_in_error, expected.is_in_error(name), "`{name}` at {cut}: {:?}", generation.status().error);
        if is_in_error {
            continue;
        }
        assert_eq!(table_text(generation.table().snapshot().scan()), expected.rows(name), "`{name}` at {cut}");
    }
}

/// Each row of the index's table has one document, which says of it what the row says.
fn check_documents(name: &str, search: &OpenRelation<'_>, rows: &[String]) {
    assert_eq!(
        search.index().unwrap().search(&SearchRequest::default()).unwrap().total,
        rows.len(),
        "documents of {search:?}"
    );
    if name != ORDER_SEARCH {
        return;
    }
    let having = |column: usize, wanted: &dyn Fn(&str) -> bool| {
        rows.iter().filter(|row| wanted(row.split('|').nth(column).unwrap())).cloned().collect::<Vec<_>>()
    };
    for status in ["Placed", "Shipped", "Returned"] {
        let filters = vec![SearchFilter::is("status", status)];
        assert_eq!(found(search, String::new(), filters), having(2, &|value| value == status), "{status}");
    }
    for word in WORDS {
        let in_note = having(1, &|note| note.split(' ').any(|other| other == word));
        assert_eq!(found(search, format!("note:{word}"), Vec::new()), in_note, "{word}");
    }
}

fn found(search: &OpenRelation<'_>, query: String, filters: Vec<SearchFilter>) -> Vec<String> {
    let request = SearchRequest { query, filters, limit: 1000, ..SearchRequest::default() };
    let answer = search.index().unwrap().search(&request).unwrap();
    assert_eq!(answer.total, answer.hits.len());
    text(&[answer.rows])
}

pub(crate) fn table_text<E: std::fmt::Debug>(batches: impl Iterator<Item = Result<RecordBatch, E>>) -> Vec<String> {
    text(&batches.collect::<Result<Vec<_>, _>>().unwrap())
}

/// The cut that a checkpoint says it is of.
pub(crate) fn cut_of(manifest: &Manifest) -> Cut {
    let positions = manifest.content.sources.iter().map(|(name, entry)| (name.clone(), entry.covered));
    Cut { positions: positions.collect(), revision: manifest.content.revision }
}

pub(crate) fn assert_monotone(before: &Cut, after: &Cut) {
    for (source, position) in &before.positions {
        assert!(after.position(source) >= *position, "{source} went back from {before} to {after}");
    }
}
