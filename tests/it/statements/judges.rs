//! PostgreSQL, and DuckDB where PostgreSQL has no such form.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::duckdb::DuckDb;
use super::fixture::Fixture;
use super::json::Json;
use super::postgres::Postgres;
use super::table::{Engine, Statement};

pub(super) struct Judges {
    postgres: Postgres,
    duckdb: DuckDb,
}

impl Judges {
    /// # Errors
    /// What is missing.
    pub(super) fn start() -> Result<Self, String> {
        let duckdb = DuckDb::open(found("DUCKDB", "duckdb")?);
        Ok(Self { postgres: Postgres::start(found("POSTGRES_BIN", "postgres")?), duckdb })
    }

    pub(super) fn load(&self, fixture: &Fixture) {
        self.postgres.load(fixture);
        self.duckdb.load(fixture);
    }

    /// # Errors
    /// The judge's.
    pub(super) fn rows(&self, statement: &Statement) -> Result<Vec<Vec<Json>>, String> {
        let sql = statement.judge.as_deref().unwrap_or(&statement.sql);
        let lines = match statement.engine {
            Engine::Postgres => self.postgres.ask(&format!("SELECT row_to_json(judged) FROM (\n{sql}\n) AS judged"))?,
            Engine::DuckDb => self.duckdb.ask(&format!("SELECT to_json(judged) FROM (\n{sql}\n) AS judged"))?,
        };
        let parsed = |line: &str| Json::parse(line).map(Json::into_values).map_err(|error| format!("{error}: {line}"));
        lines.lines().map(parsed).collect()
    }
}

/// What the variable names, or else the script of that name finds. `none` says that there is no use in looking.
fn found(variable: &str, script: &str) -> Result<PathBuf, String> {
    match std::env::var(variable).as_deref() {
        Ok("none") => return Err(format!("there is no {script} to compare with")),
        Ok(path) if !path.is_empty() => return Ok(path.into()),
        _ => {}
    }
    let script = format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&script).output().map_err(|error| format!("{script}: {error}"))?;
    said(output).map(|path| PathBuf::from(path.trim()))
}

/// What a program wrote.
///
/// # Errors
/// What it wrote where it failed.
pub(super) fn said(output: Output) -> Result<String, String> {
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
