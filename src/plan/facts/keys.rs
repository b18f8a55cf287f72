//! What determines what among the columns of a plan: keys, and functional dependencies.
//!
//! A key is a set of columns that no two rows share, so it determines all others; one without columns means at most one
//! row. A dependency says only that rows which are equal in some columns are equal in others too: rows may repeat. Both
//! come from one traversal, and only what is proven is said. Columns are known by their indices. Values are equal as
//! groups have it: NULL equals NULL.

use std::collections::BTreeSet;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, Constraint, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, DistinctOn, Expr, FetchType, LogicalPlan, Operator, Projection, TableScan, Window,
};

use super::join_keys::of_join;
use super::nodes::{is_events, needs_several_rows, plain_column};
use crate::event::metadata;
use crate::plan::Scope;
use crate::plan::scope::Scanned;

pub(super) type ColumnSet = BTreeSet<usize>;

/// Keys that a plan is known to have at most. Joins multiply them, and a query needs one.
const KEYS_MAX: usize = 16;

/// The keys and dependencies of a plan's columns.
#[derive(Debug, Clone, Default)]
pub(in crate::plan) struct Keys {
    pub(super) keys: Vec<ColumnSet>,
    pub(super) dependencies: Vec<Dependency>,
    /// Columns that count the rows of a partition from 1.
    pub(super) row_numbers: ColumnSet,
}

/// Rows that are equal in some columns are equal in others too.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub(super) by: ColumnSet,
    /// Those in `by` too.
    pub(super) determined: ColumnSet,
}

impl Keys {
    /// The facts of a plan's output. Without a scope, only relations of events and tables that say so are known to have a key.
    pub(in crate::plan) fn of(plan: &LogicalPlan, scope: Option<&Scope>) -> Self {
        let mut known = of_node(plan, scope);
        known.reduce();
        known
    }

    /// Whether no two rows share these columns: they determine a key.
    pub(in crate::plan) fn are_unique(&self, columns: &[usize]) -> bool {
        let determined = self.closure(columns);
        self.keys.iter().any(|key| key.is_subset(&determined))
    }

    /// The key with the fewest columns, of several the one that comes first.
    pub(in crate::plan) fn shortest(&self) -> Option<Vec<usize>> {
        let shortest = self.keys.iter().min_by_key(|key| (key.len(), (*key).clone()))?;
        Some(shortest.iter().copied().collect())
    }

    pub(in crate::plan) fn has_one_row_at_most(&self) -> bool {
        self.keys.iter().any(ColumnSet::is_empty)
    }

    /// Whether a column decides nothing behind `earlier` ones, in an order. Keys that joins and DISTINCT make are not asked:
    /// an order is part of what operators persist, and changes with what is known here.
    pub(in crate::plan) fn determines(&self, column: usize, earlier: impl Fn(usize) -> bool) -> bool {
        let follows = |known: &Dependency| known.determined.contains(&column) && known.by.iter().all(|&by| earlier(by));
        self.dependencies.iter().any(follows)
    }

    /// All columns that follow from some.
    fn closure(&self, columns: &[usize]) -> ColumnSet {
        let mut closure: ColumnSet = columns.iter().copied().collect();
        loop {
            let before = closure.len();
            for known in &self.dependencies {
                if known.by.is_subset(&closure) {
                    closure.extend(&known.determined);
                }
            }
            if closure.len() == before {
                return closure;
            }
        }
    }

    /// Leaves out keys that others are part of, and all beyond the shortest few.
    fn reduce(&mut self) {
        self.keys.sort_by_key(ColumnSet::len);
        let mut least: Vec<ColumnSet> = Vec::new();
        for key in self.keys.drain(..) {
            if least.len() < KEYS_MAX && !least.iter().any(|other| other.is_subset(&key)) {
                least.push(key);
            }
        }
        self.keys = least;
    }
}

fn of_node(plan: &LogicalPlan, scope: Option<&Scope>) -> Keys {
    let input = |plan: &LogicalPlan| Keys::of(plan, scope);
    match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, scope),
        LogicalPlan::SubqueryAlias(alias) => input(&alias.input),
        LogicalPlan::Sort(sort) => limited(input(&sort.input), sort.fetch),
        LogicalPlan::Limit(limit) => {
            let fetch = if let Ok(FetchType::Literal(fetch)) = limit.get_fetch_type() { fetch } else { None };
            limited(input(&limit.input), fetch)
        }
        LogicalPlan::Filter(filter) => filtered(input(&filter.input), &filter.predicate, &filter.input),
        LogicalPlan::Projection(projection) => projected(&input(&projection.input), projection),
        LogicalPlan::Window(window) => windowed(input(&window.input), window),
        LogicalPlan::Aggregate(aggregate) => of_groups(aggregate, &input(&aggregate.input)),
        LogicalPlan::Distinct(Distinct::All(rows)) => {
            let keys = input(rows).keys.into_iter().chain([(0..rows.schema().fields().len()).collect()]).collect();
            Keys { keys, ..Keys::default() }
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => of_distinct_on(distinct),
        LogicalPlan::Join(join) => of_join(join, &input(&join.left), &input(&join.right)),
        LogicalPlan::Union(union) => match union.inputs.as_slice() {
            [only] => Keys { keys: input(only).keys, ..Keys::default() },
            _ => Keys::default(),
        },
        LogicalPlan::EmptyRelation(_) => Keys { keys: vec![ColumnSet::new()], ..Keys::default() },
        LogicalPlan::Values(values) if values.values.len() <= 1 => {
            Keys { keys: vec![ColumnSet::new()], ..Keys::default() }
        }
        _ => Keys::default(),
    }
}

