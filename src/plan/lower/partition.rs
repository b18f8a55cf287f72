//! LIMIT and window functions: over the first rows of an order, or by recomputing the partitions that changed.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{self as logical, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};

use super::closing::{closing, specify_closing};
use super::expressions::{arrow, physical};
use super::ranking::options;
use super::{Specified, specification};
use crate::circuit::{PartitionOutput, PartitionSpec, Rerun};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;
use crate::plan::scope::Scope;

/// The first rows of an order, over all of the input. The rewriting has made the order total.
pub(super) fn lower_slice(
    order: &[Sort],
    skip: usize,
    fetch: usize,
    input: &DFSchema,
) -> Result<Specified<PartitionSpec>, Refusal> {
    let specification = specification::order(Specification::of("slice/1"), order, input)?.index(skip).index(fetch);
    let exprs: Vec<Expr> = order.iter().map(|sort| sort.expr.clone()).collect();
    let operator = PartitionSpec {
        keys: Vec::new(),
        key_types: Vec::new(),
        order: physical(&exprs, input)?.into_iter().zip(order.iter().map(options)).collect(),
        input: arrow(input),
        schema: arrow(input),
        closing: None,
        outcome: PartitionOutput::Slice { skip, fetch },
    };
    Ok(Specified { operator, specification })
}

/// The number in a LIMIT or OFFSET.
pub(super) fn constant(expr: Option<&Expr>) -> Result<Option<usize>, Refusal> {
    match expr {
        None => Ok(None),
        Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) if *number >= 0 => Ok(Some(*number as usize)),
        Some(other) => Err(Refusal::new(Code::NotKept, format!("LIMIT and OFFSET take a number, not `{other}`"))),
    }
}

/// Window functions, by the expressions that all of them partition by.
pub(super) fn lower_window(
    window: &logical::Window,
    state: SessionState,
    scope: &Scope,
) -> Result<Specified<PartitionSpec>, Refusal> {
    let input = window.input.schema();
    let keys = common_partition(&window.window_expr)?;
    let key_types = keys.iter().map(|key| key.get_type(input)).collect::<Result<Vec<_>, _>>()?;
    let rows = numbered(input);
    let table = provider_as_source(Arc::new(EmptyTable::new(rows.clone())));
    let scan = LogicalPlanBuilder::scan(TableReference::bare("__rows"), table, None)?.build()?;
    let exprs = window.window_expr.iter().map(|expr| by_number(expr, input)).collect::<Result<Vec<_>, _>>()?;
    let columns = scan.schema().columns().into_iter().map(|column| Expr::Column(column.clone()).alias(column.name));
    let unqualified = LogicalPlanBuilder::from(scan.clone()).project(columns)?.build()?;
    let plan = LogicalPlan::Window(logical::Window::try_new(exprs, Arc::new(unqualified))?);
    let closing = closing(&keys, &window.input, scope);
    let specification = specification::expressions(Specification::of("window/1"), &keys, input)?;
    let specification = specification::expressions(specification, &window.window_expr, input)?;
    let specification = specify_closing(specification, closing.as_ref());
    let operator = PartitionSpec {
        keys: physical(&keys, input)?,
        key_types,
        order: Vec::new(),
        input: rows,
        schema: arrow(&window.schema),
        closing,
        outcome: PartitionOutput::Recompute(Box::new(Rerun { plan, state })),
    };
    Ok(Specified { operator, specification })
}

/// The columns under names of their own: below a join several may have one name.
fn numbered(schema: &DFSchema) -> SchemaRef {
    let fields = schema.fields().iter().enumerate();
    let fields = fields.map(|(index, field)| field.as_ref().clone().with_name(number(index)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The same expression over the numbered columns.
fn by_number(expr: &Expr, schema: &DFSchema) -> Result<Expr, Refusal> {
    let numbered = expr.clone().transform(|expr| match expr {
        Expr::Column(column) => {
            let index = schema.index_of_column(&column)?;
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(number(index)))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(numbered.data)
}

fn number(index: usize) -> String {
    format!("c{index}")
}

/// The expressions by which every one of the functions partitions.
fn common_partition(exprs: &[Expr]) -> Result<Vec<Expr>, Refusal> {
    let mut common: Option<Vec<Expr>> = None;
    for expr in exprs {
        let Expr::WindowFunction(function) = expr.clone().unalias() else {
            return Err(Refusal::new(Code::NotKept, format!("`{expr}` is not a window function")));
        };
        let partition = function.params.partition_by;
        common = Some(match common {
            None => partition,
            Some(common) => common.into_iter().filter(|key| partition.contains(key)).collect(),
        });
    }
    Ok(common.unwrap_or_default())
}
