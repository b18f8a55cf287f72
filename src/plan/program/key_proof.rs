//! Which part of a query proves that no two of its rows share a key, for its author.

use std::fmt;

use datafusion::logical_expr::{JoinType, LogicalPlan};
use serde::Serialize;

use crate::plan::Scope;
use crate::plan::facts::keys::Keys;
use crate::plan::facts::nodes::plain_column;
use crate::plan::scope::Scanned;

/// What proves it: the innermost part of the plan that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyProof {
    /// A DISTINCT is one without aggregates.
    GroupBy,
    /// Aggregates over everything, or LIMIT 1.
    OneRow,
    /// The place of an event in its source.
    Position,
    /// The key of a projection that it reads.
    Upstream,
    Join,
    /// The number of a row in its partition.
    Windows,
    /// Another part.
    Query,
}

impl KeyProof {
    /// None where the columns `key` of the plan are not proven to tell its rows apart.
    pub(super) fn of(plan: &LogicalPlan, key: &[usize], scope: &Scope) -> Option<Self> {
        let proves = |plan: &LogicalPlan, key: &[usize]| Keys::of(plan, Some(scope)).are_unique(key);
        if !proves(plan, key) {
            return None;
        }
        let (mut plan, mut key) = (plan, key.to_vec());
        while let Some((below, same)) = below(plan, &key).filter(|(below, same)| proves(below, same)) {
            (plan, key) = (below, same);
        }
        Some(match plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => KeyProof::OneRow,
            LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => KeyProof::GroupBy,
            LogicalPlan::Limit(_) => KeyProof::OneRow,
            LogicalPlan::TableScan(scan) => match scope.find(&scan.table_name) {
                Some(Scanned::Events { .. }) => KeyProof::Position,
                Some(Scanned::Projection { .. }) => KeyProof::Upstream,
                None => KeyProof::Query,
            },
            LogicalPlan::Join(_) => KeyProof::Join,
            LogicalPlan::Window(_) => KeyProof::Windows,
            _ => KeyProof::Query,
        })
    }
}

/// The input whose rows come out at most once each, and the same columns there.
fn below<'a>(plan: &'a LogicalPlan, key: &[usize]) -> Option<(&'a LogicalPlan, Vec<usize>)> {
    let input = match plan {
        LogicalPlan::Filter(filter) => &filter.input,
        LogicalPlan::Sort(sort) => &sort.input,
        LogicalPlan::Limit(limit) => &limit.input,
        LogicalPlan::SubqueryAlias(alias) => &alias.input,
        // Its own columns stand behind those of its input.
        LogicalPlan::Window(window) => &window.input,
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => &join.left,
        LogicalPlan::Projection(projection) => {
            let column = |index: &usize| {
                let column = plain_column(&projection.expr[*index])?;
                projection.input.schema().index_of_column(column).ok()
            };
            let key = key.iter().map(column).collect::<Option<_>>()?;
            return Some((&projection.input, key));
        }
        _ => return None,
    };
    let has_all = key.iter().all(|&column| column < input.schema().fields().len());
    has_all.then(|| (&**input, key.to_vec()))
}

impl fmt::Display for KeyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyProof::GroupBy => "its GROUP BY or DISTINCT proves it",
            KeyProof::OneRow => "the query gives one row at most",
            KeyProof::Position => "each event has a place of its own in its source",
            KeyProof::Upstream => "the key of what it reads proves it",
            KeyProof::Join => "its join proves it",
            KeyProof::Windows => "the numbers of rows in their partitions prove it",
            KeyProof::Query => "the query proves it",
        })
    }
}
