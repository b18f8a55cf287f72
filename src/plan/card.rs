//! What is known of a projection before anything runs: its promise, its key, what it keeps, and how it can be checked and mended.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::{KeyProof, PlannedProjection, PlannedView, Program, SensitiveColumn, SensitiveField, relations};
use crate::config::{Projection, ProjectionKind, SourceKind};

/// One projection. Only what is known for certain is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    pub name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    file: String,
    /// Relations of sources, and other projections and views.
    reads: Vec<String>,
    /// What keeps it; none for a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    key: Vec<String>,
    key_is_declared: bool,
    /// None where it is checked with every commit instead.
    key_proof: Option<KeyProof>,
    state: Vec<KeptState>,
    state_limit_bytes: u64,
    /// Columns that are computed from sensitive fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sensitive: Vec<Sensitive>,
    verification: Verification,
    rebuild: Rebuild,
}

/// An operator that keeps something.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeptState {
    operator: &'static str,
    grows_with: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_with: Vec<String>,
    /// The source whose watermark closes its windows; none if what it keeps stays.
    closed_by: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sensitive {
    column: String,
    /// Each with its source and event type: `crm.Registered.email`.
    computed_from: Vec<String>,
    /// Whether a mask hides it; else policies hide rows.
    is_masked: bool,
}

/// What a recomputation in batch reads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    /// Whether a share of its keys can be verified by itself.
    by_shares: bool,
    /// Relations of which a share takes all rows, whichever keys it is of.
    reads_whole: Vec<String>,
}

/// What it is built from, and with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rebuild {
    sources: Vec<String>,
    files: Vec<String>,
    projections: Vec<String>,
    /// What reads it, and so is built with it.
    with: Vec<String>,
}

/// The cards of all projections and views, in the order in which a step runs them.
pub fn cards(program: &Program) -> Vec<Card> {
    let kept = program.projections.iter().map(|planned| of_projection(planned, program));
    kept.chain(program.views.iter().map(of_view)).collect()
}

fn of_projection(planned: &PlannedProjection, program: &Program) -> Card {
    let config = &planned.config;
    let compiled = &planned.compiled;
    let schema = &compiled.schema;
    let whole = program.read_whole(planned);
    let state = compiled.circuit.report().into_iter().filter_map(|operator| {
        let (grows_with, shared_with) = (operator.grows_with?, operator.shared_with);
        Some(KeptState { operator: operator.name, grows_with, shared_with, closed_by: operator.closed_by })
    });
    let kept = Kept {
        key: schema.key.iter().map(|&column| schema.schema.field(column).name().clone()).collect(),
        key_is_declared: config.key.is_some(),
        key_proof: compiled.key_proof,
        state: state.collect(),
        state_limit_bytes: config.state_limit,
        sensitive: program
            .sensitive
            .get(&config.name)
            .into_iter()
            .flatten()
            .map(|one| sensitive(one, config))
            .collect(),
        verification: Verification { by_shares: whole.is_some(), reads_whole: whole.unwrap_or_default() },
        rebuild: rebuild(planned, program),
    };
    Card {
        name: config.name.clone(),
        kind: if config.kind == ProjectionKind::Search { "search" } else { "table" },
        owner: config.owner.clone(),
        file: config.node.file.clone(),
        reads: reads(&config.sql),
        kept: Some(kept),
    }
}

fn sensitive(column: &SensitiveColumn, config: &Projection) -> Sensitive {
    let field = |field: &SensitiveField| format!("{}.{}.{}", field.source, field.event_type, field.field);
    Sensitive {
        column: column.column.clone(),
        computed_from: column.fields.iter().map(field).collect(),
        is_masked: config.masks.contains_key(&column.column),
    }
}

fn of_view(view: &PlannedView) -> Card {
    let config = &view.config;
    Card {
        name: config.name.clone(),
        kind: "view",
        owner: config.owner.clone(),
        file: config.node.file.clone(),
        reads: reads(&config.sql),
        kept: None,
    }
}

/// The relations that accepted SQL names, each once: `orders.placed`, `totals`.
pub fn reads(sql: &str) -> Vec<String> {
    let named = relations(sql).unwrap_or_default().into_iter();
    let mut names: Vec<String> =
        named.map(|(source, name)| source.map_or_else(|| name.clone(), |source| format!("{source}.{name}"))).collect();
    names.sort();
    names.dedup();
    names
}

