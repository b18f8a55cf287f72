//! The loop, stepped by hand: what it makes of reports that arrive together.
#![allow(clippy::unwrap_used)]

mod builds;

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::config::{Files, load};
use crate::event::{Headers, Message};
use crate::lifecycle::Parked;
use crate::pipeline::{IndexRoot, assemble, begin};
use crate::plan::program;
use crate::progress::{Phase, SourceProgress, SourceState};
use crate::read_model::ReadView;
use crate::read_model::catalog::Snapshot;
use crate::read_model::search::SearchRequest;
use crate::source::MemorySource;

const CONFIG: &str = "sources: []
parked: {max_events: 3}
---
source: orders
file: {path: none}
envelope: {type: body:/type}
unknown_events: halt
events: {Placed: {fields: {boxes: int64!, notes: string}}}
---
projection: loads
sql: SELECT _seq AS position, 10 / boxes AS load FROM orders.placed
key: [position]
---
projection: found
kind: search
sql: SELECT _seq AS position, notes FROM orders.placed
key: [position]
fields: {notes: {type: text}}
";

/// What the first reader of the source reports.
fn of_orders(input: Input) -> Report {
    Report { source: "orders".into(), reader: 1, input }
}

/// A runner that is stepped by hand, with a queue long enough for all that a test reports.
struct Stepped {
    runner: Runner,
    reports: mpsc::Sender<Report>,
    indexes: TempDir,
}

impl Stepped {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// With lines behind the configuration.
    async fn start_with(more: &str) -> Self {
        let read = |_: &str| Ok(format!("{CONFIG}{more}"));
        let files = Files { list: &|_| Ok(Vec::new()), read: &read };
        let config = load("readside.yaml", &files, &|_| None).unwrap().config;
        let indexes = TempDir::new().unwrap();
        let (checkpointer, restored) = Checkpointer::open("memory://", "test").await.unwrap();
        let root = IndexRoot(indexes.path().to_owned());
        let program = program(&config).unwrap();
        let mut assembly = assemble(program, restored, &checkpointer, &root, config.parked).await.unwrap();
        begin(&mut assembly.live).unwrap();
        let pace = RunnerConfig {
            max_events: 1_000,
            max_delay: Duration::from_secs(3600),
            search_commit: Duration::from_secs(3600),
            checkpoint_interval: Duration::from_secs(3600),
            drain: Duration::ZERO,
        };
        let catalog = Catalog::new(Snapshot::default());
        // What the test reports is what a reader of the source would.
        let (_, silent) = MemorySource::channel();
        let sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::from([("orders".into(), Box::new(silent) as _)]);
        let (mut runner, _, _) = Runner::start(assembly.live, sources, checkpointer, catalog, pace, root, None);
        let (reports, received) = mpsc::channel(16);
        runner.reports = received;
        Self { runner, reports, indexes }
    }

    /// Everything is queued before the loop takes it.
    fn report(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.reports.try_send(of_orders(input)).unwrap();
        }
        while let Ok(report) = self.runner.reports.try_recv() {
            self.runner.take(report).unwrap();
        }
    }

    /// Until the commits of indexes that were begun are seen.
    fn until_committed(&mut self) {
        while !self.runner.engine.end_commits() {
            std::thread::yield_now();
        }
        self.runner.publish();
    }

    fn progress(&self) -> SourceProgress {
        self.runner.catalog.snapshot().sources["orders"].clone()
    }

    fn state(&self) -> SourceState {
        self.progress().state_at(now_us())
    }

    fn covered(&self) -> u64 {
        self.progress().covered().sequence()
    }

    fn rows(&self, projection: &str) -> u64 {
        self.runner.catalog.snapshot().projections[projection].rows
    }

    /// Sequences of the events that a projection could not take, as readers see them.
    fn parked(&self, projection: Option<&str>) -> Vec<u64> {
        let view = self.view();
        let of_projection = |one: &&Arc<Parked>| one.generation.as_ref().map(|id| &*id.projection) == projection;
        view.parked().unwrap().iter().filter(of_projection).map(|one| one.rejected.message.seq).collect()
    }

    /// Documents that a search for `text` finds.
    fn found(&self, text: &str) -> usize {
        let view = self.view();
        let request = SearchRequest { query: text.to_owned(), limit: 100, ..SearchRequest::default() };
        view.open("found").unwrap().index().unwrap().search(&request).unwrap().total
    }

    fn view(&self) -> ReadView {
        ReadView::of_daemon(self.runner.catalog.snapshot())
    }

    /// The position that the rows of a projection are of.
    fn position(&self, projection: &str) -> u64 {
        self.view().open(projection).unwrap().basis().cut.position("orders").sequence()
    }
}

