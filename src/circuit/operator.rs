//! What a node does with its inputs, by the kind of its operator.

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;

use super::error::CircuitError;
use super::graph::StepInput;
use super::map::Map;
use super::report::Kept;
use super::row_errors::FoundErrors;
use super::stateful::Handle;
use super::unnest::Unnest;
use super::zset::ZBatch;
use crate::event::SourceRelation;

/// The operator of a node.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Columns of a source's relation.
    Events {
        source: String,
        relation: SourceRelation,
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

    pub(super) fn kept(&self) -> Kept {
        match self {
            Operator::Stateful(handle) => handle.lock().kept(),
            _ => Kept::default(),
        }
    }

    /// The source whose watermark closes what it keeps.
    pub(super) fn closed_by(&self) -> Option<String> {
        match self {
            Operator::Stateful(handle) => handle.lock().closed_by().map(str::to_owned),
            _ => None,
        }
    }

    /// An operator without state.
    pub(super) fn pass(&self, inputs: &[&ZBatch], schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Map(map), [input]) => Ok(map.apply(input)?),
            (Operator::Unnest(unnest), [input]) => Ok(unnest.apply(input)?),
            (Operator::Union, inputs) => {
                // The inputs' columns are the union's by index; only names and nullability may differ.
                let renamed = inputs.iter().map(|input| input.with_schema(schema)).collect::<Result<Vec<_>, _>>()?;
                Ok(ZBatch::concat(schema, &renamed)?)
            }
            _ => Err(DataFusionError::Internal("an operator with the wrong number of inputs".into()).into()),
        }
    }

    /// Any operator that is not row-wise over events. What cannot be computed of single rows is among `errors`.
    pub(super) fn step(
        &self,
        inputs: &[&ZBatch],
        step: &StepInput<'_>,
        schema: &SchemaRef,
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Projection { name, columns }, []) => match step.deltas.get(name.as_str()) {
                Some(delta) => Ok(delta.project(columns)?),
                None => Ok(ZBatch::empty(schema.clone())),
            },
            (Operator::Map(map), [input]) => map.apply_row_by_row(input, errors),
            (Operator::Stateful(handle), inputs) => handle.lock().step(inputs, &step.watermarks, errors),
            (operator, inputs) => operator.pass(inputs, schema),
        }
    }
}
