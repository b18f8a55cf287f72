//! What builds beside a running engine begin with: its cut, and what it has computed there already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::assemble::{AssembleError, IndexRoot, empty_index};
use super::super::commands::Wanted;
use super::super::continuation::check_operator;
use super::super::engine::{Donors, Engine};
use super::super::generation::Generation;
use super::super::intake::{Intake, Reading};
use super::super::runner::now_us;
use super::{Build, Inherited, Keeping, LiveCut};
use crate::circuit::Handles;
use crate::config::{ParkedLimits, Promotion};
use crate::identity::Identity;
use crate::lifecycle::{Actor, GenerationId};
use crate::plan::PlannedProjection;
use crate::progress::{Position, SourceName};
use crate::state::Stores;

/// What builds may begin with, all of one cut.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The rows of the live projections that builds read are among it.
    pub at: LiveCut,
    pub intakes: BTreeMap<SourceName, Intake>,
    /// The numbers of the generations to be.
    pub numbers: BTreeMap<String, u64>,
    pub(in crate::pipeline) donors: Donors,
    /// What the donors keep.
    pub(in crate::pipeline) stores: Stores,
    /// What goes with that.
    pub(super) inherited: BTreeMap<GenerationId, Inherited>,
}

impl Ground {
    /// The ground at an engine's cut, but what the stores of the donors hold.
    pub(in crate::pipeline) fn at(engine: &mut Engine, wanted: &Wanted, donors: Donors) -> Self {
        let numbers = wanted.projections.iter().map(|name| (name.clone(), engine.next_number(name))).collect();
        let others: BTreeSet<&GenerationId> = donors.values().map(|donor| &donor.generation).collect();
        let inherited = others.into_iter().map(|other| (other.clone(), Inherited::of(engine, other))).collect();
        Self {
            at: LiveCut::of(engine, &wanted.inputs),
            intakes: engine.intakes.clone(),
            numbers,
            donors,
            stores: Stores::new(),
            inherited,
        }
    }
}

/// Projections that are built together, because they read each other or a source that is read in another way than before.
#[derive(Debug, Default)]
pub struct Group {
    /// Each after those that it reads.
    pub projections: Vec<PlannedProjection>,
    /// Who wants them.
    pub by: Actor,
    /// Projections whose rows are those of what runs, and only kept in another way: they are made of them.
    pub followers: BTreeSet<String>,
    /// Whether nothing that is there already may be gone on from, because it may be wrong.
    pub afresh: bool,
    /// When it takes the place of what serves.
    pub promotion: Option<Promotion>,
    /// What a reader of today may miss in it, as sentences.
    pub breaking: Vec<String>,
    /// For how long what it replaces is kept.
    pub keep: Duration,
    /// Where the sources begin of which not all messages are to count.
    pub since: BTreeMap<SourceName, Position>,
    /// Sources that are read in another way than before, and how.
    pub sources: BTreeMap<SourceName, Reading>,
}

impl Group {
    /// The operators whose state the group could go on from.
    pub fn operators(&self) -> BTreeSet<Identity> {
        if self.afresh {
            return BTreeSet::new();
        }
        let of = |planned: &PlannedProjection| planned.compiled.circuit.adoptable().unwrap_or_default();
        self.projections.iter().flat_map(of).collect()
    }

    /// The running projections whose rows the group takes: those that it reads and does not build, and those that it follows.
    pub fn inputs(&self) -> BTreeSet<String> {
        let built: BTreeSet<&str> = self.projections.iter().map(|planned| planned.config.name.as_str()).collect();
        let read = self.projections.iter().filter(|planned| !self.follows(planned));
        let read = read.flat_map(|planned| &planned.compiled.upstream);
        let read = read.filter(|name| !built.contains(name.as_str()));
        read.chain(&self.followers).cloned().collect()
    }

    /// Whether events have to be read from the start, if the state of these operators is there.
    pub fn needs_history(&self, there: &BTreeSet<Identity>) -> bool {
        let mut computed = self.projections.iter().filter(|planned| !self.follows(planned));
        !self.sources.is_empty() || computed.any(|planned| planned.compiled.circuit.would_need_events(there))
    }

    fn follows(&self, planned: &PlannedProjection) -> bool {
        self.followers.contains(&planned.config.name)
    }
}

