//! Runs a case: at every cut both sides must agree on every projection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use readside::circuit::Circuit;
use readside::plan::Program;

use super::admission::Admission;
use super::case::{Case, Entry};
use super::kept::{Captured, Kept};
use super::met::{Met, Watch};
use super::operators::operators;
use super::rows::lines;
use super::setup::{compile, messages};
use super::truth::{Expected, Truth};

/// What a case that agreed was like.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The names of each projection's operators.
    pub(super) plans: BTreeMap<String, Vec<String>>,
    /// The rows and parked events at each cut, as they are written in a case.
    pub(super) cuts: Vec<Vec<String>>,
    pub(super) parked: usize,
    /// By projection.
    pub(super) met: BTreeMap<String, Met>,
    /// By projection.
    pub(super) operators: BTreeMap<String, BTreeSet<String>>,
    /// Whether both sides failed over a row that comes from no single event.
    pub(super) failed_alike: bool,
}

/// Why a case was not run through.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The SQL is not accepted.
    Refused(String),
    /// DataFusion cannot compute its own plan of it, so there is nothing to compare with.
    NoAnswer,
    Failed(Failure),
}

/// What `plan::batch` says where DataFusion cannot compute its own plan: `last_value` over no rows of sorted input
/// panics, a window partitioned by what a filter makes equal to an expression finds itself unsorted, and `first_value`
/// does not compare lists of structs.
const NO_ANSWER: [&str; 4] = [
    "Uncomparable values",
    "a query's thread panicked",
    "Expects PARTITION BY expression to be ordered",
    "does not satisfy order requirements",
];

#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) projection: String,
    pub(super) message: String,
    /// Which cut, from 1.
    pub(super) cut: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The rows differ, or something is taken back that was never there.
    Rows,
    /// Other events are parked.
    Parked,
    /// The circuit fails where the batch does not.
    Step,
    /// The table refuses the delta or holds something else.
    Table,
    Capture,
    Restore,
    /// The batch fails where no event alone does.
    Batch,
    Panic,
}

impl Failure {
    pub(super) fn new(kind: Kind, projection: &str, message: impl Into<String>) -> Self {
        Self { kind, projection: projection.to_owned(), message: message.into(), cut: 0 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of `{}` at cut {}: {}", self.kind, self.projection, self.cut, self.message)
    }
}

/// Runs the whole log.
pub(super) fn run(case: &Case) -> Result<Outcome, Verdict> {
    match catch_unwind(AssertUnwindSafe(|| unguarded(case))) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Verdict::Failed(Failure::new(Kind::Panic, "?", text.unwrap_or_default())))
        }
    }
}

fn unguarded(case: &Case) -> Result<Outcome, Verdict> {
    let program = compile(case).map_err(Verdict::Refused)?;
    let failed = |failure: Failure, cut: usize| Verdict::Failed(Failure { cut, ..failure });
    let truth = Truth::new(&program).map_err(|error| failed(Failure::new(Kind::Batch, "?", error), 0))?;
    let messages = messages(case);
    let (plans, mut watch) = (plans(&program), Watch::new(&program));
    let mut outcome = Outcome { plans, operators: operators(&program), ..Outcome::default() };
    let mut captured = Captured::default();
    let mut kept = Kept::start(case, program, &captured).map_err(|failure| failed(failure, 0))?;
    let mut admission = Admission::default();
    for entry in &case.log {
        let cut = outcome.cuts.len() + 1;
        match entry {
            Entry::Event(event) => {
                admission.read(&event.source, event.held);
                watch.event(event);
            }
            Entry::Readmit(place) => drop(admission.held.remove(place)),
            Entry::Capture => kept.capture(&mut captured).map_err(|failure| failed(failure, cut))?,
            Entry::Restart => {
                let program = compile(case).map_err(Verdict::Refused)?;
                kept = Kept::start(case, program, &captured).map_err(|failure| failed(failure, cut))?;
                watch.restart(captured.positions());
            }
            Entry::Cut(_) => {
                let stepped = kept.step(&messages, &admission);
                let expected = truth.at(&messages, &admission);
                if let (Err(Failure { kind: Kind::Step, projection, .. }), Err(Failure { projection: other, .. })) =
                    (&stepped, &expected)
                    && projection == other
                {
                    // Neither side can go on: an error that no event alone is to blame for fails the projection.
                    outcome.failed_alike = true;
                    outcome.cuts.push(vec![format!("{projection} fails")]);
                    return Ok(Outcome { met: watch.met, ..outcome });
                }
                if has_no_answer(&expected) || has_failed(&expected) && truth.fails_over_nothing(&messages) {
                    return Err(Verdict::NoAnswer);
                }
                if let (Err(Failure { kind: Kind::Table, projection, .. }), Ok(expected)) = (&stepped, &expected)
                    && !truth.fits_key(projection, &expected[projection])
                {
                    return Err(Verdict::Refused("two rows have the same key".to_owned()));
                }
                let stepped = stepped.map_err(|failure| failed(failure, cut))?;
                let expected = expected.map_err(|failure| failed(failure, cut))?;
                watch.cut(&stepped, &expected);
                for (name, expected) in &expected {
                    compare(&kept, name, expected).map_err(|failure| failed(failure, cut))?;
                    outcome.parked += expected.parked.len();
                }
                outcome.cuts.push(picture(&expected));
            }
        }
    }
    Ok(Outcome { met: watch.met, ..outcome })
}

fn plans(program: &Program) -> BTreeMap<String, Vec<String>> {
    let of = |circuit: &Circuit| circuit.nodes().iter().map(|node| node.operator.name().to_owned()).collect();
    let projections = program.projections.iter();
    projections.map(|planned| (planned.config.name.clone(), of(&planned.compiled.circuit))).collect()
}

/// Whether DataFusion failed over its own plan, for all events or for some.
fn has_no_answer(expected: &Result<BTreeMap<String, Expected>, Failure>) -> bool {
    let is_known = |message: &str| NO_ANSWER.iter().any(|known| message.contains(known));
    match expected {
        Ok(expected) => expected.values().any(|expected| expected.error.as_deref().is_some_and(is_known)),
        Err(failure) => is_known(&failure.message),
    }
}

/// Whether the batch failed, for all events or for some.
fn has_failed(expected: &Result<BTreeMap<String, Expected>, Failure>) -> bool {
    expected.as_ref().map_or(true, |expected| expected.values().any(|expected| expected.error.is_some()))
}

pub(super) fn compare(kept: &Kept, name: &str, expected: &Expected) -> Result<(), Failure> {
    let Some((rows, parked)) = kept.state(name) else { return Err(Failure::new(Kind::Rows, name, "is not kept")) };
    if *parked != expected.parked {
        let message = format!("expected {:?}, got {parked:?}, batch: {:?}", expected.parked, expected.error);
        return Err(Failure::new(Kind::Parked, name, message));
    }
    if *rows != expected.rows {
        let text = |rows| lines(rows).fold(String::new(), |text, row| text + "\n    " + row);
        let message = format!("expected{}\n  got{}", text(&expected.rows), text(rows));
        return Err(Failure::new(Kind::Rows, name, message));
    }
    Ok(())
}

/// What a case says of a cut.
fn picture(expected: &BTreeMap<String, Expected>) -> Vec<String> {
    let mut picture = Vec::new();
    for (name, Expected { rows, parked, .. }) in expected {
        picture.extend(parked.iter().map(|(source, seq)| format!("{name} parked {source}#{seq}")));
        picture.extend(lines(rows).map(|row| format!("{name}: {row}")));
        if rows.is_empty() {
            picture.push(format!("{name}: none"));
        }
    }
    picture
}
