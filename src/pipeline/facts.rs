//! What runs, as facts by which it can be compared with what is declared: by the daemon itself at a reload, and by whoever
//! plans one elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::engine::Engine;
use super::generation::{Definition, Generation};
use crate::checkpoint::{GenerationEntry, Manifest};
use crate::circuit::Circuit;
use crate::event::AdmittedCounts;
use crate::identity::Identity;
use crate::lifecycle::RolledBack;
use crate::plan::PlannedView;
use crate::progress::{Phase, Position, SourceName};

/// What runs, or what a checkpoint goes on from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Whether a start takes what is declared: who has put other files in place while nothing ran has decided.
    #[serde(skip)]
    pub is_start: bool,
    /// What was declared before and does not serve yet.
    #[serde(default)]
    pub awaited: BTreeMap<String, Identity>,
    /// What is declared and was rolled back from.
    #[serde(default)]
    pub rolled_back: RolledBack,
    pub sources: BTreeMap<SourceName, SourceFacts>,
    /// Tables and search indexes, as readers see them.
    pub projections: BTreeMap<String, ProjectionFacts>,
    /// None where that is not known.
    #[serde(default)]
    pub views: Option<BTreeMap<String, ViewFacts>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewFacts {
    pub sql: String,
    /// Names and types; none where that is not known.
    pub columns: Option<Vec<(String, String)>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFacts {
    /// Of how all its messages were read so far; none if that is not known.
    pub identity: Option<Identity>,
    pub position: Position,
    /// The first sequence that the stream had when it was first opened.
    pub began: Position,
    /// Admitted events by type and stored version.
    #[serde(default)]
    pub admitted: AdmittedCounts,
    /// The document that declares how it is read.
    #[serde(default)]
    pub definition: Option<String>,
    /// Why it takes nothing more, if it has halted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionFacts {
    pub generation: u64,
    /// Of everything that decides its rows; none of rows that an older build computed.
    pub rows: Option<Identity>,
    /// Of how its rows are kept: key, indexes, search fields. A checkpoint does not say it, since a start needs nothing built for it.
    pub layout: Option<String>,
    /// Names and types.
    pub columns: Vec<(String, String)>,
    pub key: Vec<String>,
    /// The operators from whose state others can go on.
    pub operators: BTreeSet<Identity>,
    /// The first sequence that counts, of sources of which not all do.
    #[serde(default)]
    pub since: BTreeMap<SourceName, Position>,
    /// Whether it takes every commit.
    pub steps: bool,
    /// Whether a person has stopped it.
    #[serde(default)]
    pub is_paused: bool,
    /// Whether its rows and its state are right, so that others may go on from them.
    pub is_right: bool,
    /// Whether readers see rows of it that are right, whatever cut they are of.
    #[serde(default)]
    pub shows_rows: bool,
    pub owner: Option<String>,
    pub state_limit: Option<u64>,
    pub live_rows: u64,
    /// In memory; unknown of what does not run.
    pub state_bytes: Option<u64>,
    /// In the last checkpoint, with what it has together with others; unknown before there is one.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
    /// Sequences a second, when it was built last.
    pub build_rate: Option<f64>,
}

/// How a declaration differs from what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// In words; none if only the values of its rows may be others.
    pub reasons: Vec<String>,
    /// What a reader of today may miss, among them: columns that are dropped or have another type, another key.
    pub breaking: Vec<String>,
    /// Whether the rows stay the same, and only how they are kept is another.
    pub is_layout_only: bool,
}

impl Definition {
    /// The facts of a generation of this definition, of which nothing runs yet.
    pub fn facts(&self) -> ProjectionFacts {
        let table = &self.table;
        let columns = table.schema.fields().iter();
        let layout = format!(
            "{:?}",
            (
                &table.key,
                table.key_proven,
                &table.indexes,
                self.search.as_ref().map(|search| (&search.fields, &search.synonyms, &search.stop_words))
            )
        );
        ProjectionFacts {
            rows: self.rows,
            layout: Some(format!("{:016x}", xxh3_64(layout.as_bytes()))),
            columns: columns.map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
            key: table.key.iter().map(|&index| table.schema.field(index).name().clone()).collect(),
            owner: self.owner.clone(),
            state_limit: Some(self.state_limit),
            ..ProjectionFacts::default()
        }
    }
}

impl ViewFacts {
    pub fn of(view: &PlannedView) -> Self {
        let fields = view.schema.schema.fields().iter();
        let columns = fields.map(|field| (field.name().clone(), field.data_type().to_string())).collect();
        Self { sql: view.config.sql.clone(), columns: Some(columns) }
    }
}

/// Columns that are there no more or have another type, as sentences: who reads them today misses them.
pub fn missed(before: &[(String, String)], now: &[(String, String)]) -> Vec<String> {
    let retyped = before.iter().filter_map(|(name, data_type)| {
        let (_, other) = now.iter().find(|(other, _)| other == name)?;
        (other != data_type).then(|| format!("column `{name}` becomes {other}, and was {data_type}"))
    });
    let mut missed: Vec<String> = retyped.collect();
    let dropped = only_in(before, now);
    if !dropped.is_empty() {
        missed.push(format!("without {}", dropped.join(", ")));
    }
    missed
}

/// The names of columns that the others lack, quoted.
fn only_in(columns: &[(String, String)], others: &[(String, String)]) -> Vec<String> {
    let own = columns.iter().filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
    own.map(|(name, _)| format!("`{name}`")).collect()
}

