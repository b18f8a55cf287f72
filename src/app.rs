//! The composition root: wires the rooms, starts them, and drains them in order.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::checkpoint::{CheckpointError, Checkpointer, OpenError};
use crate::config::{Config, Http, Problem, SourceKind};
use crate::pipeline::{
    AssembleError, Build, Builder, Commands, EngineError, IndexRoot, Intake, LoopEnd, Runner, RunnerConfig,
    RunnerStatus, assemble, begin,
};
use crate::plan::{Program, program};
use crate::progress::{Position, SourceName, SourceState};
use crate::query::{Streams, now_us};
use crate::read_model::catalog::{Catalog, Snapshot};
use crate::serve::http::{Api, MetricsServer, Readiness, Server, within_descriptors};
use crate::source::{self, BatchLimits, Source, Start, StreamIdentity};
use crate::telemetry;

/// From the signal to the last checkpoint.
const DRAIN: Duration = Duration::from_secs(4);
/// Between looks at sources that say nothing.
const READINESS: Duration = Duration::from_secs(1);
/// For answers under way when everything else is done.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the configuration has {} problems", .0.len())]
    Problems(Vec<Problem>),
    #[error("cannot listen on {listen}: {error}; is another daemon running? change `{key}.listen`")]
    Listen { key: &'static str, listen: String, error: io::Error },
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another daemon took over while this one was starting.
    #[error(transparent)]
    Replaced(CheckpointError),
    #[error(transparent)]
    Source(#[from] source::OpenError),
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Thread(io::Error),
}

/// Where a daemon listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub http: SocketAddr,
    pub metrics: SocketAddr,
}

/// Runs a daemon until `shutdown`. `started` learns where it listens, as soon as it does: before it is ready.
///
/// # Errors
/// If the daemon cannot start: an address is taken, a checkpoint cannot be read, a projection cannot be assembled, or
/// the fence is lost.
pub async fn run(
    config: Config,
    started: impl FnOnce(Addresses),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<LoopEnd, AppError> {
    let program = program(&config).map_err(AppError::Problems)?;
    let (stop, stopped) = watch::channel(false);
    let catalog = Catalog::new(Snapshot::default());
    let readiness = Readiness::starting();
    let servers = Servers::start(&config, &catalog, &readiness, &stopped, started).await?;
    tokio::spawn(async move {
        shutdown.await;
        stop.send_replace(true);
        // Held until the process ends, so that no receiver takes the signal for lost.
        stop.closed().await;
    });
    let mut interrupted = stopped.clone();
    let ready = tokio::select! {
        runner = prepare(&config, program, &catalog) => runner?,
        // Nothing was applied yet that a checkpoint could keep.
        _ = interrupted.wait_for(|stop| *stop) => return Ok(LoopEnd::Drained),
    };
    let (runner, status) = ready;
    tokio::spawn(report_readiness(catalog, readiness, status));
    let outcome = on_own_thread(runner, stopped).await?;
    servers.finish().await;
    Ok(outcome)
}

/// Opens the checkpoints, sorts out what goes on and what is built, and starts reading.
async fn prepare(
    config: &Config,
    program: Program,
    catalog: &Catalog,
) -> Result<(Runner, watch::Receiver<RunnerStatus>), AppError> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "readside".to_owned());
    let (mut checkpointer, restored) = Checkpointer::open(&config.data_dir, &host).await?;
    for damage in restored.iter().flat_map(|restored| &restored.skipped) {
        tracing::error!(%damage, "a damaged checkpoint was skipped; the previous one is used");
    }
    let indexes = index_root(&config.data_dir, checkpointer.writer().epoch);
    let assembled = assemble(program, restored, &checkpointer, &indexes, config.parked.clone()).await;
    let mut assembly = match (assembled, checkpointer.confirm().await) {
        // A successor clears away what it finds, so that is the reason, whatever else failed.
        (_, Err(fenced @ CheckpointError::Fenced(_))) => return Err(AppError::Replaced(fenced)),
        (assembled, _) => assembled?,
    };
    if assembly.live.cut().positions.values().any(|position| *position > Position::START) {
        tracing::info!(cut = %assembly.live.cut(), "continuing from the last checkpoint");
    }
    begin(&mut assembly.live)?;
    catalog.publish(assembly.live.snapshot(now_us()));
    let mut sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::new();
    for (name, intake) in &assembly.live.intakes {
        let after = intake.progress.covered();
        sources.insert(name.clone(), open(config, name, after, intake)?);
    }
    let pace = RunnerConfig {
        max_events: config.commit.max_events,
        max_delay: config.commit.max_delay,
        search_commit: config.search_commit,
        checkpoint_interval: config.checkpoint_interval,
        drain: DRAIN,
    };
    let builder = assembly.build.map(|build| builder(config, build)).transpose()?;
    let (runner, status, commands) = Runner::start(assembly.live, sources, checkpointer, catalog.clone(), pace);
    if let Some(builder) = builder {
        build_on_own_thread(builder, commands).map_err(AppError::Thread)?;
    }
    Ok((runner, status))
}

