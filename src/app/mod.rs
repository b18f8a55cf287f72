//! The composition root: wires the rooms, starts them, changes them while they run, and drains them in order.

mod builds;
mod changes;
mod control;
mod declaration;
mod drift;
mod earlier;
mod freshness;
mod keepers;
mod notices;
mod placing;
mod plan;
mod readiness;
mod replay;
mod servers;
mod start;
mod state_limit;
mod streams;
mod verify;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::checkpoint::{CheckpointError, OpenError};
use crate::config::{Config, Diagnostic, Loaded, Problem};
pub use crate::lifecycle::Actor;
use crate::pipeline::{AssembleError, EngineError, LoopEnd, Runner};
use crate::plan::program;
use crate::read_model::catalog::{Catalog, Snapshot};
use crate::serve::auth::GateError;
use crate::serve::http::{Admin, Readiness};
use crate::serve::tls::TlsError;
use crate::source;

pub use declaration::Declaration;
pub use plan::{
    Baseline, BuildPlan, DeclaredChange, Estimate, Histories, Plan, ProjectionChange, ProjectionPlan, PromotionPlan,
    QueryPlan, SettingPlan, SourceChange, SourcePlan, Verdict, ViewPlan, baseline_of_data_dir, histories, plan,
};

use control::{Control, Told};
use freshness::measure_freshness;
use notices::Notices;
use readiness::{Found, report_readiness};
use servers::Servers;
use start::{Prepared, prepare};
use state_limit::StateLimit;

/// From the signal to the last checkpoint.
const DRAIN: Duration = Duration::from_secs(4);

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the configuration has {} problems", .0.len())]
    Problems(Vec<Problem>),
    #[error("cannot listen on {listen}: {error}; is another daemon running? change `{key}.listen`")]
    Listen { key: &'static str, listen: String, error: io::Error },
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("`http.tls`: {0}")]
    Tls(#[from] TlsError),
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
    /// None if there is no listener for probes.
    pub health: Option<SocketAddr>,
    /// Of those who read as from PostgreSQL, if that is declared.
    pub postgres: Option<SocketAddr>,
}

/// How a daemon reads its configuration again, and when it does so without being asked over HTTP.
pub struct Reloading {
    pub load: Arc<dyn Fn() -> Result<Loaded, Vec<Diagnostic>> + Send + Sync>,
    /// Who wants it, and why.
    pub asked: mpsc::Receiver<Actor>,
}

/// Runs a daemon until `shutdown`. `started` learns where it listens, as soon as it does: before it is ready.
///
/// # Errors
/// If the daemon cannot start: an address is taken, a checkpoint cannot be read, a projection cannot be assembled, or
/// the fence is lost.
pub async fn run(
    config: Config,
    reloading: Reloading,
    started: impl FnOnce(Addresses),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<LoopEnd, AppError> {
    let program = program(&config).map_err(AppError::Problems)?;
    let (stop, stopped) = watch::channel(false);
    let catalog = Catalog::new(Snapshot::default());
    let readiness = Readiness::starting();
    let (admin, requests) = Admin::new();
    let servers =
        Servers::start(&config, program.policies.clone(), &catalog, &readiness, admin, &stopped, started).await?;
    tokio::spawn(async move {
        shutdown.await;
        stop.send_replace(true);
        // Held until the process ends, so that no receiver takes the signal for lost.
        stop.closed().await;
    });
    let mut interrupted = stopped.clone();
    let Prepared { runner, status, parts } = tokio::select! {
        prepared = prepare(&config, program, &catalog) => prepared?,
        // Nothing was applied yet that a checkpoint could keep.
        _ = interrupted.wait_for(|stop| *stop) => return Ok(LoopEnd::Drained),
    };
    let ((problems, found), (drift, drifted)) = (watch::channel(Vec::new()), watch::channel(BTreeMap::new()));
    let notices = Notices::start(&parts.config, &catalog);
    let (limit, limited) = watch::channel(None);
    let state_limit = StateLimit::new(catalog.clone(), limit);
    state_limit.change(&config);
    tokio::spawn(measure_freshness(catalog.clone()));
    tokio::spawn(report_readiness(
        catalog,
        readiness,
        status,
        Found { problems: found, drift: drifted, state_limit: limited },
    ));
    let told = Told { problems, drift, notices, state_limit };
    let control = Control::new(parts, servers.api.clone(), told).map_err(AppError::Thread)?;
    tokio::spawn(control.run(reloading, requests));
    let outcome = on_own_thread(runner, stopped).await?;
    servers.finish().await;
    Ok(outcome)
}

/// The runner has a thread of its own, so that neither queries nor sources delay a commit.
async fn on_own_thread(runner: Runner, stopped: watch::Receiver<bool>) -> Result<LoopEnd, AppError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AppError::Thread)?;
    let body = move || drop(done.send(runtime.block_on(runner.run(stopped))));
    std::thread::Builder::new().name("runner".to_owned()).spawn(body).map_err(AppError::Thread)?;
    Ok(outcome.await.unwrap_or_else(|_| LoopEnd::Poisoned("the runner's thread panicked; see the log".to_owned())))
}
