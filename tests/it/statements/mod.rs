//! Statements that people write for PostgreSQL and DuckDB: accepted with the rows of these systems, or refused with what to
//! write instead. They are in `tests/statements`, whose README says how one is added.
//!
//! Each is kept as a projection, a few events a commit, and asked as a reader's SQL where it reads no events. `STATEMENTS=text` runs
//! those whose file or name contains the text.

mod duckdb;
mod fixture;
mod json;
mod judges;
mod postgres;
mod readside;
mod table;
mod values;

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixture::Fixture;
use judges::Judges;
use readside::{Answer, Readers};
use table::Statement;
use values::differences;

/// Of a hundred statements.
const REFUSED_AT_MOST: usize = 5;
const STATEMENTS_AT_LEAST: usize = 300;
/// The daemon, the judges and the projections take turns.
const AT_ONCE: usize = 4;

/// What became of a statement that is as its file says.
enum Verdict {
    Equal { asked_by_reader: bool },
    Refused { message: String },
}

/// A statement that is not as its file says.
struct Fault {
    statement: Statement,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statement, what } = self;
        write!(f, "{} — {}\n{}\n{what}\n", statement.file, statement.name, statement.sql)
    }
}

#[test]
fn statements_that_people_write_are_accepted_and_equal() {
    let judges = match Judges::start() {
        Ok(judges) => judges,
        Err(missing) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let wanted = std::env::var("STATEMENTS").unwrap_or_default();
    let statements = table::all();
    let is_wanted = |statement: &&Statement| statement.file.contains(&wanted) || statement.name.contains(&wanted);
    let statements: Vec<&Statement> = statements.iter().filter(is_wanted).collect();
    let fixture = Fixture::read();
    let readers = Readers::start(fixture.events());
    judges.load(&fixture);
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(statement) = statements.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = verdict(statement, &fixture, &readers, &judges);
                    verdicts.lock().unwrap().push((*statement, verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by_key(|(statement, _)| (&statement.file, &statement.name));
    let (mut faults, mut refused, mut equal, mut asked) = (Vec::new(), 0, 0, 0);
    for (statement, verdict) in verdicts {
        match verdict {
            Err(what) => faults.push(Fault { statement: statement.clone(), what }),
            Ok(Verdict::Refused { message }) => {
                refused += 1;
                println!("refused: {}: {message}", statement.name);
            }
            Ok(Verdict::Equal { asked_by_reader }) => {
                equal += 1;
                asked += usize::from(asked_by_reader);
            }
        }
    }
    let spelled = statements.iter().filter(|statement| statement.judge.is_some()).count();
    println!("{} statements, {spelled} of them spelled otherwise for the judge", statements.len());
    println!(
        "{equal} accepted and equal, {asked} of them as a reader's SQL too; {refused} refused; {} faults",
        faults.len()
    );
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{}{} faults", faults.join("\n"), faults.len());
    if wanted.is_empty() {
        assert!(statements.len() >= STATEMENTS_AT_LEAST, "only {} statements", statements.len());
        assert!(refused * 100 <= statements.len() * REFUSED_AT_MOST, "more than {REFUSED_AT_MOST} % are refused");
    }
}

/// # Errors
/// In what the statement is not as its file says.
fn verdict(statement: &Statement, fixture: &Fixture, readers: &Readers, judges: &Judges) -> Result<Verdict, String> {
    let expected = judges.rows(statement).map_err(|error| format!("the judge refuses it: {error}"))?;
    let compared = |who: &str, answer: &Answer| match differences(answer, &expected) {
        None => Ok(()),
        Some(differences) => Err(format!("{who} has other rows:\n{differences}")),
    };
    match (fixture.kept(statement), &statement.refused) {
        (Err(message), Some(part)) if message.contains(part) => return Ok(Verdict::Refused { message }),
        (Err(message), Some(part)) => return Err(format!("it is refused without a word of {part:?}: {message}")),
        (Err(message), None) => return Err(format!("it is refused: {message}")),
        (Ok(_), Some(_)) => return Err("it is accepted, and said to be refused".to_owned()),
        (Ok(answer), None) => compared("the projection", &answer)?,
    }
    if statement.reads_events() {
        return Ok(Verdict::Equal { asked_by_reader: false });
    }
    match (readers.ask(&statement.sql), &statement.reader_refused) {
        (Err(message), Some(part)) if message.contains(part) => Ok(Verdict::Equal { asked_by_reader: false }),
        (Err(message), _) => Err(format!("a reader's SQL is refused: {message}")),
        (Ok(_), Some(_)) => Err("a reader's SQL is accepted, and said to be refused".to_owned()),
        (Ok(answer), None) => {
            compared("the reader", &answer)?;
            Ok(Verdict::Equal { asked_by_reader: true })
        }
    }
}