/// A message of each of `bodies`, from `first` on.
fn fetched(first: u64, bodies: &[&str]) -> Input {
    let message = |(place, body): (usize, &&str)| Message {
        seq: first + place as u64,
        subject: "orders".to_owned(),
        headers: Headers::default(),
        payload: Bytes::from(body.to_string()),
        published_at_us: 1_000_000,
        unreadable: None,
    };
    let messages: Vec<Message> = bodies.iter().enumerate().map(message).collect();
    let covered = first + bodies.len() as u64 - 1;
    Input::Fetched { messages, covered, last_sequence: covered }
}

const ONE: &str = r#"{"type": "Placed", "boxes": 1, "notes": "gift"}"#;
const NONE: &str = r#"{"type": "Placed", "boxes": 0}"#;
const BROKEN: &str = r#"{"type": "Placed"}"#;

#[tokio::test]
async fn what_was_fetched_before_a_halt_is_applied_and_the_halt_stays() {
    let mut stepped = Stepped::start().await;
    stepped.report([
        fetched(1, &[ONE, ONE]),
        Input::Halted { message: "gone".to_owned(), is_gap: false },
        fetched(3, &[ONE]),
    ]);
    let progress = stepped.progress();
    assert_eq!((stepped.state(), stepped.covered(), stepped.rows("loads")), (SourceState::Halted, 2, 2));
    assert_eq!(progress.message(), Some("gone"));
}

#[tokio::test]
async fn a_disconnection_outlasts_what_came_before_it() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE, ONE]), Input::Disconnected { message: "no route".to_owned() }]);
    assert_eq!((stepped.state(), stepped.covered()), (SourceState::Disconnected, 2));
    stepped.report([Input::Heartbeat { covered: 2, last_sequence: 2 }]);
    let progress = stepped.progress();
    assert_eq!((stepped.state(), progress.message()), (SourceState::Live, None));
}

#[tokio::test]
async fn the_event_that_fails_is_the_one_that_is_parked() {
    let mut stepped = Stepped::start().await;
    // Both wait when the loop comes to them, so they are one commit.
    stepped.report([fetched(1, &[ONE, ONE]), fetched(3, &[NONE, ONE])]);
    assert_eq!((stepped.parked(Some("loads")), stepped.rows("loads")), (vec![3], 3));
}

#[tokio::test]
async fn a_source_halts_before_the_atomic_batch_whose_event_it_cannot_take() {
    let in_batch = |first, bodies: &[&str]| {
        let Input::Fetched { mut messages, covered, last_sequence } = fetched(first, bodies) else { unreachable!() };
        let last = messages.len() - 1;
        for (place, message) in messages.iter_mut().enumerate() {
            message.headers.0.push(("Nats-Batch-Id".to_owned(), "b".to_owned()));
            message.headers.0.extend((place == last).then(|| ("Nats-Batch-Commit".to_owned(), "1".to_owned())));
        }
        Input::Fetched { messages, covered, last_sequence }
    };
    const UNKNOWN: &str = r#"{"type": "Sold"}"#;
    let mut stepped = Stepped::start().await;
    // Two batches of one id: an end is an end.
    stepped.report([fetched(1, &[ONE]), in_batch(2, &[ONE, ONE]), in_batch(4, &[ONE, UNKNOWN, ONE])]);
    assert_eq!((stepped.state(), stepped.covered(), stepped.rows("loads")), (SourceState::Halted, 3, 3));
    assert!(stepped.progress().message().is_some_and(|why| why.starts_with("message 5: ")), "{:?}", stepped.progress());
    let mut full = Stepped::start().await;
    full.report([fetched(1, &[BROKEN, BROKEN, BROKEN]), in_batch(4, &[ONE, ONE, BROKEN])]);
    assert_eq!((full.state(), full.covered(), full.rows("loads")), (SourceState::Halted, 3, 0));
    assert_eq!(full.parked(None), [1, 2, 3]);
}

#[tokio::test]
async fn what_is_given_twice_counts_once() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE, BROKEN])]);
    stepped.report([fetched(1, &[ONE, BROKEN, ONE]), fetched(2, &[BROKEN, ONE, ONE])]);
    assert_eq!((stepped.rows("loads"), stepped.parked(None), stepped.covered()), (3, vec![2], 4));
}

