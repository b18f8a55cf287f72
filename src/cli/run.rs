//! `readside run`: the daemon.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::files::{config_fingerprint, load_config};
use super::{ConfigArgs, chain, failed, print};
use crate::app::{self, Actor, AppError, Reloading};
use crate::config::{Diagnostic, Loaded, Severity};
use crate::pipeline::LoopEnd;
use crate::telemetry::{Exports, start_logging};

/// The exit code of a daemon whose data directory another one has taken. Who starts it again would take it back, so that supervisors are
/// told this end from others.
const REPLACED: u8 = 3;

/// What ends a daemon whose configuration has problems, which were told one by one.
const UNUSABLE: &str = "the configuration cannot be used; `readside validate` shows the same";

/// Between looks at the files of a configuration that is watched.
const WATCH_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Reload the configuration when a file of it changes.
    #[arg(long)]
    watch_config: bool,
    /// Log as JSON lines.
    #[arg(long)]
    log_json: bool,
}

pub(super) fn run(args: RunArgs) -> ExitCode {
    let (exports, started) = match Exports::start() {
        Ok(exports) => (exports, Ok(())),
        Err(error) => (Exports::default(), Err(error)),
    };
    let written = start_logging(args.log_json, &exports);
    let code = match started {
        Ok(()) => run_logged(args),
        Err(error) => ended(args.log_json, &chain(&error)),
    };
    exports.finish();
    drop(written);
    code
}

fn run_logged(args: RunArgs) -> ExitCode {
    let json = args.log_json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(json, &chain(&error)),
    };
    // From here on no signal ends anything. Where nobody listens to it yet, it waits.
    let (hang_up, interrupted) = {
        let _within = runtime.enter();
        (signal(SignalKind::hangup()).ok(), interrupted())
    };
    let Loaded { config, places, warnings } = match load_config(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| tell(json, diagnostic));
            return ended(json, UNUSABLE);
        }
    };
    debug_assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    warnings.iter().for_each(|warning| tell(json, warning));
    let started = |addresses: app::Addresses| {
        let health = addresses.health.map(tracing::field::display);
        let postgres = addresses.postgres.map(tracing::field::display);
        tracing::info!(http = %addresses.http, metrics = %addresses.metrics, health, postgres, "listening");
    };
    let outcome = runtime.block_on(async {
        let reloading = reloading(&args, hang_up);
        app::run(config, reloading, started, interrupted).await
    });
    // Queries that are still running are not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(LoopEnd::Drained) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Ok(LoopEnd::Undrained) => {
            tracing::warn!("the last checkpoint did not become durable in time; the streams still have what it lacks");
            ExitCode::SUCCESS
        }
        Ok(LoopEnd::Fenced(message)) => replaced(json, &message),
        Ok(LoopEnd::Poisoned(message)) => ended(json, &message),
        Err(error @ AppError::Replaced(_)) => replaced(json, &chain(&error)),
        Err(AppError::Problems(problems)) => {
            problems.iter().for_each(|problem| tell(json, &places.diagnostic(problem)));
            ended(json, UNUSABLE)
        }
        Err(error) => ended(json, &chain(&error)),
    }
}

fn replaced(json: bool, reason: &str) -> ExitCode {
    let _ = ended(json, reason);
    ExitCode::from(REPLACED)
}

/// Tells in the log why the daemon ends. People are told as by every verb, too; who reads JSON finds no other text there.
fn ended(json: bool, reason: &str) -> ExitCode {
    tracing::error!(reason, "ended by an error");
    if json { ExitCode::FAILURE } else { failed(reason) }
}

/// Tells what is wrong or doubtful with the configuration: to people with the line where it is, else in the log.
fn tell(json: bool, diagnostic: &Diagnostic) {
    match (json, diagnostic.severity) {
        (false, _) => print::error_line(format_args!("{diagnostic}\n")),
        (true, Severity::Error) => tracing::error!(reason = %diagnostic, "the configuration cannot be used"),
        (true, Severity::Warning) => tracing::warn!(reason = %diagnostic, "the configuration is doubtful"),
    }
}

/// Reads the configuration again at SIGHUP, and where it is watched when a file of it has changed.
fn reloading(args: &RunArgs, hang_up: Option<Signal>) -> Reloading {
    let root = args.config.config.clone();
    let (ask, asked) = mpsc::channel(1);
    let by = |actor: &str| Actor { actor: Some(actor.to_owned()), ..Actor::default() };
    if let Some(mut hang_up) = hang_up {
        let ask = ask.clone();
        tokio::spawn(async move { while hang_up.recv().await.is_some() && ask.send(by("SIGHUP")).await.is_ok() {} });
    }
    if args.watch_config {
        let root = root.clone();
        tokio::spawn(async move {
            let mut seen = fingerprint(&root).await;
            while !ask.is_closed() {
                tokio::time::sleep(WATCH_EVERY).await;
                let now = fingerprint(&root).await;
                if now != seen && ask.send(by("--watch-config")).await.is_ok() {
                    seen = now;
                }
            }
        });
    }
    Reloading { load: Arc::new(move || load_config(&root)), asked }
}

/// Of the texts of all files of a configuration. They are read again and again: a mounted config map is changed by a link
/// somewhere above, which nothing tells of.
async fn fingerprint(root: &str) -> u64 {
    let root = root.to_owned();
    tokio::task::spawn_blocking(move || config_fingerprint(&root)).await.unwrap_or_default()
}

/// SIGTERM or SIGINT, from the call on, within a runtime: what comes before anybody waits for it is not lost, and ends no process.
pub(super) fn interrupted() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        match signals {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            // Without handlers the process dies at the signal, which a checkpoint is made for.
            _ => std::future::pending().await,
        }
    }
}
