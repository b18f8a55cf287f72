//! A source that is read in another way from now on, where every event that was admitted so far is the same in the new way: what is
//! there goes on, and what was parked counts as if it had been right at first, without reading anything again.

use std::collections::{BTreeMap, BTreeSet};

use super::super::generation::{Definition, Generation};
use super::super::intake::Reading;
use super::{Engine, EngineError};
use crate::circuit::Circuit;
use crate::event::Message;
use crate::lifecycle::{Action, Actor, NewStep, Parked};
use crate::plan::PlannedProjection;
use crate::progress::SourceName;
use crate::telemetry;

/// What is read in another way, and what is computed of it.
#[derive(Debug, Default)]
pub struct Replays {
    pub readings: BTreeMap<SourceName, Reading>,
    /// All that read the sources, or what reads them, compiled over the new readings.
    pub projections: Vec<PlannedProjection>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that were parked, and are admitted.
    pub admitted: u64,
    /// Events that are parked once more.
    pub parked: u64,
    /// Rollouts that are of no more use.
    pub unkept: Vec<u64>,
}

/// A generation as it goes on.
struct Continued {
    projection: String,
    definition: Definition,
    circuit: Circuit,
}

impl Engine {
    /// Reads sources in another way from now on. As inner error, why that cannot be done in place; nothing has changed then.
    ///
    /// # Errors
    /// A commit failed as a whole.
    pub(in crate::pipeline) fn replay(
        &mut self,
        replays: Replays,
        by: &Actor,
        now_us: i64,
    ) -> Result<Result<Replayed, String>, EngineError> {
        let Replays { readings, projections } = replays;
        if let Err(why) = self.check_readings(&readings) {
            return Ok(Err(why));
        }
        let affected = |one: &&Generation| {
            one.state().steps() && one.definition.reads.keys().any(|source| readings.contains_key(source))
        };
        let names: BTreeSet<String> =
            self.generations.iter().filter(affected).map(|one| one.projection().to_owned()).collect();
        let (mut continued, mut renames) = (Vec::new(), BTreeMap::new());
        for planned in projections {
            let Some(running) = self.generations.iter().find(|one| one.projection() == planned.config.name) else {
                continue;
            };
            let definition = Definition::of(&planned);
            let mut circuit = planned.compiled.circuit;
            let renamed = match running.computes().filter(|_| running.lends_state() && !running.follows_rows()) {
                Some(earlier) if definition.table == running.definition.table && !earlier.lets_go() => {
                    circuit.go_on_with(earlier).ok().flatten()
                }
                _ => None,
            };
            let Some(renamed) = renamed else {
                return Ok(Err(format!("`{}` cannot go on as it is", planned.config.name)));
            };
            renames.extend(renamed);
            continued.push(Continued { projection: planned.config.name, definition, circuit });
        }
        if let Some(left) = names.iter().find(|name| !continued.iter().any(|one| one.projection == **name)) {
            return Ok(Err(format!("`{left}` reads it, and is not declared as it runs")));
        }
        for Continued { projection, definition, circuit } in continued {
            if let Some(running) = self.generations.iter_mut().find(|one| one.projection() == projection) {
                running.go_on_as(definition, circuit);
            }
        }
        self.rename(renames);
        self.share();
        let mut replayed = Replayed::default();
        for (source, reading) in readings {
            let waiting = self.parked.take(|parked| parked.source == source && parked.generation.is_none());
            let before = waiting.len() as u64;
            if let Some(intake) = self.intakes.get_mut(&source) {
                intake.read_as(reading);
            }
            let admitted = self.admit_parked(&source, waiting, now_us)?;
            replayed.admitted += admitted;
            replayed.parked += before - admitted;
            telemetry::count_replayed(&source, admitted);
            let (subject, to) = (format!("source {source}"), Some(format!("{admitted} of {before} parked events")));
            self.ledger.record(NewStep { action: Action::Replayed, subject, from: None, to }, by, now_us);
            replayed.unkept.extend(self.was_replaced(&BTreeSet::new(), &names, &BTreeSet::from([source]), by, now_us));
        }
        self.revise(now_us);
        self.tell_parked();
        Ok(Ok(replayed))
    }

    fn check_readings(&self, readings: &BTreeMap<SourceName, Reading>) -> Result<(), String> {
        for (source, reading) in readings {
            let intake = self.intakes.get(source).ok_or_else(|| format!("there is no source `{source}`"))?;
            let checked = intake.decoder().schema().check_admitted(reading.decoder.schema(), intake.admitted());
            checked.map_err(|why| format!("of source `{source}`, {why}"))?;
            let is_of_it = |parked: &&Parked| parked.source == *source && parked.generation.is_none();
            if self.parked.iter().filter(is_of_it).any(|parked| parked.rejected.late.is_none()) {
                return Err("an older build parked events of it, and did not keep whether they came late".to_owned());
            }
        }
        Ok(())
    }

    /// Admits what can be of events that were parked, and parks the others again.
    fn admit_parked(&mut self, source: &SourceName, waiting: Vec<Parked>, now_us: i64) -> Result<u64, EngineError> {
        let (late, in_time): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|parked| parked.rejected).partition(|rejected| rejected.late == Some(true));
        let mut admitted = 0;
        for (is_late, rejected) in [(false, in_time), (true, late)] {
            let mut messages: Vec<Message> = rejected.into_iter().map(|one| one.message).collect();
            messages.sort_unstable_by_key(|message| message.seq);
            let Some(intake) = self.intakes.get_mut(source).filter(|_| !messages.is_empty()) else { continue };
            let decoded = intake.decode_parked(&messages, is_late);
            let decoded = decoded.map_err(|error| EngineError::Decode { source_name: source.clone(), error })?;
            admitted += decoded.batch.metadata.num_rows() as u64;
            for rejected in decoded.rejected {
                self.park(Parked { source: source.clone(), generation: None, rejected });
            }
            self.step(&[(source.clone(), decoded.batch, messages)], BTreeMap::new(), now_us)?;
        }
        Ok(admitted)
    }

    /// Stores are known to the checkpoints by another name from the next one on.
    fn rename(&mut self, renames: BTreeMap<String, String>) {
        for (name, before) in renames {
            self.persisted.remove(&before);
            self.persisted.insert(name.clone());
            // What no checkpoint has under its last name it has under the one before.
            let before = self.renames.remove(&before).unwrap_or(before);
            self.renames.insert(name, before);
        }
    }
}
