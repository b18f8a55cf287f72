//! What a number of random cases reached: each operator under each condition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::met::Met;
use super::random::RandomCase;
use super::run::{Outcome, Verdict};

/// How often each operator should meet each condition in a long run.
const WANTED: usize = 100;
const CONDITIONS: [&str; 5] = ["retraction", "NULL key", "tie", "re-admission", "restart"];

#[derive(Debug, Default)]
pub(super) struct Coverage {
    cases: usize,
    accepted: usize,
    projections: usize,
    pub(super) with_rows: usize,
    failed: usize,
    parked: usize,
    in_error: usize,
    /// The seeds by what DataFusion says.
    no_answer: BTreeMap<&'static str, Vec<u64>>,
    cuts: usize,
    /// How many, and the first seed.
    refusals: BTreeMap<String, (usize, u64)>,
    operators: BTreeMap<String, Reached>,
}

/// In how many projections an operator occurred, had rows, and met each of the conditions.
#[derive(Debug, Default)]
struct Reached {
    projections: usize,
    with_rows: usize,
    conditions: [usize; CONDITIONS.len()],
}

impl Coverage {
    pub(super) fn add(&mut self, seed: u64, case: &RandomCase, result: &Result<Outcome, Verdict>) {
        self.cases += 1;
        if let Err(Verdict::Refused(reason)) = result {
            // Names of columns aside.
            let reason: String = reason.chars().take(60).collect();
            self.refusals.entry(reason).or_insert((0, seed)).0 += 1;
            return;
        }
        self.accepted += 1;
        match result {
            Ok(outcome) => self.agreed(case, outcome),
            Err(Verdict::NoAnswer(known)) => self.no_answer.entry(known).or_default().push(seed),
            Err(_) => self.failed += 1,
        }
    }

    fn agreed(&mut self, case: &RandomCase, outcome: &Outcome) {
        self.cuts += outcome.cuts.len();
        self.parked += usize::from(outcome.parked > 0);
        self.in_error += usize::from(outcome.in_error);
        for projection in &case.projections {
            let Some(met) = outcome.met.get(&projection.name) else { continue };
            self.projections += 1;
            self.with_rows += usize::from(met.rows);
            let own = outcome.operators.get(&projection.name).into_iter().flatten();
            let all: BTreeSet<&String> = projection.features.iter().chain(own).collect();
            for operator in all {
                self.operators.entry(operator.clone()).or_default().add(met);
            }
        }
    }

    /// What was not met often enough.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (operator, Reached { conditions, .. }) in &self.operators {
            let short = CONDITIONS.iter().zip(conditions).filter(|(_, count)| **count < WANTED);
            gaps.extend(short.map(|(condition, count)| format!("{operator} × {condition}: {count}")));
        }
        gaps
    }
}

impl Reached {
    fn add(&mut self, met: &Met) {
        self.projections += 1;
        self.with_rows += usize::from(met.rows);
        let conditions = [met.retraction, met.null_key, met.tie, met.readmission, met.restart];
        for (count, is_met) in self.conditions.iter_mut().zip(conditions) {
            *count += usize::from(is_met);
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, accepted, projections, with_rows, parked, in_error, no_answer, cuts, failed, .. } = self;
        let share = |part: &usize, whole: &usize| part * 100 / (*whole).max(1);
        writeln!(f, "{cases} cases, {accepted} accepted ({} %), {failed} failed, {cuts} cuts", share(accepted, cases))?;
        writeln!(f, "{projections} projections, {with_rows} with rows ({} %)", share(with_rows, projections))?;
        writeln!(
            f,
            "{parked} with parked events, {in_error} in error at a cut on both sides, {} without an answer from DataFusion",
            no_answer.values().map(Vec::len).sum::<usize>()
        )?;
        write!(f, "{:<44}{:>12}{:>12}", "", "projections", "with rows")?;
        CONDITIONS.iter().try_for_each(|condition| write!(f, "{condition:>13}"))?;
        writeln!(f)?;
        for (operator, Reached { projections, with_rows, conditions }) in &self.operators {
            write!(f, "{operator:<44}{projections:>12}{with_rows:>12}")?;
            conditions.iter().try_for_each(|count| write!(f, "{count:>13}"))?;
            writeln!(f)?;
        }
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, count)| std::cmp::Reverse(count.0));
        for (reason, (count, seed)) in refusals.into_iter().take(20) {
            writeln!(f, "{count:>6} refused, first seed {seed}: {reason}")?;
        }
        for (known, seeds) in no_answer {
            writeln!(f, "{:>6} without an answer, seeds {seeds:?}: {known}", seeds.len())?;
        }
        Ok(())
    }
}
