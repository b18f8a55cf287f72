//! Makes a failing case small: fewer projections, events, cuts, columns and expressions, as long as it fails alike.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::case::Entry;
use super::random::RandomCase;
use super::run::{Failure, Verdict, run};

/// The smallest case found in the time that fails as the given one does, with its failure.
pub(super) fn shrink(case: &RandomCase, failure: &Failure, time: Duration) -> (RandomCase, Failure) {
    let deadline = Instant::now() + time;
    let (mut best, mut last) = (case.clone(), failure.clone());
    loop {
        let mut improved = false;
        for candidate in candidates(&best) {
            if Instant::now() > deadline {
                return (best, last);
            }
            if let Err(Verdict::Failed(failure)) = run(&candidate.case())
                && failure.kind == last.kind
            {
                (best, last) = (candidate, failure);
                improved = true;
                break;
            }
        }
        if !improved {
            return (best, last);
        }
    }
}

/// Smaller cases, those that are much smaller first.
fn candidates(case: &RandomCase) -> Vec<RandomCase> {
    let mut candidates = Vec::new();
    for place in (0..case.projections.len()).rev().filter(|_| case.projections.len() > 1) {
        let mut smaller = case.clone();
        smaller.projections.remove(place);
        candidates.push(smaller);
    }
    let mut length = case.log.len() / 2;
    while length > 1 {
        for start in (0..case.log.len()).step_by(length) {
            candidates.push(without(case, start, length));
        }
        length /= 2;
    }
    for (place, projection) in case.projections.iter().enumerate() {
        for query in projection.query.smaller() {
            let mut smaller = case.clone();
            smaller.projections[place].query = query;
            if smaller.projections[place].is_table {
                let mut bag = smaller.clone();
                bag.projections[place].is_table = false;
                candidates.push(smaller);
                candidates.push(bag);
            } else {
                candidates.push(smaller);
            }
        }
    }
    candidates.extend((0..case.log.len()).map(|place| without(case, place, 1)));
    for place in (0..case.types.len()).filter(|_| case.types.len() > 1) {
        let mut smaller = case.clone();
        smaller.types.remove(place);
        candidates.push(smaller);
    }
    candidates
}

/// The case without a run of log entries; it still ends with a cut.
fn without(case: &RandomCase, start: usize, length: usize) -> RandomCase {
    let mut smaller = case.clone();
    let end = (start + length).min(case.log.len());
    smaller.log = renumbered(&case.log, start..end);
    if !matches!(smaller.log.last(), Some(Entry::Cut(_))) {
        smaller.log.push(Entry::Cut(Vec::new()));
    }
    smaller
}

/// The log without some entries. Those that admit an event follow it to its new place, or go with it.
fn renumbered(log: &[Entry], removed: Range<usize>) -> Vec<Entry> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    let mut places = BTreeMap::new();
    let mut kept = Vec::new();
    for (place, entry) in log.iter().enumerate() {
        if let Entry::Event(event) = entry {
            let seq = next(&mut old, &event.source);
            if !removed.contains(&place) {
                places.insert((event.source.clone(), seq), (event.source.clone(), next(&mut new, &event.source)));
            }
        }
        match entry {
            _ if removed.contains(&place) => {}
            Entry::Readmit(held) => kept.extend(places.get(held).cloned().map(Entry::Readmit)),
            entry => kept.push(entry.clone()),
        }
    }
    kept
}

fn next(sequences: &mut BTreeMap<String, i64>, source: &str) -> i64 {
    let seq = sequences.entry(source.to_owned()).or_default();
    *seq += 1;
    *seq
}
