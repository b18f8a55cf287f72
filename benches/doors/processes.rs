//! Processes that end with the run, and the processor time that they take.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Of Linux, on every architecture that Readside is built for.
const TICKS_A_SECOND: f64 = 100.0;

/// Is ended with its owner.
pub(crate) struct Running(Child);

impl Running {
    /// # Errors
    /// Where it does not start.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let started = command.spawn();
        started.map(Self).map_err(|error| io::Error::other(format!("{:?}: {error}", command.get_program())))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Is removed with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("readside-doors-{}", std::process::id()));
        std::fs::create_dir(&path).map(|()| Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Seconds of a processor that a process has taken, all its threads together.
///
/// # Errors
/// Where there is no such process.
pub(crate) fn processor_seconds(process: u32) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, which may have spaces in it, is in parentheses; then come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_A_SECOND)
}

/// # Errors
/// Where the system has none.
pub(crate) fn free_port() -> io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}

/// The path that one of the scripts prints which find programs.
///
/// # Errors
/// What it says.
pub(crate) fn found_by(script: &str) -> io::Result<PathBuf> {
    let output = Command::new(format!("scripts/{script}")).output()?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
