//! Runs a SELECT over given events.

use std::collections::BTreeMap;
use std::io;

use arrow::compute::concat_batches;
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use serde_json::value::RawValue;
use tempfile::TempDir;

use super::given::{Arrival, Given, by_time, fetched};
use super::outcome::{Change, Column, Outcome, ParkedEvent, StateKept};
use super::rows::shown;
use super::tried::THIS_SQL;
use crate::circuit::ZBatch;
use crate::config::Config;
use crate::pipeline::{AssembleError, Deltas, Engine, EngineError, Generation, IndexRoot, fresh};
use crate::plan::{COPY, PlannedProjection, Program};
use crate::progress::SourceName;
use crate::read_model::table::TableSpec;

/// Why nothing came of it. What events cannot be taken, and what fails over them, is a part of the outcome.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("a folder for search indexes cannot be made: {0}")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    Assemble(#[from] Box<AssembleError>),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the rows cannot be shown: {0}")]
    Rows(#[from] ArrowError),
}

/// Computes a program made of a SELECT over the events: all at once, or one by one where its changes are asked for.
///
/// # Errors
/// An operator cannot be set up, or the state of all is undefined.
pub fn attempt(
    program: Program,
    config: &Config,
    given: Given,
    event_by_event: bool,
    now_us: i64,
) -> Result<Outcome, TrialError> {
    let folder = TempDir::new()?;
    let indexes = IndexRoot(folder.path().to_owned());
    let key_proven = program.projections.iter().any(|planned| planned.config.name == THIS_SQL && is_proven(planned));
    let events = given.iter().map(|(source, messages)| (source.clone(), messages.len() as u64)).collect();
    let (mut engine, first) = fresh(program, &indexes, config.parked.clone(), now_us).map_err(Box::new)?;
    let mut sum: Vec<ZBatch> = own(first).into_iter().collect();
    let mut changes = Vec::new();
    let arrivals = by_time(given);
    for together in arrivals.chunks(if event_by_event { 1 } else { config.commit.max_events.max(1) }) {
        let Some(delta) = own(engine.commit(fetched(together), now_us)?) else { continue };
        if event_by_event {
            let arrival = together.iter().map(|Arrival { source, message }| (source.clone(), message.seq));
            changes.extend(arrival.map(|at| change(&engine, at, &delta)).collect::<Result<Vec<_>, _>>()?);
        }
        sum.push(delta);
    }
    changes.retain(|change| !change.is_empty());
    let outcome = outcome(&engine, &sum)?;
    let key_proven = key_proven && !outcome.rows_may_repeat;
    Ok(Outcome { key_proven, events, changes: event_by_event.then_some(changes), ..outcome })
}

/// Whether this is the column that only numbers equal rows.
fn is_copy(field: Option<&FieldRef>) -> bool {
    field.is_some_and(|field| field.name() == COPY)
}

/// The rows as the SELECT gives them.
fn as_selected(rows: &ZBatch, key: &[usize]) -> Result<Vec<Box<RawValue>>, ArrowError> {
    let schema = rows.rows.schema();
    if !is_copy(schema.fields().last()) {
        return shown(rows, key);
    }
    let selected: Vec<usize> = (0..schema.fields().len() - 1).collect();
    shown(&rows.project(&selected)?, &selected)
}

/// Whether no two rows can share the key.
fn is_proven(planned: &PlannedProjection) -> bool {
    let schema = &planned.compiled.schema;
    let is_within = |unique: &Vec<usize>| unique.iter().all(|column| schema.key.contains(column));
    schema.key_proven || planned.compiled.unique.as_ref().is_some_and(is_within)
}

/// What changed of the SELECT itself, if it was computed.
fn own(mut deltas: Deltas) -> Option<ZBatch> {
    deltas.remove(THIS_SQL)
}

fn this_sql(engine: &Engine) -> &Generation {
    let mut generations = engine.generations.iter();
    match generations.find(|generation| generation.projection() == THIS_SQL) {
        Some(generation) => generation,
        None => unreachable!("a program made of a SELECT has it"),
    }
}

fn change(engine: &Engine, at: (SourceName, u64), delta: &ZBatch) -> Result<Change, ArrowError> {
    let TableSpec { schema, key, .. } = &*this_sql(engine).definition.table;
    let delta = delta.with_schema(schema)?.consolidated()?;
    Change::of(at, &delta, |rows| as_selected(rows, key))
}

fn outcome(engine: &Engine, sum: &[ZBatch]) -> Result<Outcome, TrialError> {
    let generation = this_sql(engine);
    let status = generation.status();
    let TableSpec { schema, key, .. } = &*generation.definition.table;
    let rows = match &status.error {
        None => {
            let rows = generation.table().snapshot().scan().collect::<Result<Vec<_>, _>>()?;
            ZBatch::inserts(concat_batches(schema, &rows)?)
        }
        // The table does not have them, so that its author sees what is computed.
        Some(_) => {
            let parts = sum.iter().map(|delta| delta.with_schema(schema)).collect::<Result<Vec<_>, _>>()?;
            ZBatch::concat(schema, &parts)?.consolidated()?
        }
    };
    let halted = engine.intakes.iter().filter(|(_, intake)| intake.progress.is_halted());
    let halted = halted.map(|(name, intake)| {
        let why = intake.progress.message().unwrap_or("it has halted");
        (name.clone(), why.to_owned())
    });
    let rows_may_repeat = is_copy(schema.fields().last());
    let columns = schema.fields().len() - usize::from(rows_may_repeat);
    let dropped_late =
        engine.intakes.iter().map(|(name, intake)| (name.clone(), intake.progress.late_events_dropped()));
    let below = engine.generations.iter().map(|generation| generation.projection().to_owned());
    Ok(Outcome {
        columns: Column::all(&schema.fields()[..columns]),
        key: if rows_may_repeat { Vec::new() } else { status.key },
        key_proven: false,
        rows_may_repeat,
        rows: as_selected(&rows, key)?,
        events: BTreeMap::new(),
        dropped_late: dropped_late.filter(|(_, dropped)| *dropped > 0).collect(),
        parked: engine.parked.in_order().iter().map(|parked| ParkedEvent::of(parked)).collect(),
        state: StateKept { rows: status.rows, bytes: status.state_bytes, operators: status.operators },
        reads: below.filter(|name| name != THIS_SQL).collect(),
        changes: None,
        error: status.error,
        row_errors: status.row_errors,
        halted: halted.collect(),
    })
}
