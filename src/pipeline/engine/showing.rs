//! What readers see: everything of one cut, and what status says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::generation::Generation;
use super::Engine;
use crate::checkpoint::DiskBytes;
use crate::lifecycle::GenerationId;
use crate::plan::PlannedView;
use crate::progress::{Cut, Losses, Phase, SourceName, keep_most};
use crate::read_model::catalog::{ColumnStatus, KeptStatus, ProjectionStatus, Relation, RelationData, Snapshot};

impl Engine {
    /// Everything of one cut, for readers.
    pub fn snapshot(&self, now_us: i64) -> Snapshot {
        let cut = self.cut();
        let mut relations: BTreeMap<String, Arc<Relation>> = BTreeMap::new();
        let mut projections = self.announced.clone();
        for generation in self.shown() {
            let name = generation.projection().to_owned();
            let parked = self.parked_below(generation, &relations);
            let relation = generation.relation(parked, lost_below(generation, &relations));
            relations.extend(relation.map(|relation| (name.clone(), Arc::new(relation))));
            let build = self.announced.get(&name).and_then(|status| status.build.clone());
            let kept = self.kept_shown.get(&name).cloned();
            let kept = kept.map(|kept| KeptStatus { disk_bytes: self.on_disk.of(&name, kept.generation), ..kept });
            let disk_bytes = self.disk_bytes(&generation.id);
            projections.insert(name, ProjectionStatus { build, kept, disk_bytes, ..generation.status() });
        }
        for view in &self.views {
            let relation = Relation {
                data: RelationData::view(view.config.sql.as_str()),
                reads: view.schema.reads.clone(),
                cut: cut.clone(),
                live_at_us: now_us,
                phase: Phase::Serving,
                reason: None,
                parked: BTreeMap::new(),
                lost: BTreeMap::new(),
                since: BTreeMap::new(),
            };
            relations.insert(view.config.name.clone(), Arc::new(relation));
        }
        projections.extend(self.views.iter().map(|view| (view.config.name.clone(), view_status(view, &cut))));
        let sources = self.intakes.iter().map(|(name, intake)| (name.clone(), intake.progress.clone())).collect();
        let schemas = self.intakes.iter().map(|(name, intake)| (name.clone(), intake.schema().clone())).collect();
        Snapshot::new(cut, relations, sources, projections)
            .with_schemas(schemas)
            .with_parked(self.parked_shown.clone())
            .with_ledger(self.ledger.steps())
    }

    /// Takes account of what each generation occupies in the last checkpoint.
    pub fn is_on_disk(&mut self, bytes: Arc<DiskBytes>) {
        self.on_disk = bytes;
    }

    /// What a generation occupies in the last checkpoint; none if that does not have it.
    pub(in crate::pipeline) fn disk_bytes(&self, id: &GenerationId) -> Option<u64> {
        self.on_disk.of(&id.projection, id.number)
    }

    /// The generation of each projection that readers see: of several the one in the best phase, and of those the newest.
    pub(in crate::pipeline) fn shown(&self) -> impl Iterator<Item = &Generation> {
        let mut best: BTreeMap<&str, &Generation> = BTreeMap::new();
        let rank = |generation: &Generation| (generation.phase(), std::cmp::Reverse(generation.id.number));
        for generation in &self.generations {
            let shown = best.entry(generation.projection()).or_insert(generation);
            if rank(generation) < rank(shown) {
                *shown = generation;
            }
        }
        // In the order of a step, so that what a relation reads comes first.
        self.generations.iter().filter(move |one| best.get(one.projection()).is_some_and(|shown| shown.id == one.id))
    }

    /// Events that a generation, or one below it, could not take.
    fn parked_below(
        &self,
        generation: &Generation,
        relations: &BTreeMap<String, Arc<Relation>>,
    ) -> BTreeMap<SourceName, BTreeMap<String, u64>> {
        let mut parked: BTreeMap<SourceName, BTreeMap<String, u64>> = BTreeMap::new();
        for source in generation.definition.reads.keys() {
            let own = self.parked.counts(source, Some(&generation.id));
            let below =
                generation.definition.upstream.iter().filter_map(|name| relations.get(name)?.parked.get(source));
            for (event_type, count) in below.flatten().map(|(name, count)| (name.clone(), *count)).chain(own) {
                *parked.entry(source.clone()).or_default().entry(event_type).or_default() += count;
            }
        }
        parked
    }
}

/// Messages that had vanished when a generation, or one below it, was built: of several, the most.
fn lost_below(generation: &Generation, relations: &BTreeMap<String, Arc<Relation>>) -> BTreeMap<SourceName, Losses> {
    let mut lost = generation.lost().clone();
    for below in generation.definition.upstream.iter().filter_map(|name| relations.get(name)) {
        below.lost.iter().for_each(|(source, other)| keep_most(&mut lost, source, other));
    }
    lost
}

fn view_status(view: &PlannedView, cut: &Cut) -> ProjectionStatus {
    ProjectionStatus {
        name: view.config.name.clone(),
        kind: "view",
        owner: view.config.owner.clone(),
        sql: Some(view.config.sql.as_str().into()),
        reads: view.upstream.clone().into(),
        slo: view.config.slo,
        generation: 1,
        state: Phase::Serving,
        rows: 0,
        state_bytes: 0,
        disk_bytes: None,
        state_limit: 0,
        operators: Vec::new(),
        columns: ColumnStatus::all(&view.schema.schema),
        key: Vec::new(),
        error: None,
        rows_in_error: 0,
        row_errors: Vec::new(),
        positions: cut.positions.clone(),
        since: BTreeMap::new(),
        build: None,
        kept: None,
        withheld: false,
    }
}
