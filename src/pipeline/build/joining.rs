//! How generations that were built beside become live.

use std::collections::{BTreeMap, BTreeSet};

use super::super::engine::Engine;
use super::super::generation::Generation;
use super::{Build, Inherited, LiveCut};
use crate::circuit::share;
use crate::lifecycle::Parked;
use crate::progress::{Phase, SourceName};

/// What a build has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// Its generations take every commit, but for what had failed alone, and its sources are read as they are declared. The
    /// rollouts are of no more use.
    AsDeclared {
        unkept: Vec<u64>,
        /// The rollouts of what was paused and is kept from now on, because it was replaced.
        kept_paused: BTreeSet<u64>,
    },
    /// What was there before goes on, and why.
    Nothing { why: String },
}

impl LiveCut {
    /// The cut of a live engine, with the rows of some projections at it: of those that take part in every commit.
    pub fn of(live: &Engine, inputs: &BTreeSet<String>) -> Self {
        let running = live.generations.iter().filter(|generation| generation.state().steps());
        let asked = running.filter(|generation| inputs.contains(generation.projection()));
        let rows = asked.map(|generation| (generation.projection().to_owned(), generation.input_rows()));
        Self { cut: live.cut(), inputs: rows.collect(), served: BTreeMap::new() }
    }

    /// The same, with the right rows that readers see of other projections.
    pub(in crate::pipeline) fn with_served(self, live: &Engine, names: &BTreeSet<String>) -> Self {
        let shown = live.shown().filter(|one| names.contains(one.projection()) && one.has_right_rows());
        let served = shown.map(|one| (one.projection().to_owned(), one.input_rows())).collect();
        Self { served, ..self }
    }
}

impl Build {
    /// Joins a live engine: brings its generations, with what was parked for them. A generation whose build has failed
    /// leaves the last rows of its predecessor, if there are any, which then says why it stopped. `kept` is the rollout that it
    /// replaces.
    ///
    /// # Errors
    /// Gives itself back if it does not stand at the live cut. It has to come there first.
    pub fn join(mut self, live: &mut Engine, kept: Option<u64>, now_us: i64) -> Result<Joined, Box<Build>> {
        let cut = live.cut();
        if !self.failed && (self.arrived.as_ref() != Some(&cut) || !self.stands_at(&cut)) {
            return Err(Box::new(self));
        }
        self.engine.check_state_limits();
        become_one(live, &mut self.engine);
        self.check_followed(live);
        fail_readers_of_stopped(live, &mut self.engine);
        self.fail_as_one(live);
        let resumes = self.resumes;
        if let Some(rollout) = self.rollout
            && let Some(reason) = self.reason().map(str::to_owned)
        {
            if resumes {
                live.cannot_resume(rollout, &reason, now_us);
            } else {
                live.cannot_keep(rollout, &reason);
            }
            return Ok(Joined::Nothing { why: reason });
        }
        if !self.failed {
            self.take_circuits(live);
        }
        let why = self.reason().unwrap_or("it has failed").to_owned();
        let Self { engine: mut built, changed_sources, mut continued, failed, by, rollout, kept_paused, .. } = self;
        let brings_rows = built.generations.iter().any(|generation| generation.state().steps());
        if brings_rows && !live.generations.is_empty() {
            // A reader may hold what the relations were at these positions.
            live.revision += 1;
            live.arrive(&live.cut(), now_us);
        }
        for (source, intake) in &built.intakes {
            let lost = intake.progress.losses_so_far();
            built.generations.iter_mut().for_each(|one| one.built_without(source, &lost));
        }
        // A build that has failed has not read its sources to the end.
        for source in changed_sources.iter().filter(|_| !failed) {
            if rollout.is_some() {
                keep_discarded(live, source, &built);
            }
            readmit(live, source, &mut built);
        }
        hold_readers_of_errors(live, &mut built);
        inherit_since(live, &mut built);
        let cut = live.cut();
        for generation in built.generations.iter_mut().filter(|generation| generation.state().steps()) {
            generation.arrive(&cut, now_us);
            if let Some(Inherited { parked, lost, discarded }) = continued.remove(&generation.id) {
                generation.lacks_what(&lost);
                generation.is_without(&discarded);
                let id = Some(generation.id.clone());
                parked.into_iter().for_each(|one| live.parked.park(Parked { generation: id.clone(), ..one }));
            }
            for parked in built.parked.take(|parked| parked.generation.as_ref() == Some(&generation.id)) {
                live.parked.park(parked);
            }
        }
        let came = built.generations.iter().filter(|one| one.state().steps());
        let came: BTreeSet<String> = came.map(|one| one.projection().to_owned()).collect();
        live.has_told(&mut built);
        live.take_over(built.generations, rollout.is_some() && !resumes, &by, now_us);
        let (mut unkept, mut still_kept) = (Vec::new(), BTreeSet::new());
        if failed {
            kept.into_iter().for_each(|rollout| _ = live.let_go(rollout));
        } else if let Some(rollout) = rollout.filter(|_| resumes) {
            unkept = live.was_resumed(rollout, &by, now_us);
        } else {
            still_kept = live.keep_paused(&kept_paused);
            let kept = rollout.or(kept).into_iter().chain(still_kept.iter().copied()).collect();
            unkept = live.was_replaced(&kept, &came, &changed_sources, &by, now_us);
        }
        if let Some(rollout) = rollout.filter(|_| !resumes) {
            live.was_rolled_back(rollout);
        }
        for (_, circuit) in
            live.generations.iter_mut().filter(|one| came.contains(one.projection())).filter_map(Generation::circuit)
        {
            circuit.may_become_others();
        }
        // Those that were live come first, so that theirs is what a checkpoint has already.
        live.share();
        live.sort();
        live.tell_parked();
        Ok(if failed { Joined::Nothing { why } } else { Joined::AsDeclared { unkept, kept_paused: still_kept } })
    }
}

