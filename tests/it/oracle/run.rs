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
use super::setup::{Messages, compile, messages};
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
    /// Whether both sides were in error at a cut, over a row that comes from no single event.
    pub(super) in_error: bool,
}

/// Why a case was not run through.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The SQL is not accepted.
    Refused(String),
    /// DataFusion cannot compute its own plan of it, so there is nothing to compare with; and what it says.
    NoAnswer(&'static str),
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
    /// The circuit fails, or is in error where the batch is not, or otherwise than over the same events at once.
    Step,
    /// The table refuses the delta or holds something else.
    Table,
    Capture,
    Restore,
    /// The batch is in error where the circuit is not.
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
                if let Some(known) = no_answer(&expected) {
                    return Err(Verdict::NoAnswer(known));
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
                    if expected.in_error.is_some()
                        && !kept.is_in_error(name)
                        && truth.fails_over_nothing(&messages, name)
                    {
                        return Err(Verdict::NoAnswer("fails over no rows"));
                    }
                    compare(&kept, name, expected).map_err(|failure| failed(failure, cut))?;
                    outcome.parked += expected.parked.len();
                    outcome.in_error |= expected.in_error.is_some();
                }
                if expected.values().any(|expected| expected.in_error.is_some()) {
                    let at_once = at_once(case, &messages, &admission)?;
                    kept.has_errors_of(&at_once).map_err(|failure| failed(failure, cut))?;
                }
                outcome.cuts.push(picture(&expected));
            }
        }
    }
    Ok(Outcome { met: watch.met, ..outcome })
}

/// What takes all events of a cut in one step.
fn at_once(case: &Case, messages: &Messages, admission: &Admission) -> Result<Kept, Verdict> {
    let program = compile(case).map_err(Verdict::Refused)?;
    let mut kept = Kept::start(case, program, &Captured::default()).map_err(Verdict::Failed)?;
    kept.step(messages, admission).map_err(Verdict::Failed)?;
    Ok(kept)
}

fn plans(program: &Program) -> BTreeMap<String, Vec<String>> {
    let of = |circuit: &Circuit| circuit.nodes().iter().map(|node| node.operator.name().to_owned()).collect();
    let projections = program.projections.iter();
    projections.map(|planned| (planned.config.name.clone(), of(&planned.compiled.circuit))).collect()
}

/// What DataFusion said when it failed over its own plan, for all events or for some.
fn no_answer(expected: &Result<BTreeMap<String, Expected>, Failure>) -> Option<&'static str> {
    let known = |message: &str| NO_ANSWER.into_iter().find(|known| message.contains(known));
    match expected {
        Ok(expected) => expected.values().find_map(|expected| expected.error.as_deref().and_then(known)),
        Err(failure) => known(&failure.message),
    }
}

pub(super) fn compare(kept: &Kept, name: &str, expected: &Expected) -> Result<(), Failure> {
    let Some((rows, parked)) = kept.state(name) else { return Err(Failure::new(Kind::Rows, name, "is not kept")) };
    let of_input = expected.in_error.as_deref().is_some_and(|error| error.starts_with("reads `"));
    if !of_input && *parked != expected.parked {
        let message = format!("expected {:?}, got {parked:?}, batch: {:?}", expected.parked, expected.error);
        return Err(Failure::new(Kind::Parked, name, message));
    }
    match (&expected.in_error, kept.is_in_error(name)) {
        (Some(_), true) => return Ok(()),
        (Some(error), false) => {
            return Err(Failure::new(Kind::Batch, name, format!("the batch fails: {error}")));
        }
        (None, true) => {
            let message = format!("in error, and the batch is not: {:?}", kept.errors(name));
            return Err(Failure::new(Kind::Step, name, message));
        }
        (None, false) => {}
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
    for (name, Expected { rows, parked, in_error, .. }) in expected {
        if in_error.is_some() {
            picture.push(format!("{name} is in error"));
            continue;
        }
        picture.extend(parked.iter().map(|(source, seq)| format!("{name} parked {source}#{seq}")));
        picture.extend(lines(rows).map(|row| format!("{name}: {row}")));
        if rows.is_empty() {
            picture.push(format!("{name}: none"));
        }
    }
    picture
}
