//! A PostgreSQL server of the test's own, on a socket in a temporary folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::fixture::Fixture;
use super::judges::said;
use super::table::Engine;
use crate::support::DEADLINE;

/// Texts are ordered by their bytes, and upper and lower case are those of Unicode.
const LOCALE: &str = "--locale=C.UTF-8";
/// The server refuses to run as root; this user is everywhere.
const OTHER_USER: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/// Ends with the value.
pub(super) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    server: Child,
}

impl Postgres {
    pub(super) fn start(programs: PathBuf) -> Self {
        let folder = TempDir::new().unwrap();
        let is_root = said(Command::new("id").arg("-u").output().unwrap()).unwrap().trim() == "0";
        if is_root {
            said(Command::new("chown").arg("nobody").arg(folder.path()).output().unwrap()).unwrap();
        }
        let data = folder.path().join("data");
        let mut create = program(&programs.join("initdb"), is_root);
        create
            .args(["--username=judge", "--auth=trust", "--encoding=UTF8", "--no-sync", LOCALE, "--pgdata"])
            .arg(&data);
        said(create.output().unwrap()).unwrap_or_else(|error| panic!("initdb: {error}"));
        let mut run = program(&programs.join("postgres"), is_root);
        run.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=", "fsync=off", "timezone=UTC", "intervalstyle=iso_8601", "datestyle=ISO"] {
            run.args(["-c", setting]);
        }
        let server = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let postgres = Self { programs, folder, server };
        let deadline = Instant::now() + DEADLINE;
        while let Err(error) = postgres.ask("SELECT 1") {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        postgres
    }

    pub(super) fn load(&self, fixture: &Fixture) {
        let mut sql = "CREATE SCHEMA shop;\n".to_owned();
        for events in fixture.relations(Engine::Postgres) {
            let columns: Vec<String> = events.columns.iter().map(|(name, kind)| format!("\"{name}\" {kind}")).collect();
            let relation = events.relation;
            writeln!(sql, "CREATE TABLE {relation} ({});", columns.join(", ")).unwrap();
            for row in events.rows {
                let row = row.replace('\'', "''");
                writeln!(sql, "INSERT INTO {relation} SELECT * FROM json_populate_record(NULL::{relation}, '{row}');")
                    .unwrap();
            }
        }
        for (name, key, select) in fixture.tables() {
            writeln!(sql, "CREATE TABLE {name} AS {select};\nALTER TABLE {name} ADD PRIMARY KEY ({});", key.join(", "))
                .unwrap();
        }
        self.ask(&sql).unwrap_or_else(|error| panic!("the fixture: {error}"));
    }

    /// What is selected, a line a row.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn ask(&self, sql: &str) -> Result<String, String> {
        let mut client = Command::new(self.programs.join("psql"));
        client.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        client.args(["--username=judge", "--dbname=postgres", "--host"]).arg(self.folder.path());
        said(client.args(["--command", sql]).output().unwrap())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that is asked to ends its own processes before it.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

fn program(path: &Path, is_root: bool) -> Command {
    if !is_root {
        return Command::new(path);
    }
    let [setpriv, arguments @ ..] = OTHER_USER;
    let mut command = Command::new(setpriv);
    command.args(arguments).arg(path);
    command
}