impl Build {
    /// Stops generations that have followed the rows of others which are right no more.
    fn check_followed(&mut self, live: &Engine) {
        for generation in self.engine.generations.iter_mut().filter(|one| one.follows_rows() && one.state().steps()) {
            if !live.generations.iter().any(|one| is_followed(one, generation)) {
                let reason = "the rows that it was made of are right no more; reload to build it again";
                generation.fail(reason.to_owned());
            }
        }
    }

    /// Lets generations that have followed the rows of others go on with what computes them, and with what those could not take.
    fn take_circuits(&mut self, live: &mut Engine) {
        for generation in self.engine.generations.iter_mut().filter(|one| one.follows_rows() && one.state().steps()) {
            let followed = live.generations.iter().find(|one| is_followed(one, generation)).map(|one| one.id.clone());
            let Some(followed) = followed else { continue };
            self.continued.insert(generation.id.clone(), Inherited::of(live, &followed));
            if let Some(predecessor) = live.generations.iter_mut().find(|one| one.id == followed) {
                generation.take_circuit_of(predecessor);
            }
        }
    }

    /// Where a predecessor serves, what is built together comes together: half of it would read what the other half has not
    /// become.
    fn fail_as_one(&mut self, live: &Engine) {
        let stays = |one: &Generation| one.state().steps() || one.phase() == Phase::Paused;
        let serves = |name: &str| live.generations.iter().any(|one| one.projection() == name && stays(one));
        let failed = self.engine.generations.iter().find(|one| !one.state().steps());
        let failed = failed.map(|one| {
            let reason = one.state().reason().unwrap_or("it has stopped").to_owned();
            (one.projection().to_owned(), reason)
        });
        let Some((name, reason)) = failed.filter(|_| !self.failed && self.projections().any(serves)) else { return };
        for generation in self.engine.generations.iter_mut().filter(|one| one.state().steps()) {
            generation.fail(format!("it is built together with `{name}`, which cannot be: {reason}"));
        }
        self.failed = true;
    }
}

/// Whether a live generation is the one whose rows a built one has followed, and both are right.
fn is_followed(live: &Generation, built: &Generation) -> bool {
    live.projection() == built.projection() && live.definition.rows == built.definition.rows && live.may_donate()
}

