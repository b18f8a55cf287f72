//! What tools ask: over their driver, JDBC, and in the statements that Grafana, Metabase and DBeaver send.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{OPEN, World, found, succeeded};

/// Statements with what they give; see its first lines.
const TOOLS: &str = "tests/it/postgres/tools.sql";

impl World {
    /// One in which who says so needs a token, and somebody's.
    fn with_token() -> (Self, String) {
        let home = tempfile::tempdir().unwrap();
        let token = crate::access::token(home.path(), &["ada", "--claim", "tenant=t"]);
        (Self::start_in(home, &format!("{OPEN}auth: {{tokens: tokens, anonymous: read}}\n")), token)
    }
}

fn of_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The jar of pgjdbc. None where there is none, or no Java; CI does not allow that.
fn driver() -> Option<String> {
    let driver = found("JDBC_DRIVER", "jdbc-client");
    if driver.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/jdbc-client finds no driver");
        eprintln!("skipped: scripts/jdbc-client finds no driver of JDBC, or no Java");
    }
    driver
}

#[test]
fn jdbc_reads_every_type_and_finds_what_there_is() {
    let Some(driver) = driver() else { return };
    let (world, token) = World::with_token();
    let output = Command::new("java")
        // It is compiled each time, and runs for seconds.
        .args(["-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"])
        .arg(format!("-Dtools={}", of_tests(TOOLS).display()))
        .args(["-cp", &driver])
        .arg(of_tests("tests/it/postgres/Client.java"))
        .arg(format!("127.0.0.1:{}", world.port))
        .args(["ada", &token])
        .output()
        .unwrap();
    succeeded("JDBC", &output);
}

/// One statement of a tool.
struct Asked {
    name: String,
    sql: String,
    rows: Vec<String>,
}

fn asked(text: &str) -> Vec<Asked> {
    let parts = text.split("\n\n").filter(|part| !part.trim().is_empty()).skip(1);
    let one = |part: &str| {
        let lines = || part.trim().lines();
        let rows = lines().filter_map(|line| line.strip_prefix("-->"));
        let sql: Vec<&str> = lines().filter(|line| !line.starts_with("--")).collect();
        Asked {
            name: lines().next().unwrap().to_owned(),
            sql: sql.join("\n"),
            rows: rows.map(|row| row.strip_prefix(' ').unwrap_or(row).to_owned()).collect(),
        }
    };
    parts.map(one).collect()
}

#[test]
fn tools_get_what_they_ask_for() {
    let (world, token) = World::with_token();
    let things = world.psql_as(&token, "SELECT oid FROM pg_class WHERE relname = 'things'");
    let text = std::fs::read_to_string(of_tests(TOOLS)).unwrap();
    let asked = asked(&text);
    assert!(asked.len() > 60, "{}", asked.len());
    let wrong = asked.iter().filter_map(|Asked { name, sql, rows }| {
        let said = world.psql_as(&token, &sql.replace("{things}", things.trim()));
        (!said.lines().eq(rows.iter().map(String::as_str))).then(|| format!("{name}\n{said}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
