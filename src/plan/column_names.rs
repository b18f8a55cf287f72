//! Columns of one name, as a join has them, get names of their own.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};

/// The plan's columns by name. Of several with one name, all but the first have that of their relation before it: `o_id` for `o.id`.
/// A name that is taken even so stays what it is.
pub(super) fn by_relation(plan: &LogicalPlan) -> Vec<String> {
    distinct(plan, |name, relation, _| relation.map(|relation| format!("{relation}_{name}")))
}

/// The plan with a number behind the name of each column that another one before it has: `id_1`. Readers' answers have names of
/// their own for all columns by that, and change nothing that is written down.
///
/// # Errors
/// If the plan cannot be projected.
pub fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let names = distinct(&plan, |name, _, number| Some(format!("{name}_{number}")));
    if plan.schema().fields().iter().zip(&names).all(|(field, name)| field.name() == name) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().zip(names);
    let columns = columns.map(|(column, name)| match column.name == name {
        true => Expr::Column(column),
        false => Expr::Column(column).alias(name),
    });
    let columns = columns.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// How often another name is tried.
const NUMBERS: std::ops::Range<usize> = 1..1_000;

fn distinct(plan: &LogicalPlan, other: impl Fn(&str, Option<&str>, usize) -> Option<String>) -> Vec<String> {
    let written: Vec<&str> = plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let mut names: Vec<String> = Vec::new();
    for (index, (relation, field)) in plan.schema().iter().enumerate() {
        let name = field.name();
        let is_taken = |name: &String| names.contains(name) || written.contains(&name.as_str());
        let own = if written[..index].contains(&name.as_str()) {
            let relation = relation.map(|relation| relation.table());
            NUMBERS.filter_map(|number| other(name, relation, number)).find(|name| !is_taken(name))
        } else {
            None
        };
        names.push(own.unwrap_or_else(|| name.clone()));
    }
    names
}
