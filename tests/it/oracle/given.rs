//! The oracle over a program and messages that come from elsewhere: the same two sides, compared at every cut.

use std::collections::BTreeMap;

use readside::event::Message;
use readside::plan::Program;

use super::admission::Admission;
use super::case::{Case, Declaration};
use super::kept::{Captured, Kept};
use super::run::{Failure, Kind, compare};
use super::truth::Truth;

/// What happens next to a program under test.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// One commit over this share of all messages of each source, counted from the beginning.
    CommitUpTo(f64),
    Capture,
    /// Everything goes on from the last capture.
    Restart,
}

/// Checks that all projections, each a table, equal their batch results after every commit. Gives the number of rows of
/// each at the end.
pub(crate) fn check(
    program: &dyn Fn() -> Program,
    messages: &BTreeMap<String, Vec<Message>>,
    steps: &[Step],
) -> Result<BTreeMap<String, usize>, String> {
    run(program, messages, steps).map_err(|failure| failure.to_string())
}

fn run(
    program: &dyn Fn() -> Program,
    messages: &BTreeMap<String, Vec<Message>>,
    steps: &[Step],
) -> Result<BTreeMap<String, usize>, Failure> {
    let case = case(&program());
    let truth = Truth::new(&program()).map_err(|error| Failure::new(Kind::Batch, "?", error))?;
    let mut captured = Captured::default();
    let mut kept = Kept::start(&case, program(), &captured)?;
    let mut rows = BTreeMap::new();
    for (place, step) in steps.iter().enumerate() {
        let at = |failure: Failure| Failure { cut: place, ..failure };
        match step {
            Step::Capture => kept.capture(&mut captured).map_err(at)?,
            Step::Restart => kept = Kept::start(&case, program(), &captured).map_err(at)?,
            Step::CommitUpTo(share) => {
                let to = messages.iter().map(|(source, all)| (source.clone(), (all.len() as f64 * share) as usize));
                let to = Admission { positions: to.collect(), ..Admission::default() };
                kept.step(messages, &to).map_err(at)?;
                for (name, expected) in truth.at(messages, &to).map_err(at)? {
                    compare(&kept, &name, &expected).map_err(at)?;
                    rows.insert(name, expected.rows.len());
                }
            }
        }
    }
    Ok(rows)
}

/// What the oracle wants to know of the projections.
fn case(program: &Program) -> Case {
    let projections = program.projections.iter().map(|planned| Declaration {
        name: planned.config.name.clone(),
        sql: planned.config.sql.clone(),
        is_table: true,
        ..Declaration::default()
    });
    Case { projections: projections.collect(), ..Case::default() }
}