fn rebuild(planned: &PlannedProjection, program: &Program) -> Rebuild {
    let named = relations(&planned.config.sql).unwrap_or_default();
    let reads = |source: &str| named.iter().any(|(of, _)| of.as_deref() == Some(source));
    let (mut sources, mut files) = (Vec::new(), Vec::new());
    for source in program.sources.iter().map(|source| &source.config).filter(|source| reads(&source.schema.source)) {
        match source.input {
            SourceKind::JetStream { .. } => sources.push(source.schema.source.clone()),
            SourceKind::File { .. } => files.push(source.schema.source.clone()),
        }
    }
    let mut with = vec![planned.config.name.clone()];
    // What is read comes before what reads it.
    for other in &program.projections {
        if other.compiled.upstream.iter().any(|name| with.contains(name)) {
            with.push(other.config.name.clone());
        }
    }
    with.remove(0);
    Rebuild { sources, files, projections: planned.compiled.upstream.clone(), with }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner.as_ref().map(|owner| format!(", of {owner}")).unwrap_or_default();
        writeln!(f, "{} ({}, {}{owner})", self.name, self.kind, self.file)?;
        writeln!(f, "  reads    {}", listed(&self.reads))?;
        match &self.kept {
            Some(kept) => write!(f, "{kept}"),
            None => write!(f, "  result   computed for each query from what it reads; keeps nothing"),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  result   each event counts exactly once; equal to its SQL over all events that were admitted")?;
        let key = if self.key.is_empty() { "none: there is one row".to_owned() } else { self.key.join(", ") };
        let origin = if self.key_is_declared { "declared" } else { "taken from the query" };
        let proof = match self.key_proof {
            Some(proof) => proof.to_string(),
            None => {
                "not proven, so it is checked with every commit: two rows of one key fail the projection".to_owned()
            }
        };
        writeln!(f, "  key      {key}; {origin}; {proof}")?;
        for (place, sensitive) in self.sensitive.iter().enumerate() {
            writeln!(f, "  {}    {sensitive}", if place == 0 { "hides" } else { "     " })?;
        }
        writeln!(f, "  state    its rows")?;
        for state in &self.state {
            writeln!(f, "           {state}")?;
        }
        writeln!(f, "  closes   {}", self.closing())?;
        writeln!(f, "  verify   {}", self.verification)?;
        write!(f, "  rebuild  {}", self.rebuild)
    }
}

impl Kept {
    fn closing(&self) -> String {
        let mut closers: Vec<&str> = self.state.iter().filter_map(|state| state.closed_by.as_deref()).collect();
        closers.dedup();
        match closers.as_slice() {
            [] if self.state.is_empty() => "nothing: no state is kept beside its rows".to_owned(),
            [] => "nothing: all of it is kept for good".to_owned(),
            closers => {
                let stays = self.state.iter().any(|state| state.closed_by.is_none());
                let rest = if stays { "; the other state is kept for good" } else { "" };
                format!(
                    "windows, once the watermark of `{}` has passed them; their rows stay{rest}",
                    closers.join("`, `")
                )
            }
        }
    }
}

impl fmt::Display for KeptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keeps state that grows with {}", self.operator, self.grows_with)?;
        match self.shared_with.as_slice() {
            [] => Ok(()),
            others => write!(f, ", shared with {}", listed(others)),
        }
    }
}

impl fmt::Display for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.is_masked { "a mask" } else { "policies" };
        write!(f, "`{}`, which is computed from {}, by {by}", self.column, listed(&self.computed_from))
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.by_shares, self.reads_whole.as_slice()) {
            (false, _) => f.write_str("as a whole: its keys cannot be divided"),
            (true, []) => f.write_str("as a whole or by shares of its keys, each over its own part of what is read"),
            (true, whole) => {
                write!(f, "as a whole or by shares of its keys, each over all of {}", listed(whole))
            }
        }
    }
}

impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut from = Vec::new();
        if !self.sources.is_empty() {
            from.push(format!("what the stream of {} still has", listed(&self.sources)));
        }
        if !self.files.is_empty() {
            from.push(format!("the file of {}", listed(&self.files)));
        }
        if !self.projections.is_empty() {
            from.push(format!("the rows of {}", listed(&self.projections)));
        }
        write!(f, "from {}", from.join(", and "))?;
        match self.with.as_slice() {
            [] => Ok(()),
            with => write!(f, "; together with what reads it: {}", listed(with)),
        }
    }
}

fn listed(names: &[String]) -> String {
    let mut text = String::new();
    for (place, name) in names.iter().enumerate() {
        let _ = write!(text, "{}`{name}`", if place == 0 { "" } else { ", " });
    }
    text
}