/// The columns of an event follow from its index in its stream, those of a projection from its key.
fn of_scan(scan: &TableScan, scope: Option<&Scope>) -> Keys {
    let columns: Vec<usize> = match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..scan.source.schema().fields().len()).collect(),
    };
    let of_events = || vec![metadata::SEQ, metadata::ORD];
    let key = match scope {
        None if is_events(scan) => of_events(),
        // What serves says which keys are proven.
        None => match primary_key(scan) {
            Some(key) => key,
            None => return Keys::default(),
        },
        Some(scope) => match scope.find(&scan.table_name) {
            Some(Scanned::Events { .. }) => of_events(),
            Some(Scanned::Projection { projection, .. }) => projection.key.clone(),
            None => return Keys::default(),
        },
    };
    let key = key.iter().map(|index| columns.iter().position(|column| column == index)).collect::<Option<ColumnSet>>();
    let Some(key) = key else { return Keys::default() };
    let dependency = Dependency { by: key.clone(), determined: (0..columns.len()).collect() };
    Keys { keys: vec![key], dependencies: vec![dependency], row_numbers: ColumnSet::new() }
}

fn primary_key(scan: &TableScan) -> Option<Vec<usize>> {
    scan.source.constraints()?.iter().find_map(|constraint| match constraint {
        Constraint::PrimaryKey(columns) => Some(columns.clone()),
        Constraint::Unique(_) => None,
    })
}

fn limited(mut known: Keys, fetch: Option<usize>) -> Keys {
    if matches!(fetch, Some(0..=1)) {
        known.keys.push(ColumnSet::new());
    }
    known
}

/// A column that is equal to a constant tells no rows apart, nor does the number of a partition's first row.
fn filtered(mut known: Keys, predicate: &Expr, input: &LogicalPlan) -> Keys {
    let fixed: ColumnSet = split_conjunction(predicate)
        .into_iter()
        .filter_map(|condition| {
            let (column, operator, value) = comparison(condition)?;
            let index = input.schema().index_of_column(column).ok()?;
            // A comparison between types may take several values for one.
            let is_constant = operator == Operator::Eq && value.data_type() == *input.schema().field(index).data_type();
            let is_first = known.row_numbers.contains(&index)
                && match operator {
                    Operator::Eq | Operator::LtEq => is_number(value, 1),
                    Operator::Lt => is_number(value, 2),
                    _ => false,
                };
            (is_constant || is_first).then_some(index)
        })
        .collect();
    known.keys.iter_mut().for_each(|key| key.retain(|column| !fixed.contains(column)));
    for (left, right) in split_conjunction(predicate).into_iter().filter_map(|condition| equal(condition, input)) {
        let instead = |from: usize, to: usize| {
            move |key: &ColumnSet| {
                let others = key.iter().copied().filter(|column| *column != from);
                key.contains(&from).then(|| others.chain([to]).collect::<ColumnSet>())
            }
        };
        let keys = known.keys.iter();
        let with_other: Vec<ColumnSet> =
            keys.flat_map(|key| instead(left, right)(key).into_iter().chain(instead(right, left)(key))).collect();
        known.keys.extend(with_other);
        known.reduce();
    }
    known
}

/// Two columns that a condition says are equal: each tells apart what the other does.
fn equal(condition: &Expr, input: &LogicalPlan) -> Option<(usize, usize)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq | Operator::IsNotDistinctFrom, right }) = condition else {
        return None;
    };
    let schema = input.schema();
    let (left, right) =
        (schema.index_of_column(plain_column(left)?).ok()?, schema.index_of_column(plain_column(right)?).ok()?);
    // A comparison between types may take several values for one.
    (schema.field(left).data_type() == schema.field(right).data_type()).then_some((left, right))
}

/// A column that is compared with a constant.
fn comparison(condition: &Expr) -> Option<(&Column, Operator, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) => Some((column, *op, value)),
        (Expr::Literal(value, _), Expr::Column(column)) => Some((column, op.swap()?, value)),
        _ => None,
    }
}

fn is_number(value: &ScalarValue, number: u64) -> bool {
    value.data_type().is_integer() && value.to_string() == number.to_string()
}

