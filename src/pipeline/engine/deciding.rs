//! What becomes of a person's decisions about sources and parked events.

use std::collections::{BTreeMap, BTreeSet};

use super::super::generation::Generation;
use super::super::intake::Intake;
use super::Engine;
use crate::lifecycle::{Action, Actor, Decision, NewStep, Parked, ParkedFilter};
use crate::progress::{Phase, SourceName};
use crate::read_model::catalog::BuildStatus;
use crate::telemetry;

/// What follows from a decision.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::pipeline) struct Decided {
    /// For the one who decided.
    pub(in crate::pipeline) told: String,
    /// The source that has to be read from where its intake stands now.
    pub(in crate::pipeline) read: Option<SourceName>,
    /// The source that is read no further.
    pub(in crate::pipeline) unread: Option<SourceName>,
}

impl Engine {
    /// Does what was decided, and records it.
    ///
    /// # Errors
    /// Why it cannot be done, as a sentence. Nothing has changed then.
    pub(in crate::pipeline) fn decide(
        &mut self,
        decision: &Decision,
        by: &Actor,
        now_us: i64,
    ) -> Result<Decided, String> {
        match decision {
            Decision::Discard(filter) => self.discard(filter, by, now_us),
            Decision::Pause(source) => self.pause(source, by, now_us),
            Decision::Resume(source) => self.resume(source, by, now_us),
            Decision::AcceptGap(source) => self.accept_gap(source, by, now_us),
            Decision::Reset(source) => self.reset(source, by, now_us),
        }
    }

    fn discard(&mut self, filter: &ParkedFilter, by: &Actor, now_us: i64) -> Result<Decided, String> {
        let is_paused = |one: &&Generation| {
            one.phase() == Phase::Paused
                && self
                    .parked
                    .iter()
                    .any(|parked| parked.generation.as_ref() == Some(&one.id) && filter.includes(parked))
        };
        // What it goes on from has them too.
        if let Some(paused) = self.generations.iter().find(is_paused) {
            return Err(format!("`{}` is paused, and some of them are its own; resume it first", paused.projection()));
        }
        let discarded = self.parked.take(|parked| filter.includes(parked));
        if discarded.is_empty() {
            return Err("no parked event is meant by that".to_owned());
        }
        let mut by_source: BTreeMap<SourceName, Vec<u64>> = BTreeMap::new();
        for Parked { source, generation, rejected } in &discarded {
            let sequence = rejected.message.seq;
            by_source.entry(source.clone()).or_default().push(sequence);
            // Who reads the source again leaves it out too. What a single projection could not take others have.
            match generation {
                None => self.intakes.get_mut(source).into_iter().for_each(|intake| intake.discard(sequence)),
                Some(id) => {
                    let of = self.generations.iter_mut().filter(|one| one.id == *id);
                    of.for_each(|one| one.discard(source, sequence));
                }
            }
        }
        let events: Vec<String> = by_source.iter().map(|(source, sequences)| listed(source, sequences)).collect();
        for (source, sequences) in &by_source {
            telemetry::count_discarded(source, sequences.len() as u64);
            self.record(
                Action::Discarded,
                format!("source {source}"),
                None,
                Some(listed(source, sequences)),
                by,
                now_us,
            );
        }
        self.revise(now_us);
        self.tell_parked();
        Ok(Decided { told: format!("discarded {}", events.join("; ")), ..Decided::default() })
    }

    fn pause(&mut self, source: &SourceName, by: &Actor, now_us: i64) -> Result<Decided, String> {
        let intake = self.known(source)?;
        if intake.paused().is_some() {
            return Err(format!("source `{source}` is paused already"));
        }
        let who = by.actor.as_deref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        let why = by.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        intake.pause(format!("paused{who}{why}; `readside source resume {source}` goes on"));
        let at = intake.progress.covered().to_string();
        self.record(Action::Paused, format!("source {source}"), None, Some(format!("at {at}")), by, now_us);
        let told = format!("source `{source}` is read no further than {at} until it is resumed");
        Ok(Decided { told, unread: Some(source.clone()), read: None })
    }