/// The operators of a group that have donors, by projection: what begins the names of their stores.
type Adopted = BTreeMap<String, BTreeMap<Identity, String>>;

impl Build {
    /// Generations of a group, at the cut of the ground if what is there already is enough to go on from there, else at the
    /// start of their sources.
    ///
    /// # Errors
    /// A search index has no place to work in, or a generation cannot be set up.
    pub fn begin(
        group: Group,
        ground: &Ground,
        indexes: &IndexRoot,
        limits: ParkedLimits,
    ) -> Result<Self, AssembleError> {
        let adopted = if group.afresh { Adopted::new() } else { adopted(&group, ground) };
        let there = adopted.values().flat_map(|own| own.keys().copied()).collect();
        let from_start = group.needs_history(&there);
        let mut engine = Engine::new(limits);
        let (mut continued, mut stores, mut restored) = (BTreeMap::new(), ground.stores.clone(), Handles::default());
        for planned in group.projections {
            let name = planned.config.name.clone();
            let failed = |error| AssembleError::Projection { name: name.clone(), error };
            let number = ground.numbers.get(&name).copied().unwrap_or(1);
            let admission = planned.compiled.circuit.admission();
            let index = empty_index(&planned, &indexes.directory(&name, number))?;
            let mut generation = Generation::new(planned, number, index).map_err(failed)?;
            generation.counts_since(&group.since);
            if group.followers.contains(&name) {
                generation.follow_rows();
            } else if let Some(own) = adopted.get(&name).filter(|own| !from_start && !own.is_empty()) {
                generation.adopt_copies(own, &mut stores, &mut restored).map_err(failed)?;
                let mut donors = own.keys().filter_map(|identity| ground.donors.get(identity));
                if let Some(donor) = donors.find(|donor| donor.admission == admission) {
                    let inherited = ground.inherited.get(&donor.generation).cloned().unwrap_or_default();
                    continued.insert(GenerationId::new(name.as_str(), number), inherited);
                }
            }
            engine.generations.push(generation);
        }
        let reads_itself =
            |one: &&Generation| !one.follows_rows() && if from_start { one.needs_events() } else { one.has_events() };
        let read = engine.generations.iter().filter(reads_itself);
        let read: BTreeSet<SourceName> = read.flat_map(|one| one.definition.reads.keys().cloned()).collect();
        for (name, at) in &ground.intakes {
            if let Some(Reading { decoder, identity, text }) = group.sources.get(name) {
                let again = at.begun_again_with(decoder.clone(), *identity).declared_by(text.clone());
                engine.intakes.insert(name.clone(), again);
            } else if read.contains(name) {
                let intake = match group.since.get(name) {
                    Some(since) => at.begun_at(*since),
                    None if from_start => at.begun_again(),
                    None => at.read_on(),
                };
                engine.intakes.insert(name.clone(), intake);
            }
        }
        engine.share();
        engine.commit(Vec::new(), now_us())?;
        engine.commit_read_models();
        let keep = group.keep;
        let mut build = Build::new(engine, group.sources.into_keys().collect());
        build.wanted_by(group.by);
        build.asked = group.afresh;
        if !keep.is_zero() {
            let (projections, changed_sources) =
                (build.projections().map(str::to_owned).collect(), build.changed_sources.clone());
            build.keeps(Keeping { projections, changed_sources, keep });
        }
        if !from_start {
            build.continues(continued);
            build.begins_at(ground.at.clone());
        }
        Ok(build)
    }
}

fn adopted(group: &Group, ground: &Ground) -> Adopted {
    let mut adopted = Adopted::new();
    for planned in &group.projections {
        let circuit = &planned.compiled.circuit;
        let (Ok(operators), Ok(adoptable)) = (circuit.stores(), circuit.adoptable()) else { continue };
        let there = operators.iter().filter(|operator| adoptable.contains(&operator.identity));
        let own = there.filter_map(|operator| {
            let donor = ground.donors.get(&operator.identity)?;
            check_operator(operator, Some(&donor.entry), &ground.stores).ok()?;
            Some((operator.identity, donor.entry.prefix.clone()))
        });
        adopted.insert(planned.config.name.clone(), own.collect());
    }
    adopted
}