fn projected(input: &Keys, projection: &Projection) -> Keys {
    let schema = projection.input.schema();
    let source = |expr: &Expr| plain_column(expr).and_then(|column| schema.index_of_column(column).ok());
    let sources: Vec<Option<usize>> = projection.expr.iter().map(source).collect();
    let output = |column: &usize| sources.iter().position(|source| source.as_ref() == Some(column));
    let is_determined = |expr: &Expr, known: &Dependency| {
        let is_determined =
            |column: &Column| schema.index_of_column(column).is_ok_and(|index| known.determined.contains(&index));
        expr.exists(|part| Ok(needs_several_rows(part))).is_ok_and(|needs| !needs)
            && expr.column_refs().into_iter().all(is_determined)
    };
    let dependency = |known: &Dependency| {
        let by = known.by.iter().map(output).collect::<Option<ColumnSet>>()?;
        let exprs = projection.expr.iter().enumerate();
        let determined = exprs.filter(|(_, expr)| is_determined(expr, known)).map(|(index, _)| index).collect();
        Some(Dependency { by, determined })
    };
    Keys {
        keys: input.keys.iter().filter_map(|key| key.iter().map(output).collect()).collect(),
        dependencies: input.dependencies.iter().filter_map(dependency).collect(),
        row_numbers: input.row_numbers.iter().filter_map(output).collect(),
    }
}

/// Rows stay what they are. `row_number` tells apart those of a partition.
fn windowed(mut known: Keys, window: &Window) -> Keys {
    let input = window.input.schema();
    let column = |expr: &Expr| plain_column(expr).and_then(|column| input.index_of_column(column).ok());
    for (index, expr) in window.window_expr.iter().enumerate() {
        let Some(call) = row_number(expr) else { continue };
        let number = input.fields().len() + index;
        known.row_numbers.insert(number);
        if let Some(partition) = call.params.partition_by.iter().map(column).collect::<Option<ColumnSet>>() {
            known.keys.push(partition.into_iter().chain([number]).collect());
        }
    }
    known
}

fn row_number(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => row_number(&alias.expr),
        Expr::WindowFunction(call) if call.fun.name() == "row_number" && call.params.filter.is_none() => Some(call),
        _ => None,
    }
}

/// A group follows from its key, as does a total from nothing; but a dependency on nothing would leave no order at all.
/// Of grouping sets, several groups may share a key.
fn of_groups(aggregate: &Aggregate, input: &Keys) -> Keys {
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return Keys::default();
    }
    let groups = aggregate.group_expr.len();
    let key: ColumnSet = (0..groups).collect();
    let determined = (0..aggregate.schema.fields().len()).collect();
    let dependencies = if groups == 0 { Vec::new() } else { vec![Dependency { by: key.clone(), determined }] };
    // The first value of a key's expression in a group of that key is the key: so DISTINCT ON has a key.
    let same = |key: usize| {
        let is_same = |expr: &Expr| {
            first_value(expr)
                .is_some_and(|value| value.clone().unalias() == aggregate.group_expr[key].clone().unalias())
        };
        aggregate.aggr_expr.iter().position(is_same).map_or(key, |index| groups + index)
    };
    let keys = vec![key, (0..groups).map(same).collect(), independent(aggregate, input)];
    Keys { keys, dependencies, row_numbers: ColumnSet::new() }
}

/// The columns of groups without those that follow from the others.
fn independent(aggregate: &Aggregate, input: &Keys) -> ColumnSet {
    let schema = aggregate.input.schema();
    let column = |group: &usize| schema.index_of_column(plain_column(&aggregate.group_expr[*group])?).ok();
    let mut left: Vec<usize> = (0..aggregate.group_expr.len()).collect();
    for group in (0..left.len()).rev() {
        let others: Vec<usize> = left.iter().copied().filter(|other| *other != group).collect();
        let known: Vec<usize> = others.iter().filter_map(column).collect();
        if column(&group).is_some_and(|column| input.closure(&known).contains(&column)) {
            left = others;
        }
    }
    left.into_iter().collect()
}

/// The argument of `first_value` or `last_value` over all rows of a group.
fn first_value(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Alias(alias) => first_value(&alias.expr),
        Expr::AggregateFunction(call) if matches!(call.func.name(), "first_value" | "last_value") => {
            let params = &call.params;
            let all = params.filter.is_none() && !params.distinct && params.args.len() == 1;
            params.args.first().filter(|_| all)
        }
        _ => None,
    }
}

fn of_distinct_on(distinct: &DistinctOn) -> Keys {
    let output = |on: &Expr| {
        let is_same = |expr: &Expr| expr.clone().unalias() == on.clone().unalias();
        distinct.select_expr.iter().position(is_same)
    };
    let key = distinct.on_expr.iter().map(output).collect::<Option<ColumnSet>>();
    Keys { keys: key.into_iter().collect(), ..Keys::default() }
}

#[cfg(test)]
mod tests;
