//! Which operators are closed by a watermark: those with a key that follows the event time of one source, where late
//! events are dropped.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::circuit::ClosingSpec;
use crate::identity::Specification;
use crate::plan::Scope;
use crate::plan::facts::monotone::of_event_time;

/// How the first such key among `keys`, which are over the rows of `input`, closes groups of it.
pub(super) fn closing(keys: &[Expr], input: &LogicalPlan, scope: &Scope) -> Option<ClosingSpec> {
    keys.iter().enumerate().find_map(|(key, expr)| {
        let (source, of_time) = of_event_time(expr, input, scope)?;
        Some(ClosingSpec { source, key, key_at: physical(&of_time)? })
    })
}

/// Adds by which key a watermark closes groups. How the key follows the event time shows in the key itself.
pub(super) fn specify_closing(specification: Specification, closing: Option<&ClosingSpec>) -> Specification {
    specification
        .option(closing, |specification, ClosingSpec { source, key, .. }| specification.text(source).index(*key))
}

fn physical(of_time: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(ClosingSpec::time_schema()).ok()?;
    let bare = of_time.clone().transform(|expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    create_physical_expr(&bare.ok()?.data, &schema, &ExecutionProps::new(), &Default::default()).ok()
}
