//! What is measured, how long and over how much.

use std::io;
use std::time::Duration;

pub(crate) const HELP: &str = "\
doors [--quick] [--rows N] [--rate N] [--seconds N] [PART…]

  --quick      2,000 rows, 2,000 events/s and 0.3 s each: shows that it works, and measures nothing
  --rows N     rows of the table, and documents of the index (1000000)
  --rate N     events a second that come in while readers read (20000)
  --seconds N  of each measurement (4)
  PART         of points, pages, sql, search, postgres, and catching-up, beside each of the others that is named; all of
               them if none is

READSIDE_BIN is the program (target/release/readside). Writes tables in Markdown, and to stderr what it does.";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Points,
    Pages,
    Sql,
    Search,
    Postgres,
    CatchingUp,
}

const PARTS: [(&str, Part); 6] = [
    ("points", Part::Points),
    ("pages", Part::Pages),
    ("sql", Part::Sql),
    ("search", Part::Search),
    ("postgres", Part::Postgres),
    ("catching-up", Part::CatchingUp),
];

pub(crate) struct Options {
    /// Of the table, and as many documents.
    pub(crate) rows: u64,
    /// Events a second.
    pub(crate) rate: u64,
    /// Of each measurement, after a warm-up.
    pub(crate) window: Duration,
    /// How often each large result is read.
    pub(crate) rounds: usize,
    parts: Vec<Part>,
}

impl Options {
    /// None where help is asked for.
    ///
    /// # Errors
    /// Where an argument is none of those in [`HELP`].
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> io::Result<Option<Self>> {
        let mut options =
            Self { rows: 1_000_000, rate: 20_000, window: Duration::from_secs(4), rounds: 5, parts: Vec::new() };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--help" => return Ok(None),
                "--quick" => {
                    let window = Duration::from_millis(300);
                    options = Self { rows: 2_000, rate: 2_000, window, rounds: 1, parts: options.parts };
                }
                "--rows" => options.rows = number(&mut arguments)?.max(1),
                "--rate" => options.rate = number(&mut arguments)?.max(1),
                "--seconds" => options.window = Duration::from_secs(number(&mut arguments)?.max(1)),
                name => {
                    let part = PARTS.iter().find(|(known, _)| *known == name);
                    let (_, part) = part.ok_or_else(|| io::Error::other(format!("`{name}` is unknown\n\n{HELP}")))?;
                    options.parts.push(*part);
                }
            }
        }
        Ok(Some(options))
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Events that are taken in at once.
    pub(crate) fn backlog(&self) -> u64 {
        self.rows.div_ceil(2)
    }

    /// Before each measurement.
    pub(crate) fn warm_up(&self) -> Duration {
        self.window / 8
    }
}

fn number(arguments: &mut impl Iterator<Item = String>) -> io::Result<u64> {
    let text = arguments.next().unwrap_or_default();
    text.parse().map_err(|error| io::Error::other(format!("`{text}`: {error}")))
}
