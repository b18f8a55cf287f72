//! What is there after the events of a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use chrono::DateTime;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::outcome::ParkedEvent;
use super::super::rows::shown;
use super::CaseError;
use crate::access::Caller;
use crate::circuit::ZBatch;
use crate::config::{Case, Config, ExpectedAnswer, Sought};
use crate::pipeline::Engine;
use crate::progress::Freshness;
use crate::query::{Limits, NamedRequest, QueryError, QueryService, parse_value};
use crate::read_model::ReadView;
use crate::read_model::catalog::Catalog;
use crate::read_model::search::SearchRequest;
use crate::serve::json::objects;

/// Hits beyond which a search of a case is too wide.
const HITS_MAX: usize = 1_000;

/// Rows beyond which the answer to a declared query is too long for a case.
const ROWS_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The rows of every projection that was computed.
    pub(super) relations: BTreeMap<String, Rows>,
    pub(super) parked: Vec<ParkedEvent>,
    /// By index and what is searched for, in the order of the case: the rows of the hits, by key.
    pub(super) hits: Vec<(String, Sought, Vec<Box<RawValue>>)>,
    /// By declared query and its parameters, in the order of the case: the columns and the rows.
    pub(super) answers: Vec<(String, BTreeMap<String, String>, Answer)>,
    /// The freshness of an answer from each relation of which the case says something.
    pub(super) freshness: BTreeMap<String, Value>,
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

/// What a declared query gives.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) columns: Vec<String>,
    /// Objects; in the order of the query, if it is sorted.
    pub(super) rows: Vec<Box<RawValue>>,
    pub(super) is_sorted: bool,
}

pub(super) async fn observe(engine: &Engine, config: &Config, case: &Case) -> Result<Observed, CaseError> {
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
    let now_us = case.clock_us.unwrap_or_default();
    let view = ReadView::of_daemon(Arc::new(engine.snapshot(now_us)));
    for (name, searches) in &case.then.search {
        for search in searches {
            let hits = hits(&view, name, &search.sought)?;
            observed.hits.push((name.clone(), search.sought.clone(), hits));
        }
    }
    for name in case.then.freshness.keys() {
        let relation = view.open(name).map_err(|_| CaseError::Unknown { name: name.clone() })?;
        let freshness = Freshness::of(&relation.basis(), view.sources(), &BTreeMap::new(), now_us);
        observed.freshness.insert(name.clone(), serde_json::to_value(freshness).unwrap_or_default());
    }
    if !case.then.queries.is_empty() {
        let catalog = Catalog::new(engine.snapshot(now_us));
        observed.answers = answers(catalog, config, case, now_us).await?;
    }
    Ok(observed)
}

/// What the declared queries of a case answer, as a daemon would, at the time of its clock.
async fn answers(
    catalog: Catalog,
    config: &Config,
    case: &Case,
    now_us: i64,
) -> Result<Vec<(String, BTreeMap<String, String>, Answer)>, CaseError> {
    let clock = DateTime::from_timestamp_micros(now_us).unwrap_or_default();
    let service = QueryService::on_a_clock(catalog, Limits::from(&config.limits), config.queries.clone(), clock)?;
    let at = service.now(Caller::Daemon);
    let mut answers = Vec::new();
    for (name, expected) in &case.then.queries {
        let failed = |error| CaseError::Query { name: name.clone(), error };
        let query = service.query(name).map_err(failed)?;
        for ExpectedAnswer { params, .. } in expected {
            if let Some(unknown) = params.keys().find(|param| !query.params.contains_key(*param)) {
                return Err(failed(QueryError::invalid(format!("it has no parameter `{unknown}`"))));
            }
            let given = |param: &str, data_type: &DataType| match params.get(param) {
                Some(text) => parse_value(text, data_type)
                    .map(Some)
                    .map_err(|error| QueryError::invalid(format!("the parameter `{param}`: {error}"))),
                None => Ok(None),
            };
            let request = NamedRequest::new(&query, given, ROWS_MAX, None).map_err(failed)?;
            let page = service.named(&at, query.clone(), request, |page, _| Ok(page)).await.map_err(failed)?;
            if page.next_token.is_some() {
                return Err(CaseError::TooManyRows { name: name.clone(), most: ROWS_MAX });
            }
            let columns = page.rows.schema().fields().iter().map(|field| field.name().clone()).collect();
            let (mut rows, is_sorted) = (objects(&page.rows)?, !query.sort.is_empty());
            if !is_sorted {
                rows.sort_by(|one, other| one.get().cmp(other.get()));
            }
            answers.push((name.clone(), params.clone(), Answer { columns, rows, is_sorted }));
        }
    }
    Ok(answers)
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