    fn resume(&mut self, source: &SourceName, by: &Actor, now_us: i64) -> Result<Decided, String> {
        let intake = self.known(source)?;
        if intake.paused().is_none() && !intake.progress.is_halted() {
            return Err(format!("source `{source}` is neither paused nor halted"));
        }
        let from = intake.progress.message().map(str::to_owned);
        intake.reopen();
        let at = intake.progress.covered().to_string();
        self.record(Action::Resumed, format!("source {source}"), from, Some(format!("at {at}")), by, now_us);
        let told = format!("source `{source}` is read on after {at}");
        Ok(Decided { told, read: Some(source.clone()), unread: None })
    }

    fn accept_gap(&mut self, source: &SourceName, by: &Actor, now_us: i64) -> Result<Decided, String> {
        let intake = self.known(source)?;
        if !intake.progress.is_halted() {
            return Err(format!("source `{source}` has not halted"));
        }
        let from = intake.progress.message().map(str::to_owned);
        if !intake.progress.is_halted_by_gap() {
            let why = from.unwrap_or_default();
            return Err(format!("source `{source}` has halted for another reason than messages that have gone: {why}"));
        }
        intake.reopen();
        intake.accept_gap();
        let at = intake.progress.covered().to_string();
        self.record(Action::GapAccepted, format!("source {source}"), from, Some(format!("after {at}")), by, now_us);
        self.revise(now_us);
        let told = format!(
            "source `{source}` is read on behind what is gone after {at}; answers say that they are incomplete"
        );
        Ok(Decided { told, read: Some(source.clone()), unread: None })
    }

    fn reset(&mut self, source: &SourceName, by: &Actor, now_us: i64) -> Result<Decided, String> {
        let intake = self.known(source)?;
        if !intake.progress.is_halted() {
            return Err(format!(
                "source `{source}` has not halted; only what cannot be read on is read from its beginning"
            ));
        }
        let from = intake.progress.message().map(str::to_owned);
        *intake = intake.at_beginning();
        let _ = self.parked.take(|parked| parked.source == *source && parked.generation.is_none());
        let reason = format!("source `{source}` was reset, and is read from its beginning");
        let mut stopped = BTreeSet::new();
        // What is paused stays so, and cannot go on from where it stands; what was to go on is built again.
        let resuming = self.let_go_paused(source);
        let reads = |one: &&mut Generation| {
            let reads = one.definition.reads.contains_key(source) && one.phase() != Phase::Paused;
            reads || resuming.contains(one.projection())
        };
        for generation in self.generations.iter_mut().filter(reads) {
            generation.leave_last_rows(&reason);
            stopped.insert(generation.projection().to_owned());
        }
        for name in &stopped {
            if let Some(definition) = self.declared.projections.get(name) {
                let status = self.announced.entry(name.clone()).or_insert_with(|| definition.status());
                status.build.get_or_insert_with(BuildStatus::waiting);
            }
        }
        self.declared.awaited.extend(stopped.iter().cloned());
        self.record(Action::Reset, format!("source {source}"), from, Some("at its beginning".to_owned()), by, now_us);
        self.revise(now_us);
        self.tell_parked();
        let names = stopped.into_iter().collect::<Vec<_>>().join(", ");
        let told = match names.as_str() {
            "" => format!("source `{source}` is read from its beginning"),
            names => format!(
                "source `{source}` is read from its beginning; these are built again, and show their last rows: {names}"
            ),
        };
        Ok(Decided { told, read: Some(source.clone()), unread: None })
    }

    fn known(&mut self, source: &SourceName) -> Result<&mut Intake, String> {
        self.intakes.get_mut(source).ok_or_else(|| format!("there is no source `{source}`"))
    }

    fn record(
        &mut self,
        action: Action,
        subject: String,
        from: Option<String>,
        to: Option<String>,
        by: &Actor,
        now_us: i64,
    ) {
        self.ledger.record(NewStep { action, subject, from, to }, by, now_us);
    }

    /// Marks that the same positions stand for something else from now on.
    pub(super) fn revise(&mut self, now_us: i64) {
        self.revision += 1;
        self.arrive(&self.cut(), now_us);
    }
}

/// The first sequences of some, and how many there are.
fn listed(source: &str, sequences: &[u64]) -> String {
    const LISTED: usize = 20;
    let mut sequences = sequences.to_vec();
    sequences.sort_unstable();
    sequences.dedup();
    let first: Vec<String> = sequences.iter().take(LISTED).map(u64::to_string).collect();
    let more = if sequences.len() > LISTED { ", …" } else { "" };
    let noun = if sequences.len() == 1 { "event" } else { "events" };
    format!("{} {noun} of {source}: {}{more}", sequences.len(), first.join(", "))
}
