//! How generations that are replaced are kept: what a checkpoint has of them becomes the beginning of generations of their own,
//! which follow the same events beside the live ones until they are rolled back to, or let go of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::engine::{Engine, ROLLOUTS};
use super::super::generation::Generation;
use super::super::intake::Intake;
use super::{Kept, LiveCut};
use crate::checkpoint::{
    Draft, GenerationEntry, KeptEntry, OperatorEntry, errors_store, held_store, kept_parked_store, store_prefix,
    table_store,
};
use crate::lifecycle::{GenerationId, Parked, Ticket};
use crate::progress::SourceName;

/// What is about to be replaced, and to be kept.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    pub projections: BTreeSet<String>,
    /// Sources whose messages what replaces it reads in another way.
    pub changed_sources: BTreeSet<SourceName>,
    /// For how long.
    pub keep: Duration,
}

impl Keeping {
    /// Until when what is replaced now is kept. Microseconds since the epoch.
    pub(in crate::pipeline) fn until_us(&self, now_us: i64) -> i64 {
        now_us.saturating_add(i64::try_from(self.keep.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Kept {
    /// Makes what a checkpoint is about to have of some generations the beginning of generations of their own. Call it right
    /// after the capture. `ticket` is that of the build which replaces them.
    ///
    /// # Errors
    /// Why they cannot be kept, as a sentence.
    pub(in crate::pipeline) fn of(
        live: &mut Engine,
        keeping: &Keeping,
        ticket: &Ticket,
        draft: &mut Draft,
        now_us: i64,
    ) -> Result<Self, String> {
        let ids = keepable(live, &keeping.projections);
        // Before anything is forked, which nothing would list else.
        let documents = documents_of(live, &ids)?;
        let mut kept = Self { changed_sources: keeping.changed_sources.clone(), ..Self::default() };
        let mut generations: BTreeMap<String, GenerationEntry> = BTreeMap::new();
        // What several generations share they go on sharing.
        let mut renamed: BTreeMap<String, String> = BTreeMap::new();
        for id in &ids {
            let entries = draft.content.generations.get(&*id.projection).into_iter().flatten();
            let Some(entry) = entries.clone().find(|entry| entry.generation == id.number).cloned() else { continue };
            let number = live.next_number(&id.projection);
            generations.insert(id.projection.to_string(), fork(&id.projection, &entry, number, &mut renamed, draft));
        }
        if generations.is_empty() {
            return Err("nothing of it serves".to_owned());
        }
        let of_kept = |one: &&Generation| ids.contains(&one.id);
        let with_events = live.generations.iter().filter(of_kept).filter(|one| one.has_events());
        let read: BTreeSet<SourceName> = with_events.flat_map(|one| one.definition.reads.keys().cloned()).collect();
        let upstream = live.generations.iter().filter(of_kept).flat_map(|one| &one.definition.upstream);
        let inputs: BTreeSet<String> = upstream.filter(|name| !generations.contains_key(*name)).cloned().collect();
        kept.at = LiveCut::of(live, &inputs);
        for name in read.iter().chain(&keeping.changed_sources) {
            kept.intakes.extend(live.intakes.get(name).map(|intake| (name.clone(), intake.read_on())));
        }
        for parked in live.parked.iter() {
            let own = match &parked.generation {
                None => keeping.changed_sources.contains(&parked.source).then_some(None),
                Some(id) => generations
                    .get(&*id.projection)
                    .filter(|_| ids.contains(id))
                    .map(|entry| Some(GenerationId::new(id.projection.clone(), entry.generation))),
            };
            if let Some(generation) = own {
                kept.parked.park(Parked { generation, ..parked.clone() });
            }
        }
        let rollout = live.next_number(ROLLOUTS);
        let captured = kept.parked.capture().map_err(|error| error.to_string())?;
        if let Some(delta) = captured {
            draft.add(kept_parked_store(rollout), delta);
        }
        let sources = kept.intakes.iter().map(|(name, intake)| (name.clone(), intake.entry()));
        let entry = KeptEntry {
            replaced: false,
            pause: None,
            asked: None,
            until_us: keeping.until_us(now_us),
            sources: sources.collect(),
            changed_sources: keeping.changed_sources.clone(),
            generations,
            inputs,
            parked: kept.parked.shape(),
            documents,
            views: draft.content.views.clone(),
        };
        draft.content.kept.insert(rollout, entry.clone());
        live.will_keep(rollout, entry.clone(), ticket.clone());
        (kept.rollout, kept.entry) = (rollout, Some(entry));
        Ok(kept)
    }
}

/// The documents that declare these generations, and all that they read.
fn documents_of(live: &Engine, ids: &BTreeSet<GenerationId>) -> Result<Vec<String>, String> {
    let mut needed: BTreeSet<String> = ids.iter().map(|id| id.projection.to_string()).collect();
    let (mut documents, mut sources) = (Vec::new(), BTreeSet::new());
    // Each generation comes after those that it reads.
    for generation in live.generations.iter().rev() {
        let (name, definition) = (generation.projection(), &generation.definition);
        if needed.remove(name) {
            let text = definition.text.as_deref().ok_or_else(|| format!("nothing tells how `{name}` is declared"))?;
            documents.push(text.to_owned());
            needed.extend(definition.upstream.iter().cloned());
            sources.extend(definition.reads.keys());
        }
    }
    for name in sources {
        let text = live.intakes.get(name).and_then(Intake::text);
        documents.push(text.ok_or_else(|| format!("nothing tells how source `{name}` is declared"))?.to_owned());
    }
    Ok(documents)
}

/// Those of the projections' generations that serve, and that do not read what cannot be kept.
fn keepable(live: &Engine, projections: &BTreeSet<String>) -> BTreeSet<GenerationId> {
    let mut ids = BTreeSet::new();
    let mut left_out: BTreeSet<&str> = BTreeSet::new();
    // Each generation comes after those that it reads.
    for one in live.generations.iter().filter(|one| projections.contains(one.projection())) {
        let reads_left_out = one.definition.upstream.iter().any(|input| left_out.contains(input.as_str()));
        if one.state().steps() && !one.follows_rows() && !reads_left_out {
            ids.insert(one.id.clone());
        } else {
            left_out.insert(one.projection());
        }
    }
    ids
}

/// Lists a generation once more, under a number and with stores of its own, which begin with what those of the first one hold.
fn fork(
    projection: &str,
    entry: &GenerationEntry,
    number: u64,
    renamed: &mut BTreeMap<String, String>,
    draft: &mut Draft,
) -> GenerationEntry {
    draft.forks.insert(table_store(projection, number), table_store(projection, entry.generation));
    if entry.held.is_some() {
        draft.forks.insert(held_store(projection, number), held_store(projection, entry.generation));
        draft.forks.insert(errors_store(projection, number), errors_store(projection, entry.generation));
    }
    let operators = entry.operators.iter().map(|(identity, operator)| {
        let own = || format!("{}{identity}.", store_prefix(projection, number));
        let prefix = renamed.entry(operator.prefix.clone()).or_insert_with(own).clone();
        for store in operator.stores.keys() {
            draft.forks.insert(format!("{prefix}{store}"), format!("{}{store}", operator.prefix));
        }
        (*identity, OperatorEntry { prefix, ..operator.clone() })
    });
    GenerationEntry { generation: number, operators: operators.collect(), ..entry.clone() }
}
