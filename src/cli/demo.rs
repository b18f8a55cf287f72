//! `readside demo`: the main job on a small shop, shown step by step, with its own figures checked.
//!
//! Everything is real: a JetStream, the daemon as a process of its own with the shipped configuration, and readers that
//! speak HTTP. What it should show comes from the shop's own books, which know nothing of the daemon.

mod answers;
mod books;
mod daemon;
mod explore;
mod poison;
mod report;
mod server;
mod shop;
mod story;

use std::io;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use clap::Args;

use self::server::{Publisher, Server};
use self::story::Story;
use super::query::ClientError;
use super::run::interrupted;
use super::{chain, failed};
use crate::source::ConnectError;

/// Until a process that was started does what it was started for. Long, because machines may be loaded.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave when everything has been shown, instead of staying up for exploring
    #[arg(long)]
    once: bool,
    /// How many events the shop has published before the daemon starts
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(100..=200_000))]
    events: u32,
    /// A running server with JetStream, instead of one that the demo starts; the demo's streams are deleted at the end
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// The configuration that the daemon runs with
    #[arg(long, default_value = "config/readside.yaml")]
    config: String,
}

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(
        "`{0}` is not there\nhint: scripts/demo fetches a nats-server; or set NATS_SERVER to one, or give --nats URL"
    )]
    NoServer(String),
    #[error("there is no configuration at {0}\nhint: run the demo in the repository's folder, or give --config FILE")]
    NoConfig(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(
        "the stream {stream} exists already at {url}; the demo needs streams of its own\nhint: leave --nats out, or use a server without it"
    )]
    StreamExists { stream: &'static str, url: String },
    #[error("JetStream: {0}")]
    JetStream(String),
    #[error("waited {} s in vain for {what}", PATIENCE.as_secs())]
    Patience { what: &'static str },
    #[error("it ended ({status}) while the demo waited for {what}")]
    Ended { what: &'static str, status: ExitStatus },
    #[error("the daemon: {error}\nthe end of its log:\n{log}")]
    Daemon { error: Box<DemoError>, log: String },
    #[error("interrupted before its figures were checked")]
    Interrupted,
    #[error("the daemon ended ({0})")]
    DaemonEnded(ExitStatus),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("an answer of the daemon has not the expected form: {0}")]
    Answer(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn demo(args: &DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&chain(&error)),
    };
    match runtime.block_on(run(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => failed("the demo found figures that are wrong; see WRONG above"),
        // The reader of a pipe has seen enough.
        Err(DemoError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&chain(&error)),
    }
}

/// Whether all figures were right.
async fn run(args: &DemoArgs) -> Result<bool, DemoError> {
    if !std::path::Path::new(&args.config).is_file() {
        return Err(DemoError::NoConfig(args.config.clone()));
    }
    // Dropped in reverse: the story with its daemon, the server, and last their folder.
    let folder = tempfile::Builder::new().prefix("readside-demo-").tempdir()?;
    let server = match &args.nats {
        Some(_) => None,
        None => Some(Server::start(folder.path()).await?),
    };
    let url = server.as_ref().map_or_else(|| args.nats.clone().unwrap_or_default(), |server| server.url.clone());
    let publisher = Publisher::open(&url).await?;
    let mut story = Story::new(args, url, folder.path(), publisher);
    let told = tokio::select! {
        told = story.tell(args.events) => told,
        () = interrupted() => Err(DemoError::Interrupted),
    };
    let told = match told {
        Ok(right) if !args.once => story.stay_up().await.map(|()| right),
        told => told,
    };
    if server.is_none() {
        story.delete_streams().await?;
    }
    told
}

/// Waits for something to be there, unless what should bring it has ended.
async fn until<T>(
    what: &'static str,
    mut there: impl FnMut() -> Option<T>,
    mut ended: impl FnMut() -> Option<ExitStatus>,
) -> Result<T, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = there() {
            return Ok(found);
        }
        if let Some(status) = ended() {
            return Err(DemoError::Ended { what, status });
        }
        if Instant::now() > deadline {
            return Err(DemoError::Patience { what });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