/// What builds new and changed projections from the start of their sources.
fn builder(config: &Config, build: Build) -> Result<Builder, source::OpenError> {
    let names: Vec<&str> = build.projections().collect();
    let mut sources = BTreeMap::new();
    for (name, intake) in build.sources() {
        sources.insert(name.clone(), open(config, name, Position::START, intake)?);
    }
    let read: Vec<&str> = sources.keys().map(|name: &SourceName| &**name).collect();
    tracing::info!(projections = names.join(", "), read_from_the_start = read.join(", "), "building");
    Ok(Builder::new(build, sources))
}

/// A build has a thread of its own, so that the live generations and the queries go on meanwhile. It ends with the loop.
fn build_on_own_thread(builder: Builder, live: Commands) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || runtime.block_on(builder.run(live));
    std::thread::Builder::new().name("builder".to_owned()).spawn(body)?;
    Ok(())
}

fn open(
    config: &Config,
    name: &SourceName,
    after: Position,
    intake: &Intake,
) -> Result<Box<dyn Source>, source::OpenError> {
    // A source that was never opened has none. One that cannot be read is no reason to open any stream of that name.
    let identity = &intake.identity;
    let known: Option<StreamIdentity> = match serde_json::from_value(identity.clone()) {
        Ok(known) => known,
        Err(error) => return Ok(source::halted(unreadable_identity(identity, &error))),
    };
    let limits = BatchLimits { max_events: config.commit.max_events, ..BatchLimits::default() };
    let start = Start {
        after: after.sequence(),
        identity: known,
        evidence: intake.evidence().clone(),
        was_read_otherwise: !intake.is_read_as_declared(),
    };
    let mut configured = config.sources.iter();
    match configured.find(|source| source.schema.source == **name) {
        Some(source) => source::open(source, config.nats.as_ref(), start, limits),
        // Every intake was made from a configured source.
        None => unreachable!("source `{name}` is not configured"),
    }
}

fn unreadable_identity(identity: &serde_json::Value, error: &serde_json::Error) -> String {
    format!(
        "the checkpoint's identity of this stream, {identity}, cannot be read ({error}), so nothing tells whether the \
         stream is still the same; run the build that wrote the checkpoint, or empty `data_dir` to build everything again"
    )
}

/// Search indexes work in a local folder of this writer alone; what is durable of them is in the checkpoint.
fn index_root(data_dir: &str, epoch: u64) -> IndexRoot {
    let local = match data_dir.split_once("://") {
        None => PathBuf::from(data_dir),
        Some(("file", path)) => PathBuf::from(path),
        Some(_) => std::env::temp_dir().join(format!("readside-{}", std::process::id())),
    };
    let indexes = local.join("indexes");
    for entry in std::fs::read_dir(&indexes).into_iter().flatten().flatten() {
        let is_old = entry.file_name().to_str().and_then(|name| name.parse().ok()).is_none_or(|of: u64| of < epoch);
        if is_old {
            // What an earlier writer left. If it cannot be removed, it only takes space.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    IndexRoot(indexes.join(epoch.to_string()))
}

/// The runner has a thread of its own, so that neither queries nor sources delay a commit.
async fn on_own_thread(runner: Runner, stopped: watch::Receiver<bool>) -> Result<LoopEnd, AppError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AppError::Thread)?;
    let body = move || drop(done.send(runtime.block_on(runner.run(stopped))));
    std::thread::Builder::new().name("runner".to_owned()).spawn(body).map_err(AppError::Thread)?;
    Ok(outcome.await.unwrap_or_else(|_| LoopEnd::Poisoned("the runner's thread panicked; see the log".to_owned())))
}