#[tokio::test]
async fn a_commit_gathers_what_is_queued_no_longer_than_its_delay() {
    for (max_delay, queued) in [(Duration::from_secs(3600), 0), (Duration::ZERO, 2)] {
        let mut stepped = Stepped::start().await;
        stepped.runner.config.max_delay = max_delay;
        for number in 1..=3 {
            stepped.reports.try_send(of_orders(fetched(number, &[ONE]))).unwrap();
        }
        let report = stepped.runner.reports.try_recv().unwrap();
        stepped.runner.take(report).unwrap();
        assert_eq!((stepped.runner.reports.len(), stepped.covered()), (queued, 3 - queued as u64));
    }
}

#[tokio::test]
async fn the_end_of_a_file_is_no_disconnection() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE]), Input::End]);
    let progress = stepped.progress();
    let tomorrow = now_us() + 86_400_000_000;
    assert_eq!((progress.state_at(tomorrow), progress.lag_seconds(tomorrow)), (SourceState::Idle, Some(0.0)));
}

#[tokio::test]
async fn at_the_limit_of_parked_events_a_source_stops_before_the_next_one() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[BROKEN, ONE, BROKEN]), fetched(4, &[ONE])]);
    assert_eq!((stepped.state(), stepped.covered()), (SourceState::Live, 4));
    stepped.report([fetched(5, &[BROKEN, ONE, BROKEN, ONE])]);
    assert_eq!((stepped.state(), stepped.covered(), stepped.rows("loads")), (SourceState::Halted, 6, 3));
    let message = stepped.progress().message().unwrap().to_owned();
    assert!(
        message.contains("message 7 cannot be taken (`missing_field` at /boxes)")
            && message.contains("parked.max_events"),
        "{message}"
    );
    // As a restart finds it.
    let intake = stepped.runner.engine.intakes.get_mut("orders").unwrap();
    intake.resume(&intake.entry());
    stepped.report([fetched(7, &[BROKEN, ONE])]);
    assert_eq!((stepped.state(), stepped.covered()), (SourceState::Halted, 6));
    assert_eq!(stepped.parked(None), [1, 3, 5]);
}

#[tokio::test]
async fn a_projection_with_too_many_events_that_it_cannot_take_fails_alone() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[NONE, ONE, NONE, BROKEN, NONE, BROKEN, BROKEN])]);
    assert_eq!((stepped.parked(Some("loads")), stepped.parked(None)), (vec![1, 3, 5], vec![4, 6, 7]));
    stepped.report([fetched(8, &[ONE])]);
    stepped.report([fetched(9, &[ONE, NONE])]);
    let snapshot = stepped.runner.catalog.snapshot();
    let (loads, found) = (&snapshot.projections["loads"], &snapshot.projections["found"]);
    assert_eq!((loads.state, found.state), (Phase::Failed, Phase::Serving));
    assert_eq!((stepped.rows("loads"), stepped.position("loads")), (2, 8), "its rows are those of its last cut");
    assert_eq!((stepped.state(), stepped.covered(), stepped.rows("found")), (SourceState::Live, 10, 7));
    let error = loads.error.as_deref().unwrap();
    assert!(error.contains("parked.max_events") && error.contains("the last is one of `orders`"), "{error}");
}

#[tokio::test]
async fn a_projection_that_outgrows_its_limit_fails_alone() {
    let more = "---\nprojection: few\nkey: [notes]\nstate_limit: 100kB\nsql: SELECT notes, count(*) AS n FROM orders.placed GROUP BY notes\n";
    let mut stepped = Stepped::start_with(more).await;
    let bodies: Vec<String> =
        (0..20).map(|n| format!(r#"{{"type": "Placed", "boxes": 1, "notes": "{n}{}"}}"#, "x".repeat(4_000))).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    stepped.report([fetched(1, &bodies[..5])]);
    assert_eq!((stepped.rows("few"), stepped.rows("loads")), (5, 5));
    stepped.report([fetched(6, &bodies[5..])]);
    stepped.report([fetched(21, &[ONE])]);
    let snapshot = stepped.runner.catalog.snapshot();
    let few = &snapshot.projections["few"];
    assert_eq!((few.state, snapshot.projections["loads"].state), (Phase::Failed, Phase::Serving));
    let few_at = stepped.position("few");
    assert_eq!((stepped.rows("loads"), stepped.rows("few"), few_at), (21, 20, 20), "its rows are those of its cut");
    let error = few.error.as_deref().unwrap();
    assert!(error.contains("`state_limit` is 100000") && error.contains("raise the limit"), "{error}");
}

#[tokio::test]
async fn an_index_stands_for_every_cut_at_which_nothing_in_it_changed() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE])]);
    stepped.runner.engine.commit_read_models();
    stepped.report([fetched(2, &[BROKEN])]);
    assert_eq!((stepped.position("found"), stepped.found("gift")), (2, 1));
    stepped.report([fetched(3, &[ONE])]);
    assert_eq!((stepped.position("found"), stepped.found("gift")), (2, 1), "its cut never goes back");
}

