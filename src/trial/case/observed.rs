//! What is there after the events of a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::concat_batches;
use serde_json::value::RawValue;

use super::super::outcome::ParkedEvent;
use super::super::rows::shown;
use super::CaseError;
use crate::circuit::ZBatch;
use crate::config::{Case, Sought};
use crate::pipeline::Engine;
use crate::read_model::search::SearchRequest;
use crate::read_model::{Caller, ReadView};
use crate::serve::json::objects;

/// Hits beyond which a search of a case is too wide.
const HITS_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The rows of every projection that was computed.
    pub(super) relations: BTreeMap<String, Rows>,
    pub(super) parked: Vec<ParkedEvent>,
    /// By index and what is searched for, in the order of the case: the rows of the hits, by key.
    pub(super) hits: Vec<(String, Sought, Vec<Box<RawValue>>)>,
    /// Why a source was not read to its end.
    pub(super) halted: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) key: Vec<String>,
    /// Objects, by key.
    pub(super) rows: Vec<Box<RawValue>>,
    /// Why they are those of an earlier cut.
    pub(super) error: Option<String>,
}

pub(super) fn observe(engine: &Engine, case: &Case) -> Result<Observed, CaseError> {
    let mut observed = Observed::default();
    for generation in &engine.generations {
        let spec = &generation.definition.table;
        let name = |column: &usize| spec.schema.field(*column).name().clone();
        let rows = generation.table().snapshot().scan().collect::<Result<Vec<_>, _>>()?;
        let rows = Rows {
            columns: (0..spec.schema.fields().len()).map(|column| name(&column)).collect(),
            key: spec.key.iter().map(name).collect(),
            rows: shown(&ZBatch::inserts(concat_batches(&spec.schema, &rows)?), &spec.key)?,
            error: generation.status().error,
        };
        observed.relations.insert(generation.projection().to_owned(), rows);
    }
    observed.parked = engine.parked.in_order().iter().map(|parked| ParkedEvent::of(parked)).collect();
    let halted = engine.intakes.iter().filter(|(_, intake)| intake.progress.is_halted());
    observed.halted = halted
        .map(|(name, intake)| (name.to_string(), intake.progress.message().unwrap_or("it has halted").to_owned()))
        .collect();
    let view = ReadView::new(Arc::new(engine.snapshot(case.clock_us.unwrap_or_default())), Caller::Anonymous);
    for (name, searches) in &case.then.search {
        for search in searches {
            let hits = hits(&view, name, &search.sought)?;
            observed.hits.push((name.clone(), search.sought.clone(), hits));
        }
    }
    Ok(observed)
}

fn hits(view: &ReadView, name: &str, sought: &Sought) -> Result<Vec<Box<RawValue>>, CaseError> {
    let failed = |error: String| CaseError::Search { name: name.to_owned(), query: sought.text().to_owned(), error };
    let relation = view.open(name).map_err(|error| failed(error.to_string()))?;
    let index = relation.index().ok_or_else(|| CaseError::NotSearchable { name: name.to_owned() })?;
    let request = match sought.clone() {
        Sought::Query(query) => SearchRequest { query, ..SearchRequest::default() },
        Sought::Text(text) => SearchRequest { text: Some(text), ..SearchRequest::default() },
    };
    let request = SearchRequest { limit: HITS_MAX, ..request };
    let answer = index.search(&request).map_err(|error| failed(error.to_string()))?;
    if answer.total > HITS_MAX {
        return Err(failed(format!("it finds {} rows, and a case takes {HITS_MAX} at the most", answer.total)));
    }
    // A case says what is found, in no particular order.
    let mut rows = objects(&answer.rows)?;
    rows.sort_by(|one, other| one.get().cmp(other.get()));
    Ok(rows)
}
