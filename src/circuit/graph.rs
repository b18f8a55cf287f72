//! A circuit: the operators of one projection in topological order, stepped together.
//!
//! A step has two halves. First everything that works on single rows of events, without state: if it fails, the events
//! are bisected until the ones that fail alone are found, and those are rejected. Then everything with state, which
//! sees only rows that passed.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;

use super::closing::Watermarks;
use super::map::Map;
use super::memo::Memo;
use super::report::{Kept, OperatorReport};
use super::stateful::Handle;
use super::unnest::Unnest;
use super::zset::ZBatch;
use crate::event::EventBatch;
use crate::event::Relation;
use crate::state::{StateDelta, StoredSegment};

/// The operators of one projection. The last node is its output.
#[derive(Debug)]
pub struct Circuit {
    nodes: Vec<Node>,
    /// By place: what the names of an operator's stores begin with.
    homes: Vec<String>,
}

/// One operator and where its input comes from.
#[derive(Debug)]
pub struct Node {
    pub operator: Operator,
    /// Earlier nodes.
    pub inputs: Vec<usize>,
    pub schema: SchemaRef,
    /// Whether every row of the output comes from one event alone, by row-wise operators.
    pub row_wise: bool,
}

#[derive(Debug)]
pub enum Operator {
    /// Columns of a source's relation.
    Events {
        source: String,
        relation: Relation,
        schema: SchemaRef,
        columns: Vec<usize>,
    },
    /// Columns of another projection's delta.
    Projection {
        name: String,
        columns: Vec<usize>,
    },
    Map(Map),
    Unnest(Unnest),
    Union,
    Stateful(Handle),
}

/// What one step reads.
#[derive(Debug, Default)]
pub struct StepInput<'a> {
    pub events: Vec<(&'a str, &'a EventBatch)>,
    /// Deltas of other projections in this same step, by name.
    pub deltas: BTreeMap<&'a str, &'a ZBatch>,
    /// Where the sources' watermarks stand after these events.
    pub watermarks: Watermarks<'a>,
    /// What other circuits have made in this same step.
    pub memo: Option<&'a Memo>,
}

/// An error that one event alone is to blame for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributable {
    pub source: String,
    /// The event's place in the batch of that source.
    pub row: usize,
    pub message: String,
}

/// Why a step failed as a whole. The circuit must not be used any further.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CircuitError(#[from] pub DataFusionError);

impl From<arrow::error::ArrowError> for CircuitError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self(error.into())
    }
}

impl Circuit {
    /// `nodes` in topological order: each reads earlier ones only.
    pub fn new(nodes: Vec<Node>) -> Self {
        let homes = (0..nodes.len()).map(|place| home("", place)).collect();
        Self { nodes, homes }
    }