#[tokio::test]
async fn what_arrives_while_an_index_commits_is_taken_in_and_comes_with_the_next_commit() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE])]);
    stepped.runner.engine.begin_commits();
    stepped.report([fetched(2, &[ONE, ONE])]);
    assert_eq!((stepped.rows("loads"), stepped.rows("found"), stepped.found("gift")), (3, 3, 0));
    stepped.until_committed();
    assert_eq!((stepped.found("gift"), stepped.position("found")), (1, 1));
    stepped.runner.engine.begin_commits();
    stepped.until_committed();
    assert_eq!((stepped.found("gift"), stepped.position("found")), (3, 3));
}

#[tokio::test]
async fn a_checkpoint_has_the_indexes_at_its_own_cut_whatever_is_being_committed() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE])]);
    stepped.runner.next_checkpoint = Instant::now();
    // It begins with what is there by now, and goes on once that is committed.
    stepped.runner.whatever_is_due().unwrap();
    stepped.report([fetched(2, &[ONE])]);
    while !stepped.runner.saving {
        stepped.runner.whatever_is_due().unwrap();
        std::thread::yield_now();
    }
    assert_eq!((stepped.found("gift"), stepped.position("found")), (2, 2));
    assert!(!stepped.runner.engine.is_committing());
    assert!(stepped.runner.next_checkpoint > Instant::now());
}

#[tokio::test]
async fn an_index_that_cannot_be_written_while_the_loop_goes_on_says_so() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE])]);
    stepped.runner.engine.commit_read_models();
    std::fs::remove_dir_all(stepped.indexes.path().join("found/1")).unwrap();
    stepped.report([fetched(2, &[ONE])]);
    stepped.runner.config.search_commit = Duration::ZERO;
    while !stepped.runner.engine.awaits_mending() {
        stepped.runner.whatever_is_due().unwrap();
        std::thread::yield_now();
    }
    let snapshot = stepped.runner.catalog.snapshot();
    assert!(snapshot.projections["found"].error.is_some());
    assert_eq!((stepped.rows("found"), stepped.found("gift"), stepped.position("found")), (2, 1, 1));
    // The next checkpoint builds it again.
    stepped.runner.next_checkpoint = Instant::now();
    stepped.runner.whatever_is_due().unwrap();
    assert_eq!((stepped.found("gift"), stepped.position("found")), (2, 2));
}

#[tokio::test]
async fn an_index_that_cannot_be_written_is_built_again() {
    let mut stepped = Stepped::start().await;
    stepped.report([fetched(1, &[ONE])]);
    stepped.runner.engine.commit_read_models();
    let folder = stepped.indexes.path().join("found/1");
    std::fs::remove_dir_all(&folder).unwrap();
    stepped.report([fetched(2, &[ONE])]);
    stepped.runner.engine.commit_read_models();
    stepped.report([fetched(3, &[ONE])]);
    // Its rows go on, the last commit is searched, and a checkpoint goes without the index.
    assert_eq!((stepped.rows("found"), stepped.found("gift")), (3, 1));
    let snapshot = stepped.runner.catalog.snapshot();
    assert!(snapshot.projections["found"].error.is_some());
    assert_eq!(stepped.position("found"), 1);
    assert!(stepped.runner.engine.awaits_mending());

    stepped.runner.engine.mend();
    stepped.runner.publish();
    let snapshot = stepped.runner.catalog.snapshot();
    assert_eq!((stepped.found("gift"), &snapshot.projections["found"].error), (3, &None));
    assert_eq!(stepped.position("found"), 3);
    assert!(!stepped.runner.engine.awaits_mending());
}
