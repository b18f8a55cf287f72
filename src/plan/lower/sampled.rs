//! Every expression is computed once over a row of typed samples, before it is accepted.
//!
//! DataFusion plans some expressions that it cannot compute of any row, or that give another type than they say. Each event
//! would be parked for one of them. What depends on values, such as a division by zero, is no reason to refuse.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;

use crate::circuit::{Map, Node, Operator};
use crate::plan::Refusal;

/// # Errors
/// The first expression that cannot be computed.
pub(super) fn check_expressions(nodes: &[Node]) -> Result<(), Refusal> {
    for node in nodes {
        let (Operator::Map(map), [input]) = (&node.operator, node.inputs.as_slice()) else { continue };
        check_map(map, &nodes[*input].schema)?;
    }
    Ok(())
}

fn check_map(map: &Map, input: &SchemaRef) -> Result<(), Refusal> {
    let Ok(sample) = sample(input) else { return Ok(()) };
    if let Some(filter) = &map.filter {
        check(filter.as_ref(), &sample, &DataType::Boolean)?;
    }
    for (column, field) in map.columns.iter().flatten().zip(map.schema.fields()) {
        check(column.as_ref(), &sample, field.data_type())?;
    }
    Ok(())
}

fn check(expression: &dyn PhysicalExpr, sample: &RecordBatch, data_type: &DataType) -> Result<(), Refusal> {
    match expression.evaluate(sample).and_then(|value| value.into_array(1)) {
        Ok(value) if value.data_type() == data_type => Ok(()),
        Ok(value) => Err(Refusal::new(format!(
            "`{expression}` gives {} where it is planned to give {data_type}",
            value.data_type()
        ))
        .hint("cast it to the type that is meant")),
        Err(error) if is_of_types(&error) => {
            let error = error.strip_backtrace();
            Err(Refusal::new(format!("`{expression}` cannot be computed of any row: {error}"))
                .hint("cast its arguments to types that the function or operator takes"))
        }
        Err(_) => Ok(()),
    }
}

/// Whether an error follows from the types, whatever the values are.
fn is_of_types(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) | DataFusionError::Plan(_) => true,
        DataFusionError::ArrowError(error, _) => {
            matches!(**error, ArrowError::NotYetImplemented(_) | ArrowError::SchemaError(_))
        }
        _ => false,
    }
}

/// One row without NULLs, but for maps.
fn sample(schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let columns = schema.fields().iter().map(|field| match has_map(field.data_type()) {
        true => Ok(new_null_array(field.data_type(), 1)),
        false => ScalarValue::new_default(field.data_type())?.to_array(),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Whether there is a map in the type: DataFusion has no value of it by default.
fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(_, _) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_map(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        _ => false,
    }
}
