//! DuckDB, asked by its command line.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::fixture::Fixture;
use super::judges::said;
use super::table::Engine;

/// Where a setting of DuckDB's decides, it is as in PostgreSQL, and so in Readside.
const SETTINGS: &str = "SET default_null_order = 'nulls_last_on_asc_first_on_desc'; SET integer_division = true;";

pub(super) struct DuckDb {
    program: PathBuf,
    folder: TempDir,
}

impl DuckDb {
    pub(super) fn open(program: PathBuf) -> Self {
        Self { program, folder: TempDir::new().unwrap() }
    }

    pub(super) fn load(&self, fixture: &Fixture) {
        let mut sql = "CREATE SCHEMA shop;\n".to_owned();
        for events in fixture.relations(Engine::DuckDb) {
            let file = self.folder.path().join(&events.relation);
            std::fs::write(&file, events.rows.join("\n")).unwrap();
            let columns: Vec<String> =
                events.columns.iter().map(|(name, kind)| format!("'{name}': '{kind}'")).collect();
            let (relation, file, columns) = (events.relation, file.display(), columns.join(", "));
            writeln!(sql, "CREATE TABLE {relation} AS SELECT * FROM read_json('{file}', format = 'newline_delimited', columns = {{{columns}}});").unwrap();
        }
        for (name, _, select) in fixture.tables() {
            writeln!(sql, "CREATE TABLE {name} AS {select};").unwrap();
        }
        said(self.command(&sql).output().unwrap()).unwrap_or_else(|error| panic!("the fixture: {error}"));
    }

    /// What is selected, a line a row.
    ///
    /// # Errors
    /// The program's.
    pub(super) fn ask(&self, sql: &str) -> Result<String, String> {
        let mut command = self.command(sql);
        said(command.arg("-readonly").output().unwrap())
    }

    fn command(&self, sql: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-init", "/dev/null", "-batch", "-bail", "-list", "-noheader"]);
        command.args(["-cmd", SETTINGS]).arg(self.folder.path().join("judge.duckdb")).arg(sql);
        command
    }
}
