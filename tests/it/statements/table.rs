//! The files of statements.
//!
//! A statement is a comment with its name, comments of the form `-- word: value`, and SQL up to a semicolon that ends a
//! line. `-- judge:` alone says that the SQL after it is how the judge spells the statement before.

use std::collections::BTreeSet;
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Engine {
    #[default]
    Postgres,
    DuckDb,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) sql: String,
    /// The columns that the projection declares; none to leave it to the program.
    pub(super) key: Vec<String>,
    pub(super) engine: Engine,
    /// How the judge spells it, if it does otherwise.
    pub(super) judge: Option<String>,
    /// A part of the message with which the projection is refused.
    pub(super) refused: Option<String>,
    /// A part of the message with which a reader's SQL alone is refused.
    pub(super) reader_refused: Option<String>,
}

impl Statement {
    /// Readers see tables, and no events.
    pub(super) fn reads_events(&self) -> bool {
        self.sql.contains("shop.")
    }
}

/// The statements of all files, in their order.
pub(super) fn all() -> Vec<Statement> {
    let mut files: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let statements: Vec<Statement> = files.iter().flat_map(|path| of_file(path)).collect();
    let mut names = BTreeSet::new();
    for statement in &statements {
        assert!(names.insert(&statement.name), "{}: `{}` is there twice", statement.file, statement.name);
    }
    statements
}

fn of_file(path: &Path) -> Vec<Statement> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut statements: Vec<Statement> = Vec::new();
    let mut current = Statement::default();
    let mut is_of_judge = false;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if let Some(comment) = line.strip_prefix("--") {
            assert!(current.sql.is_empty(), "{place}: a comment within SQL, or no semicolon at the end of a line");
            match comment.trim().split_once(':') {
                Some(("judge", "")) => is_of_judge = true,
                Some((word, value)) if is_word(word) => set(&mut current, word, value.trim(), &place),
                _ if current.name.is_empty() => current.name = comment.trim().to_owned(),
                _ => panic!("{place}: `{}` has a second name; see the README beside it", current.name),
            }
            continue;
        }
        if line.trim().is_empty() && current.sql.is_empty() {
            continue;
        }
        let (line, is_end) = line.trim_end().strip_suffix(';').map_or((line, false), |line| (line, true));
        current.sql += line;
        if !is_end {
            current.sql.push('\n');
            continue;
        }
        if std::mem::take(&mut is_of_judge) {
            let of = statements.last_mut().unwrap_or_else(|| panic!("{place}: a judge's SQL before any other"));
            of.judge = Some(std::mem::take(&mut current).sql);
            continue;
        }
        assert!(!current.name.is_empty(), "{place}: a statement without a name");
        statements.push(Statement { file: file.clone(), ..std::mem::take(&mut current) });
    }
    assert!(current.sql.is_empty() && current.name.is_empty(), "{file}: the last statement does not end");
    statements
}

fn is_word(text: &str) -> bool {
    ["key", "engine", "refused", "reader refused"].contains(&text)
}

fn set(statement: &mut Statement, word: &str, value: &str, place: &str) {
    match (word, value) {
        ("key", _) => statement.key = value.split(',').map(|column| column.trim().to_owned()).collect(),
        ("engine", "duckdb") => statement.engine = Engine::DuckDb,
        ("engine", "postgres") => statement.engine = Engine::Postgres,
        ("refused", _) => statement.refused = Some(value.to_owned()),
        ("reader refused", _) => statement.reader_refused = Some(value.to_owned()),
        _ => panic!("{place}: `{word}: {value}` is unknown"),
    }
}
