//! What happened to each projection of a case: the conditions under which an operator may go wrong.

use std::collections::{BTreeMap, BTreeSet};

use readside::plan::Program;
use readside::progress::Reads;

use super::case::Event;
use super::truth::Expected;

/// The conditions that one projection met.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Met {
    /// It had rows at some cut.
    pub(super) rows: bool,
    /// Rows of it, or of a projection that it reads, were taken back.
    pub(super) retraction: bool,
    /// Its first column or its key was NULL.
    pub(super) null_key: bool,
    /// It read equal events, or had equal rows.
    pub(super) tie: bool,
    /// An event that it reads was admitted later than its sequence says.
    pub(super) readmission: bool,
    /// It was restarted from a capture that had read something of its sources.
    pub(super) restart: bool,
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    /// Projections that took rows back, or read one that did.
    pub(super) retracted: BTreeSet<String>,
    /// Source and type of the events that had been held back.
    pub(super) readmitted: Vec<(String, String)>,
}

/// Looks on while a case runs.
pub(super) struct Watch {
    reads: BTreeMap<String, Reads>,
    pub(super) met: BTreeMap<String, Met>,
    /// Events so far: type, key and payload.
    seen: BTreeSet<(String, String, Option<String>, String)>,
    /// Source and type of those that occurred twice.
    twins: BTreeSet<(String, String)>,
}

impl Watch {
    pub(super) fn new(program: &Program) -> Self {
        let projections = program.projections.iter();
        let reads: BTreeMap<String, Reads> =
            projections.map(|one| (one.config.name.clone(), one.compiled.schema.reads.clone())).collect();
        let met = reads.keys().map(|name| (name.clone(), Met::default())).collect();
        Self { reads, met, seen: BTreeSet::new(), twins: BTreeSet::new() }
    }

    pub(super) fn event(&mut self, event: &Event) {
        let Event { source, event_type, key, payload, held, .. } = event;
        if !held && !self.seen.insert((source.clone(), event_type.clone(), key.clone(), payload.clone())) {
            self.twins.insert((source.clone(), event_type.clone()));
        }
    }

    pub(super) fn cut(&mut self, stepped: &Stepped, expected: &BTreeMap<String, Expected>) {
        for (name, met) in &mut self.met {
            let Some(expected) = expected.get(name).filter(|expected| expected.in_error.is_none()) else { continue };
            let reads = &self.reads[name];
            met.rows |= !expected.rows.is_empty();
            met.retraction |= stepped.retracted.contains(name);
            met.null_key |= expected.null_key;
            met.tie |= expected.rows.values().any(|count| *count > 1) || self.twins.iter().any(|of| is_read(reads, of));
            met.readmission |= stepped.readmitted.iter().any(|of| is_read(reads, of));
        }
    }

    pub(super) fn restart(&mut self, positions: &BTreeMap<String, usize>) {
        for (name, met) in &mut self.met {
            let read = |source: &str| positions.get(source).is_some_and(|position| *position > 0);
            met.restart |= self.reads[name].keys().any(|source| read(source));
        }
    }
}

/// Whether events of this source and type are read. No types means all of them.
fn is_read(reads: &Reads, (source, event_type): &(String, String)) -> bool {
    reads.get(source.as_str()).is_some_and(|types| types.is_empty() || types.contains(event_type))
}