impl ProjectionFacts {
    fn of(generation: &Generation) -> Self {
        let donates = generation.may_donate();
        let operators = generation.computes().filter(|_| generation.lends_state()).map(Circuit::operators);
        Self {
            generation: generation.id.number,
            operators: operators.unwrap_or_default(),
            since: generation.since().clone(),
            steps: generation.state().steps(),
            is_paused: generation.phase() == Phase::Paused,
            is_right: donates,
            shows_rows: generation.has_right_rows(),
            live_rows: generation.table().num_rows() as u64,
            state_bytes: Some(generation.status().state_bytes),
            build_rate: generation.build_rate,
            ..generation.definition.facts()
        }
    }

    /// Whether what is declared is this, but for what can be changed while it runs.
    pub fn is_kept_as(&self, declared: &ProjectionFacts) -> bool {
        let has_layout = self.layout.is_none() || self.layout == declared.layout;
        self.rows.is_some() && self.rows == declared.rows && has_layout
    }

    /// Whether what is declared has the same rows, kept in another way, so that it can be made of them.
    pub fn has_rows_for(&self, declared: &ProjectionFacts) -> bool {
        self.is_right && self.rows.is_some() && self.rows == declared.rows
    }

    /// Whether what can be changed while it runs is another.
    pub fn differs_in_settings(&self, declared: &ProjectionFacts) -> bool {
        // A checkpoint says neither.
        self.state_limit.is_some() && (self.owner != declared.owner || self.state_limit != declared.state_limit)
    }

    /// How what is declared differs.
    pub fn difference(&self, declared: &ProjectionFacts) -> Difference {
        let mut breaking = missed(&self.columns, &declared.columns);
        let added = only_in(&declared.columns, &self.columns);
        let has_other_key = self.key != declared.key && !self.key.is_empty();
        if has_other_key {
            breaking.push(format!("its key becomes ({})", declared.key.join(", ")));
        }
        let mut reasons = breaking.clone();
        if !added.is_empty() {
            reasons.push(format!("new columns {}", added.join(", ")));
        }
        let is_layout_only = self.rows == declared.rows;
        if is_layout_only && reasons.is_empty() {
            reasons.push("other indexes or search fields over the same rows".to_owned());
        }
        Difference { reasons, breaking, is_layout_only }
    }
}

impl Facts {
    pub(super) fn of(engine: &Engine) -> Self {
        let sources = engine.intakes.iter().map(|(name, intake)| {
            let progress = &intake.progress;
            let facts = SourceFacts {
                identity: intake.recorded(),
                position: progress.covered(),
                began: progress.began(),
                admitted: intake.admitted().clone(),
                definition: intake.text().map(str::to_owned),
                halted: progress.is_halted().then(|| progress.message().unwrap_or("it has halted").to_owned()),
            };
            (name.clone(), facts)
        });
        let projections = engine.shown().map(|one| {
            let disk_bytes = engine.disk_bytes(&one.id);
            (one.projection().to_owned(), ProjectionFacts { disk_bytes, ..ProjectionFacts::of(one) })
        });
        let views = engine.views.iter().map(|view| (view.config.name.clone(), ViewFacts::of(view)));
        let views = Some(views.collect());
        let (rolled_back, awaited) = (engine.rolled_back().clone(), engine.awaited_rows.clone());
        let (sources, projections) = (sources.collect(), projections.collect());
        Self { is_start: false, awaited, rolled_back, sources, projections, views }
    }

    /// What a start would go on from.
    pub fn of_checkpoint(manifest: &Manifest) -> Self {
        let (content, on_disk) = (&manifest.content, manifest.disk_bytes());
        let sources = content.sources.iter().map(|(name, entry)| {
            let facts = SourceFacts {
                identity: entry.admission,
                position: entry.covered,
                began: entry.began,
                admitted: entry.admitted.clone(),
                definition: entry.definition.clone(),
                // It is looked at again at the start.
                halted: None,
            };
            (name.clone(), facts)
        });
        let projections = content.generations.iter().filter_map(|(name, entries)| {
            let entry = entries.iter().min_by_key(|entry| (entry.state, std::cmp::Reverse(entry.generation)))?;
            let disk_bytes = on_disk.of(name, entry.generation);
            Some((name.clone(), ProjectionFacts { disk_bytes, ..of_entry(entry) }))
        });
        let (rolled_back, awaited) = (content.rolled_back.clone(), content.awaited.clone());
        let (sources, projections) = (sources.collect(), projections.collect());
        Self { is_start: true, awaited, rolled_back, sources, projections, views: None }
    }

    /// The operators from whose state others can go on.
    pub fn operators(&self) -> BTreeSet<Identity> {
        self.projections.values().flat_map(|projection| projection.operators.iter().copied()).collect()
    }
}

fn of_entry(entry: &GenerationEntry) -> ProjectionFacts {
    let schema = entry.table.as_ref().map(|table| &table.schema);
    let fields = schema.map(|schema| schema.fields().clone()).unwrap_or_default();
    let is_right = entry.state == Phase::Serving && entry.held.is_none();
    ProjectionFacts {
        generation: entry.generation,
        rows: entry.rows,
        layout: None,
        columns: fields.iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
        key: entry.key.iter().filter_map(|&index| Some(fields.get(index)?.name().clone())).collect(),
        since: entry.since.clone(),
        operators: if is_right && entry.since.is_empty() {
            entry.operators.keys().copied().collect()
        } else {
            BTreeSet::new()
        },
        steps: entry.state == Phase::Serving,
        is_paused: entry.state == Phase::Paused,
        is_right,
        shows_rows: entry.table.is_some(),
        owner: None,
        state_limit: None,
        live_rows: entry.table.as_ref().map_or(0, |table| table.rows),
        state_bytes: None,
        disk_bytes: None,
        build_rate: None,
    }
}
