//! What a number of random cases reached.

use std::collections::BTreeMap;
use std::fmt;

use super::random::RandomCase;
use super::run::{Outcome, Verdict};

#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) cases: usize,
    pub(super) accepted: usize,
    pub(super) with_rows: usize,
    pub(super) failed: usize,
    parked: usize,
    failed_alike: usize,
    no_answer: usize,
    cuts: usize,
    /// How many, and the first seed.
    refusals: BTreeMap<String, (usize, u64)>,
    features: BTreeMap<String, Reached>,
}

/// In how many cases a feature met each of these.
#[derive(Debug, Default)]
struct Reached {
    cases: usize,
    retraction: usize,
    null_key: usize,
    tie: usize,
    restart: usize,
}

impl Coverage {
    pub(super) fn add(&mut self, seed: u64, case: &RandomCase, result: &Result<Outcome, Verdict>) {
        self.cases += 1;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(Verdict::Refused(reason)) => {
                // Names of columns aside.
                let reason: String = reason.chars().take(60).collect();
                self.refusals.entry(reason).or_insert((0, seed)).0 += 1;
                return;
            }
            Err(Verdict::NoAnswer) => {
                self.accepted += 1;
                self.no_answer += 1;
                return;
            }
            Err(Verdict::Failed(_)) => {
                self.accepted += 1;
                self.failed += 1;
                return;
            }
        };
        self.accepted += 1;
        self.cuts += outcome.cuts.len();
        self.with_rows += usize::from(outcome.rows > 0);
        self.parked += usize::from(outcome.parked > 0);
        self.failed_alike += usize::from(outcome.failed_alike);
        let events: Vec<String> = case.log.iter().map(ToString::to_string).filter(|line| line.contains('{')).collect();
        let tie = events.iter().enumerate().any(|(place, event)| events[..place].contains(event));
        for feature in &case.features {
            let reached = self.features.entry(feature.clone()).or_default();
            reached.cases += 1;
            reached.retraction += usize::from(outcome.retracted);
            reached.null_key += usize::from(outcome.null_key);
            reached.tie += usize::from(tie);
            reached.restart += usize::from(outcome.restarts > 0);
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, accepted, with_rows, failed, parked, failed_alike, no_answer, cuts, .. } = self;
        writeln!(
            f,
            "{cases} cases: {accepted} accepted, {with_rows} with rows, {parked} with parked events, {failed_alike} where both sides gave up, {no_answer} without an answer from DataFusion, {cuts} cuts, {failed} failed"
        )?;
        writeln!(f, "{:<36}{:>7}{:>12}{:>10}{:>6}{:>9}", "", "cases", "retraction", "NULL key", "tie", "restart")?;
        for (feature, reached) in &self.features {
            let Reached { cases, retraction, null_key, tie, restart } = reached;
            writeln!(f, "{feature:<36}{cases:>7}{retraction:>12}{null_key:>10}{tie:>6}{restart:>9}")?;
        }
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, count)| std::cmp::Reverse(count.0));
        for (reason, (count, seed)) in refusals.into_iter().take(20) {
            writeln!(f, "{count:>6} refused, first seed {seed}: {reason}")?;
        }
        Ok(())
    }
}