/// Lets built generations have the very operators whose state they began with. Where that is not possible any more, because
/// their generation has stopped, what was built of copies of them stops too: the checkpoints have that state under one name.
fn become_one(live: &mut Engine, built: &mut Engine) {
    if !built.generations.iter().any(Generation::has_copies) {
        return;
    }
    let circuits = live.generations.iter_mut().chain(&mut built.generations);
    share(&mut circuits.filter_map(Generation::circuit).collect::<Vec<_>>());
    let own = |one: &&mut Generation| one.state().steps() && one.has_copies();
    for generation in built.generations.iter_mut().filter(own) {
        generation.fail(
            "the generation whose state it began with has stopped meanwhile; reload to build it again".to_owned(),
        );
    }
}

/// Takes what another reading of a source has admitted and parked in the place of what the first one did.
fn readmit(live: &mut Engine, source: &SourceName, built: &mut Engine) {
    let undecoded = |parked: &Parked| parked.source == *source && parked.generation.is_none();
    if let (Some(intake), Some(read)) = (live.intakes.get_mut(source), built.intakes.remove(source)) {
        intake.readmit(read);
        let _ = live.parked.take(undecoded);
        for parked in built.parked.take(undecoded) {
            if !intake.has_discarded(parked.rejected.message.seq) {
                live.parked.park(parked);
            }
        }
    }
}

/// What was given up of another reading counts as given up only if this one has it parked; else it is among its rows.
fn keep_discarded(live: &mut Engine, source: &SourceName, built: &Engine) {
    let undecoded = built.parked.iter().filter(|parked| parked.source == *source && parked.generation.is_none());
    let parked: BTreeSet<u64> = undecoded.map(|parked| parked.rejected.message.seq).collect();
    if let (Some(intake), Some(read)) = (live.intakes.get_mut(source), built.intakes.get(source)) {
        intake.keep_discarded(read, &parked);
    }
}

/// Stops built generations that read a live one which has stopped meanwhile.
fn fail_readers_of_stopped(live: &Engine, built: &mut Engine) {
    let is_built = |name: &str| built.generations.iter().any(|one| one.projection() == name);
    let live = live.generations.iter().filter(|generation| !generation.state().steps());
    let live = live.map(|generation| generation.projection()).filter(|name| !is_built(name));
    let mut stopped: BTreeSet<String> = live.map(str::to_owned).collect();
    for generation in &mut built.generations {
        let input = generation.definition.upstream.iter().find(|name| stopped.contains(*name)).cloned();
        if let Some(input) = input.filter(|_| generation.state().steps()) {
            generation.fail(format!("its input `{input}` has failed"));
        }
        if !generation.state().steps() {
            stopped.insert(generation.projection().to_owned());
        }
    }
}

/// Marks built generations that read what not all events count in.
fn inherit_since(live: &Engine, built: &mut Engine) {
    for index in 0..built.generations.len() {
        let (before, rest) = built.generations.split_at_mut(index);
        let Some(generation) = rest.first_mut() else { continue };
        for input in generation.definition.upstream.clone() {
            let is_it = |one: &&Generation| one.projection() == input;
            let read = before.iter().find(is_it).or_else(|| live.generations.iter().find(is_it));
            if let Some(read) = read {
                generation.counts_since(read.since());
            }
        }
    }
}

/// Marks built generations that read a live one which is in error: what could be computed of it does not make right rows.
fn hold_readers_of_errors(live: &Engine, built: &mut Engine) {
    let is_built = |name: &str| built.generations.iter().any(|one| one.projection() == name);
    let live = live.generations.iter().filter(|generation| generation.is_in_error());
    let live = live.map(|generation| generation.projection()).filter(|name| !is_built(name));
    let mut in_error: BTreeSet<String> = live.map(str::to_owned).collect();
    for generation in &mut built.generations {
        let input = generation.definition.upstream.iter().find(|name| in_error.contains(*name)).cloned();
        if let Some(input) = input {
            generation.was_built_of(&input);
        }
        if generation.is_in_error() {
            in_error.insert(generation.projection().to_owned());
        }
    }
}
