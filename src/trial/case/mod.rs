//! A case: events that are given, what follows from them, and that it follows however they come.
//!
//! All events in one commit are the measure. The same has to be there after each of the other ways, and what the daemon's
//! `verify` recomputes in batch has to be the same too.

mod accepted;
mod captured;
mod difference;
mod observed;
mod recomputed;
mod stand;
mod variation;

use std::collections::{BTreeMap, BTreeSet};

use arrow::error::ArrowError;
use serde::Serialize;

use self::accepted::accepted;
pub use self::captured::{CaptureError, captured};
use self::difference::{differences, faults, unexpected};
use self::observed::{Observed, observe};
use self::stand::Stand;
use self::variation::{Step, Variation, variations};
use super::given::{Arrival, Given};
use crate::checkpoint::{CheckpointError, OpenError, ReadStoresError};
use crate::circuit::CircuitError;
use crate::config::{Case, Config, GivenEvent, LineFormat, Source, SourceKind, Then};
use crate::pipeline::{AssembleError, EngineError};
use crate::plan::{Program, inputs};
use crate::progress::SourceName;
use crate::query::QueryError;
use crate::source::message_of_line;

/// What came of a case.
#[derive(Debug)]
pub struct CaseOutcome {
    /// What is not as the case says.
    pub unexpected: Vec<Finding>,
    /// What no case can say: a projection in error, a source that halts, and what is not the same in every way.
    pub faults: Vec<Finding>,
    /// How many ways there were.
    pub ways: usize,
    /// The text of the case's `then` where this outcome is right.
    pub accepted: String,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What it is about, such as a projection, and in which way the events came if that matters.
    pub about: String,
    pub lines: Vec<String>,
}

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("{what} in line {line}: {hint}")]
    Given { what: String, line: usize, hint: String },
    #[error("`{name}` is no table and no search index of the configuration, so nothing of it is kept")]
    Unknown { name: String },
    #[error("`{name}` is a table; only a search index can be searched")]
    NotSearchable { name: String },
    #[error("there is no declared query `{name}`")]
    NoQuery { name: String },
    #[error("the query `{name}` cannot be answered: {0}", .error.detail)]
    Query { name: String, error: QueryError },
    #[error("the query `{name}` gives more than {most} rows")]
    TooManyRows { name: String, most: usize },
    #[error("`{query}` cannot be searched for in `{name}`: {error}")]
    Search { name: String, query: String, error: String },
    #[error("a folder for search indexes cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error("an operator cannot be made: {0}")]
    Circuit(#[from] CircuitError),
    #[error(transparent)]
    Assemble(#[from] Box<AssembleError>),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the rows cannot be shown: {0}")]
    Rows(#[from] ArrowError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("a checkpoint cannot be made: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("a checkpoint cannot be read back: {0}")]
    ReadBack(#[from] ReadStoresError),
    #[error("`{name}` does not go on after a restart: {reason}")]
    NotRestored { name: String, reason: String },
    #[error("the outcome cannot be written: {0}")]
    Written(#[from] serde_yaml::Error),
}

/// Runs a case over the projections that it looks at, in every way. Call it within a tokio runtime.
///
/// # Errors
/// The case names what is not there, or a rare fault of what runs it.
pub async fn run_case(whole: &Program, config: &Config, case: &Case) -> Result<CaseOutcome, CaseError> {
    let program = looked_at(whole, config, case)?;
    let given = messages(config, case)?;
    let mut variations = variations(&given).into_iter();
    let ways = variations.len();
    let steps = variations.next().map(|first| first.steps).unwrap_or_default();
    let measure = in_one_way(&program, config, case, steps).await?;
    let mut faults = faults(&measure);
    for Variation { name, steps } in variations {
        let observed = in_one_way(&program, config, case, steps).await?;
        faults.extend(differences(&name, &measure, &observed));
    }
    faults.extend(recomputed::differences(&program, config, &given, now_us(case)).await?);
    let accepted = accepted(case, &measure)?;
    Ok(CaseOutcome { unexpected: unexpected(case, &measure), faults, ways, accepted })
}

/// When everything happens.
fn now_us(case: &Case) -> i64 {
    case.clock_us.unwrap_or_default()
}

async fn in_one_way(program: &Program, config: &Config, case: &Case, steps: Vec<Step>) -> Result<Observed, CaseError> {
    let mut stand = Stand::start(program, config, now_us(case)).await?;
    for step in steps {
        match step {
            Step::Commit(arrivals) => stand.commit(&arrivals)?,
            Step::Restart => stand.restart().await?,
        }
    }
    observe(stand.settled(), config, case).await
}

/// The part of the configuration that a case is about: what it names, all that this reads, and the sources of both.
fn looked_at(whole: &Program, config: &Config, case: &Case) -> Result<Program, CaseError> {
    let Then { rows, search, queries, freshness, .. } = &case.then;
    let mut named: BTreeSet<String> = rows.keys().chain(search.keys()).chain(freshness.keys()).cloned().collect();
    for name in &named {
        let planned = whole.projections.iter().find(|planned| planned.config.name == *name);
        if planned.is_none() {
            return Err(CaseError::Unknown { name: name.clone() });
        }
    }
    for name in queries.keys() {
        let query = config.queries.iter().find(|query| query.name == *name);
        let query = query.ok_or_else(|| CaseError::NoQuery { name: name.clone() })?;
        named.extend(inputs(&query.sql).unwrap_or_default());
    }
    let mut program = whole.afresh()?.only(named);
    let given: BTreeSet<&str> = case.given.iter().map(|event| event.source.as_str()).collect();
    let read = program.reads();
    program.sources.retain(|source| {
        let name = source.config.schema.source.as_str();
        given.contains(name) || read.contains(name)
    });
    Ok(program)
}

/// The given events as the messages of their sources, each numbered from 1.
fn messages(config: &Config, case: &Case) -> Result<Vec<Arrival>, CaseError> {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut arrivals = Vec::new();
    for event in &case.given {
        let wrong = |what: String, hint: String| CaseError::Given { what, line: event.line, hint };
        let source = config.sources.iter().find(|source| source.schema.source == event.source);
        let source = source.ok_or_else(|| {
            let names: Vec<&str> = config.sources.iter().map(|source| source.schema.source.as_str()).collect();
            wrong(format!("there is no source `{}`", event.source), format!("there are {}", names.join(", ")))
        })?;
        let sequence = counted.entry(&event.source).or_default();
        *sequence += 1;
        let (line, format) = line_of(event, source)?;
        let message = message_of_line(*sequence, line, format);
        let mut message = message.ok_or_else(|| {
            let hint = format!("each line of `{}` is a payload: give it `data` or `text`", event.source);
            wrong("an event without a payload".to_owned(), hint)
        })?;
        if let (0, Some(clock_us)) = (message.published_at_us, case.clock_us) {
            message.published_at_us = clock_us;
        }
        arrivals.push(Arrival { source: event.source.as_str().into(), message });
    }
    Ok(arrivals)
}

/// An event as a line of its source's own format, or as a message of its stream.
fn line_of<'a>(event: &'a GivenEvent, source: &Source) -> Result<(&'a str, LineFormat), CaseError> {
    match &source.input {
        SourceKind::File { lines: lines @ (LineFormat::Payload | LineFormat::CloudEvents), .. } => {
            match &event.of_message {
                None => Ok((&event.data, *lines)),
                Some(member) => Err(CaseError::Given {
                    what: format!("an event with `{member}`"),
                    line: event.line,
                    hint: format!("each line of `{}` is a payload: write all of it as `data` or `text`", event.source),
                }),
            }
        }
        _ => Ok((&event.message, LineFormat::Message)),
    }
}

/// The messages of each source.
fn by_source(arrivals: &[Arrival]) -> Given {
    let mut given = Given::new();
    for Arrival { source, message } in arrivals {
        given.entry(SourceName::clone(source)).or_default().push(message.clone());
    }
    given
}
