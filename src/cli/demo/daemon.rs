//! The daemon as the demo runs it: this very binary as a process of its own, with the shipped configuration.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{DemoError, until};
use crate::cli::query::Client;

/// Where a daemon works.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) config: String,
    pub(super) nats_url: String,
    pub(super) data_dir: PathBuf,
    pub(super) log: PathBuf,
}

/// A process that ends with the value.
pub(super) struct Daemon {
    process: Child,
    pub(super) url: String,
    pub(super) metrics_url: String,
}

impl Daemon {
    /// Starts it and waits until it serves.
    pub(super) async fn start(setup: &Setup) -> Result<Self, DemoError> {
        File::create(&setup.log)?;
        let log = OpenOptions::new().append(true).open(&setup.log)?;
        let process = Command::new(std::env::current_exe()?)
            .args(["run", "--log-json", "--config", &setup.config])
            .env("NATS_URL", &setup.nats_url)
            .env("READSIDE_DATA_DIR", &setup.data_dir)
            .env("READSIDE_HTTP", "127.0.0.1:0")
            .env("READSIDE_METRICS", "127.0.0.1:0")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut daemon = Self { process, url: String::new(), metrics_url: String::new() };
        match daemon.wait_until_ready(&setup.log).await {
            Ok(()) => Ok(daemon),
            Err(error) => Err(DemoError::Daemon { error: Box::new(error), log: tail(&setup.log) }),
        }
    }

    async fn wait_until_ready(&mut self, log: &Path) -> Result<(), DemoError> {
        let listening = until("the daemon to listen", || logged(log, "listening"), || self.ended()).await?;
        let address = |name: &str| format!("http://{}", listening[name].as_str().unwrap_or_default());
        (self.url, self.metrics_url) = (address("http"), address("metrics"));
        let client = Client::new(&self.url);
        let ready = || client.get(&["readyz"], &[] as &[(&str, &str)]).ok();
        until("the daemon to be ready", ready, || self.ended()).await.map(drop)
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it in the middle of whatever it does: no checkpoint, no farewell.
    pub(super) fn kill(&mut self) -> Result<(), DemoError> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The fields of the first log line with this message.
pub(super) fn logged(log: &Path, message: &str) -> Option<Value> {
    let text = std::fs::read_to_string(log).ok()?;
    let fields = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["fields"].take());
    text.lines().filter_map(fields).find(|fields| fields["message"] == message)
}

/// The last lines of the log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