/// Publishes why the daemon is not ready (a source that was not reached yet), and what is wrong although it serves: checkpoints
/// that fail, projections, and sources that have halted or are disconnected.
async fn report_readiness(catalog: Catalog, readiness: Readiness, mut status: watch::Receiver<RunnerStatus>) {
    let mut snapshots = catalog.subscribe();
    loop {
        let (reasons, warnings) = {
            let snapshot = snapshots.borrow_and_update();
            let status = status.borrow_and_update();
            let failure = status.checkpoint_failure.iter();
            let mut warnings: Vec<String> = failure
                .map(|failure| format!("checkpoints fail, so a restart would repeat what they lack: {failure}"))
                .collect();
            let broken = snapshot.projections.values().filter_map(|one| Some((&one.name, one.error.as_ref()?)));
            warnings.extend(broken.map(|(name, error)| format!("projection `{name}`: {error}")));
            let mut reasons = Vec::new();
            for (name, progress) in &snapshot.sources {
                let message = progress.message().unwrap_or("not connected yet");
                let was_reached = status.opened.contains(name) || progress.has_ended();
                match progress.state_at(now_us()) {
                    // Its rows are served as they are, if there were any.
                    SourceState::Halted if was_reached || progress.covered() > Position::START => {
                        warnings.push(format!("source `{name}` has halted: {message}"));
                    }
                    SourceState::Halted => reasons.push(format!("source `{name}` has halted: {message}")),
                    _ if !was_reached => reasons.push(format!("source `{name}` was not reached yet: {message}")),
                    SourceState::Disconnected => {
                        let message = progress.message().unwrap_or("nothing has been heard of it for some time");
                        warnings.push(format!("source `{name}` is disconnected: {message}"));
                    }
                    SourceState::Live | SourceState::Idle | SourceState::CatchingUp => {}
                }
            }
            (reasons, warnings)
        };
        readiness.set_warnings(warnings);
        if reasons.is_empty() {
            readiness.set_ready()
        } else {
            readiness.set_not_ready(reasons)
        }
        let changed = tokio::select! {
            changed = snapshots.changed() => changed,
            changed = status.changed() => changed,
            // A source may fall silent without a word that would be published.
            () = tokio::time::sleep(READINESS) => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}

/// The listeners and their tasks.
struct Servers {
    tasks: Vec<JoinHandle<()>>,
    upkeep: JoinHandle<()>,
}

impl Servers {
    async fn start(
        config: &Config,
        catalog: &Catalog,
        readiness: &Readiness,
        stopped: &watch::Receiver<bool>,
        started: impl FnOnce(Addresses),
    ) -> Result<Self, AppError> {
        let handle = telemetry::install().map_err(|error| AppError::Metrics(error.to_string()))?;
        let upkeep = tokio::spawn(telemetry::upkeep(handle.clone()));
        let streams = config.sources.iter().map(|source| {
            let stream = match &source.input {
                SourceKind::JetStream { stream, .. } => Some(stream.clone()),
                SourceKind::File { .. } => None,
            };
            (SourceName::from(source.schema.source.as_str()), stream)
        });
        let streams = Streams(streams.collect());
        let api =
            Api::new(catalog.clone(), readiness.clone(), &config.http, &config.limits, config.queries.clone(), streams)
                .map_err(AppError::Thread)?;
        let failed = |key, listen: &str| {
            let listen = listen.to_owned();
            move |error| AppError::Listen { key, listen, error }
        };
        let limits = within_descriptors(&config.http.connections);
        let http = Http { connections: limits.clone(), ..config.http.clone() };
        let http = Server::bind(&http, api.clone()).await.map_err(failed("http", &http.listen))?;
        let metrics = MetricsServer::bind(&config.metrics_listen, &limits, handle, api)
            .await
            .map_err(failed("metrics", &config.metrics_listen))?;
        let addresses = Addresses {
            http: http.local_addr().map_err(AppError::Thread)?,
            metrics: metrics.local_addr().map_err(AppError::Thread)?,
        };
        started(addresses);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let http = tokio::spawn(http.run(until(stopped.clone())));
        let metrics = tokio::spawn(metrics.run(until(stopped.clone())));
        Ok(Self { tasks: vec![http, metrics], upkeep })
    }

    /// Waits for answers under way, not for long.
    async fn finish(self) {
        self.upkeep.abort();
        let deadline = tokio::time::Instant::now() + FAREWELL;
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                abort.abort();
            }
        }
    }
}