    /// Gives the operators' stores names that begin with this.
    pub fn settle(&mut self, prefix: &str) {
        self.homes = (0..self.nodes.len()).map(|place| home(prefix, place)).collect();
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Takes one step and gives the change of the output, and the events that were rejected.
    pub fn step(&mut self, input: &StepInput<'_>) -> Result<(ZBatch, Vec<Attributable>), CircuitError> {
        let own = Memo::default();
        let memo = input.memo.unwrap_or(&own);
        let mut rejected = Vec::new();
        let mut parts: Vec<Vec<ZBatch>> = self.nodes.iter().map(|_| Vec::new()).collect();
        for (source, batch) in &input.events {
            self.row_wise(source, batch, Run::Whole(memo), &mut parts, &mut rejected)?;
        }
        let mut outputs: Vec<ZBatch> = Vec::with_capacity(self.nodes.len());
        for (node, parts) in self.nodes.iter().zip(parts) {
            let output = if node.row_wise {
                match <[ZBatch; 1]>::try_from(parts) {
                    Ok([only]) => only,
                    Err(parts) => ZBatch::concat(&node.schema, &parts)?,
                }
            } else {
                let inputs: Vec<&ZBatch> = node.inputs.iter().map(|&place| &outputs[place]).collect();
                node.operator.step(&inputs, input, &node.schema)?
            };
            outputs.push(output);
        }
        let output = outputs.pop().ok_or_else(|| DataFusionError::Internal("a circuit without nodes".into()))?;
        Ok((output, rejected))
    }

    /// Evaluates the row-wise nodes over a run of events, halving it when it fails.
    fn row_wise(
        &self,
        source: &str,
        batch: &EventBatch,
        run: Run<'_>,
        parts: &mut [Vec<ZBatch>],
        rejected: &mut Vec<Attributable>,
    ) -> Result<(), CircuitError> {
        match self.row_wise_once(source, batch, run) {
            Ok(outputs) => {
                for (parts, output) in parts.iter_mut().zip(outputs) {
                    parts.extend(output);
                }
            }
            Err(error) if batch.len() == 1 => {
                rejected.push(Attributable {
                    source: source.to_owned(),
                    row: run.offset(),
                    message: error.to_string(),
                });
            }
            Err(error) if batch.is_empty() => return Err(error),
            Err(_) => {
                let (half, start) = (batch.len() / 2, run.offset());
                self.row_wise(source, &batch.slice(0, half), Run::From(start), parts, rejected)?;
                let rest = batch.slice(half, batch.len() - half);
                self.row_wise(source, &rest, Run::From(start + half), parts, rejected)?;
            }
        }
        Ok(())
    }

    /// The outputs of all row-wise nodes; none for the others and for those that do not read this source.
    fn row_wise_once(
        &self,
        source: &str,
        batch: &EventBatch,
        run: Run<'_>,
    ) -> Result<Vec<Option<ZBatch>>, CircuitError> {
        let mut outputs: Vec<Option<ZBatch>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let output = match &node.operator {
                _ if !node.row_wise => None,
                Operator::Events { source: name, .. } if name != source => None,
                Operator::Events { relation, schema, columns, .. } => Some(ZBatch::inserts(match run {
                    Run::Whole(memo) => memo.relation(source, batch, *relation, schema, columns)?,
                    Run::From(_) => batch.relation(*relation, schema, columns)?,
                })),
                operator => {
                    let inputs: Vec<&ZBatch> =
                        node.inputs.iter().filter_map(|&place| outputs[place].as_ref()).collect();
                    if inputs.is_empty() { None } else { Some(operator.pass(&inputs, &node.schema)?) }
                }
            };
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// What changed in the operators' state since the last call, by store name.
    pub fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        let mut deltas = Vec::new();
        for (node, home) in self.nodes.iter().zip(&self.homes) {
            let Operator::Stateful(handle) = &node.operator else { continue };
            let captured = handle.lock().capture()?;
            deltas.extend(captured.into_iter().map(|(store, delta)| (format!("{home}{store}"), delta)));
        }
        Ok(deltas)
    }

    /// Takes over the state that [`Circuit::capture`] gave, as it was read back, and takes it out of `stores`. Only for a
    /// new circuit.
    pub fn restore(&mut self, stores: &mut BTreeMap<String, Vec<StoredSegment>>) -> Result<(), CircuitError> {
        for (node, home) in self.nodes.iter().zip(&self.homes) {
            let Operator::Stateful(handle) = &node.operator else { continue };
            let own = stores.extract_if(home.clone().., |store, _| store.starts_with(home.as_str()));
            let own = own.map(|(store, segments)| (store[home.len()..].to_owned(), segments));
            handle.lock().restore(&own.collect())?;
        }
        Ok(())
    }

    /// Approximate bytes of state in memory.
    pub fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.operator.kept().bytes).sum()
    }

    /// Every operator with what it keeps, in the order in which a step runs them.
    pub fn report(&self) -> Vec<OperatorReport> {
        let operators = self.nodes.iter().map(|node| &node.operator).enumerate();
        let reports = operators.map(|(place, operator)| {
            let Kept { grows_with, rows, bytes, touched } = operator.kept();
            let (rows, bytes) = (rows as u64, bytes as u64);
            OperatorReport { place, name: operator.name(), grows_with, rows, bytes, touched }
        });
        reports.collect()
    }
}

/// Which events of a step are evaluated.
#[derive(Debug, Clone, Copy)]
enum Run<'a> {
    /// All of a source's, which other circuits read too.
    Whole(&'a Memo),
    /// Some, from this place on.
    From(usize),
}

impl Run<'_> {
    fn offset(self) -> usize {
        match self {
            Run::Whole(_) => 0,
            Run::From(offset) => offset,
        }
    }
}

impl Operator {
    /// What the operator is called where a plan is shown to people.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Events { .. } => "events",
            Operator::Projection { .. } => "projection",
            Operator::Map(map) => map.name(),
            Operator::Unnest(_) => "unnest",
            Operator::Union => "union",
            Operator::Stateful(handle) => handle.lock().name(),
        }
    }

    fn kept(&self) -> Kept {
        match self {
            Operator::Stateful(handle) => handle.lock().kept(),
            _ => Kept::default(),
        }
    }

    /// An operator without state.
    fn pass(&self, inputs: &[&ZBatch], schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Map(map), [input]) => Ok(map.apply(input)?),
            (Operator::Unnest(unnest), [input]) => Ok(unnest.apply(input)?),
            (Operator::Union, inputs) => {
                // The inputs' columns are the union's by place; only names and nullability may differ.
                let renamed = inputs.iter().map(|input| input.with_schema(schema)).collect::<Result<Vec<_>, _>>()?;
                Ok(ZBatch::concat(schema, &renamed)?)
            }
            _ => Err(DataFusionError::Internal("an operator with the wrong number of inputs".into()).into()),
        }
    }

    /// Any operator that is not row-wise over events.
    fn step(&self, inputs: &[&ZBatch], step: &StepInput<'_>, schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Projection { name, columns }, []) => match step.deltas.get(name.as_str()) {
                Some(delta) => Ok(delta.project(columns)?),
                None => Ok(ZBatch::empty(schema.clone())),
            },
            (Operator::Map(map), [input]) => Ok(map.apply_row_by_row(input)?),
            (Operator::Stateful(handle), inputs) => handle.lock().step(inputs, &step.watermarks),
            (operator, inputs) => operator.pass(inputs, schema),
        }
    }
}

fn home(prefix: &str, place: usize) -> String {
    format!("{prefix}{place}.")
}
