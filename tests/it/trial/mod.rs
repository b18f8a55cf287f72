//! What an author asks before anything runs, with the real program and real files.

mod attempts;
mod captures;
mod cards;
mod cases;
mod graphs;
mod inferred;
mod keys;
mod streams;
mod taps;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::crash::daemon::binary;

/// A folder with a configuration and the events of its sources.
struct Workshop(TempDir);

/// What a run of the program left.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    error: String,
}

impl Workshop {
    fn new(files: &[(&str, &str)]) -> Self {
        let workshop = Self(TempDir::new().unwrap());
        files.iter().for_each(|(name, text)| workshop.write(name, text));
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs the program in the folder.
    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(binary());
        command.current_dir(self.0.path()).env("READSIDE_CONFIG", "readside.yaml").args(arguments);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), error: text(output.stderr) }
    }

    fn attempt(&self, sql: &str, flags: &[&str]) -> Said {
        self.run(&[&["try", sql], flags].concat())
    }

    /// The outcome of a SELECT, and the exit code.
    fn outcome(&self, sql: &str, flags: &[&str]) -> (i32, Value) {
        let said = self.attempt(sql, &[&["--json"], flags].concat());
        let outcome = serde_json::from_str(&said.out);
        (said.code, outcome.unwrap_or_else(|_| panic!("{said:?}")))
    }
}
