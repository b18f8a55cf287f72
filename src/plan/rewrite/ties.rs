//! What breaks ties between the rows of a plan: stream order for the rows of one event relation, the whole row for
//! all others, without what follows from the rest of it.
//!
//! Stream order is threaded upwards as hidden columns. The caller drops them again (see [`OrderedInput::restored`]).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions::expr_fn::greatest;
use datafusion::functions_nested::expr_fn::{array_length, range};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias, TableScan,
    TableScanBuilder, Unnest, Window, cast, lit,
};

use crate::event::metadata;
use crate::plan::facts::keys::Keys;
use crate::plan::facts::nodes::{is_events, plain_column};
use crate::plan::functions::by_sort_key;

/// The rows of a plan, and what puts them in one total order.
#[derive(Debug, Clone)]
pub(super) struct OrderedInput {
    /// The plan, with hidden columns added if need be.
    pub(super) plan: LogicalPlan,
    /// Whether these are the events of one source, with or without their lists unnested.
    pub(super) in_stream_order: bool,
    /// Columns of the plan whose values no two rows share, unless they are equal throughout.
    ties: Vec<Column>,
    /// What leaves some of them out behind others, by the indices of the plan's columns.
    keys: Keys,
}

impl OrderedInput {
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self> {
        Ok(match thread(plan)? {
            Some(rows) => rows,
            None => Self {
                plan: plan.clone(),
                in_stream_order: false,
                ties: plan.schema().columns(),
                keys: Keys::of(plan, None),
            },
        })
    }

    /// Completes an order: rows that tie in it follow in stream order, or as whole rows. They descend if the order
    /// itself ends descending, so that turning an order around turns its ties around too.
    pub(super) fn complete(&self, order: Vec<SortExpr>) -> Vec<SortExpr> {
        self.complete_after(vec![], order)
    }

    /// The same for an aggregate, whose accumulator has an order of its own for nested values: they are ordered by bytes.
    pub(super) fn complete_by_keys(&self, order: Vec<SortExpr>) -> Result<Vec<SortExpr>> {
        let by_key = |sort: SortExpr| {
            let is_nested = sort.expr.get_type(self.plan.schema())?.is_nested();
            Ok(if is_nested { by_sort_key(sort) } else { sort })
        };
        self.complete(order).into_iter().map(by_key).collect()
    }

    /// The same, where `given` comes first and does not count for the direction.
    pub(super) fn complete_after(&self, given: Vec<SortExpr>, order: Vec<SortExpr>) -> Vec<SortExpr> {
        let ascending = order.last().is_none_or(|last| last.asc);
        let mut total: Vec<SortExpr> = Vec::new();
        let is_among = |total: &[SortExpr], expr: &Expr| total.iter().any(|earlier| earlier.expr == *expr);
        // A sort expression decides nothing the second time, and DataFusion's accumulators fail on it.
        for sort in given.into_iter().chain(order) {
            if !is_among(&total, &sort.expr) {
                total.push(sort);
            }
        }
        let schema = self.plan.schema();
        for tie in &self.ties {
            let expr = Expr::Column(tie.clone());
            let is_earlier =
                |index: usize| is_among(&total, &Expr::Column(Column::from(schema.qualified_field(index))));
            let follows = schema.index_of_column(tie).is_ok_and(|index| self.keys.determines(index, is_earlier));
            if !follows && !is_among(&total, &expr) {
                total.push(expr.sort(ascending, !ascending));
            }
        }
        total
    }

    /// A plan over these rows without its hidden columns: the columns of `schema`.
    pub(super) fn restored(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
        if plan.schema().columns() == schema.columns() {
            return Ok(plan);
        }
        let columns = schema.columns().into_iter().map(Expr::Column).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
    }
}

/// The same plan with stream order among its columns, if its rows are the events of one relation.
fn thread(plan: &LogicalPlan) -> Result<Option<OrderedInput>> {
    Ok(match plan {
        LogicalPlan::TableScan(scan) if is_events(scan) => Some(thread_scan(scan)?),
        LogicalPlan::Filter(filter) => thread_through(&filter.input, |input| {
            Ok(LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), input)?))
        })?,
        LogicalPlan::Sort(sort) => thread_through(&sort.input, |input| {
            Ok(LogicalPlan::Sort(Sort { expr: sort.expr.clone(), input, fetch: sort.fetch }))
        })?,
        LogicalPlan::Limit(limit) => thread_through(&limit.input, |input| {
            Ok(LogicalPlan::Limit(Limit { skip: limit.skip.clone(), fetch: limit.fetch.clone(), input }))
        })?,
        LogicalPlan::Window(window) => thread_through(&window.input, |input| {
            Ok(LogicalPlan::Window(Window::try_new(window.window_expr.clone(), input)?))
        })?,
        LogicalPlan::SubqueryAlias(alias) => {
            let rows = thread_through(&alias.input, |input| {
                Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, alias.alias.clone())?))
            })?;
            rows.map(|mut rows| {
                rows.ties.iter_mut().for_each(|tie| tie.relation = Some(alias.alias.clone()));
                rows
            })
        }
        LogicalPlan::Projection(projection) => match thread(&projection.input)? {
            Some(rows) => Some(thread_projection(projection, rows)?),
            None => None,
        },
        LogicalPlan::Unnest(unnest) => match thread(&unnest.input)? {
            Some(rows) => Some(thread_unnest(unnest, rows)?),
            None => None,
        },
        _ => None,
    })
}

/// For nodes that pass all columns of their input on.
fn thread_through(
    input: &LogicalPlan,
    rebuild: impl FnOnce(Arc<LogicalPlan>) -> Result<LogicalPlan>,
) -> Result<Option<OrderedInput>> {
    let Some(rows) = thread(input)? else { return Ok(None) };
    Ok(Some(OrderedInput { plan: rebuild(Arc::new(rows.plan))?, ..rows }))
}

fn thread_projection(projection: &Projection, rows: OrderedInput) -> Result<OrderedInput> {
    let mut expressions = projection.expr.clone();
    let mut ties = Vec::new();
    for tie in rows.ties {
        if let Some(passed) = expressions.iter().find(|expression| plain_column(expression) == Some(&tie)) {
            let (relation, name) = passed.qualified_name();
            ties.push(Column::new(relation, name));
        } else {
            let tie = Expr::Column(tie);
            let name = hidden_name(&tie, &expressions);
            expressions.push(tie.alias(&name));
            ties.push(Column::new_unqualified(name));
        }
    }
    let plan = LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(rows.plan))?);
    Ok(OrderedInput { plan, in_stream_order: true, ties, keys: Keys::default() })
}

/// `__seq` for `_seq`, or the like with a number if that is taken.
fn hidden_name(tie: &Expr, taken: &[Expr]) -> String {
    let base = format!("__{}", tie.qualified_name().1.trim_start_matches('_'));
    let is_taken = |name: &String| taken.iter().any(|expression| &expression.qualified_name().1 == name);
    let numbered = (2..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(base)
}

/// Rows of one event tie in stream order; beside the lists, their positions are unnested.
fn thread_unnest(unnest: &Unnest, rows: OrderedInput) -> Result<OrderedInput> {
    let lists: Vec<Expr> = unnest
        .list_type_columns
        .iter()
        .map(|(index, _)| Expr::Column(Column::from(unnest.input.schema().qualified_field(*index))))
        .collect();
    if lists.is_empty() {
        let plan = Unnest::try_new(Arc::new(rows.plan), unnest.exec_columns.clone(), unnest.options.clone())?;
        return Ok(OrderedInput { plan: LogicalPlan::Unnest(plan), ..rows });
    }
    let mut expressions: Vec<Expr> = rows.plan.schema().columns().into_iter().map(Expr::Column).collect();
    let name = hidden_name(&Expr::Column(Column::new_unqualified("position")), &expressions);
    let lengths = lists.into_iter().map(array_length).collect::<Vec<_>>();
    let length = cast(greatest(lengths), DataType::Int64);
    expressions.push(range(lit(0i64), length, lit(1i64)).alias(&name));
    let input = LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(rows.plan))?);

    let position = Column::new_unqualified(name);
    let columns = unnest.exec_columns.iter().cloned().chain([position.clone()]).collect();
    let plan = LogicalPlan::Unnest(Unnest::try_new(Arc::new(input), columns, unnest.options.clone())?);
    let mut ties = rows.ties;
    ties.push(position);
    // Lists within lists are unnested at once, without positions of their own.
    if unnest.list_type_columns.iter().any(|(_, list)| list.depth > 1) {
        ties.extend(unnest.schema.columns());
    }
    Ok(OrderedInput { plan, in_stream_order: true, ties, keys: Keys::default() })
}

fn thread_scan(scan: &TableScan) -> Result<OrderedInput> {
    let column = |index: usize| Column::new(Some(scan.table_name.clone()), metadata::NAMES[index]);
    let ties = vec![column(metadata::SEQ), column(metadata::ORD)];
    let mut scan = scan.clone();
    if !ties.iter().all(|tie| scan.projected_schema.has_column(tie)) {
        let whole = TableScanBuilder::new(scan.table_name, scan.source).with_filters(scan.filters);
        scan = whole.with_fetch(scan.fetch).build()?;
    }
    Ok(OrderedInput { plan: LogicalPlan::TableScan(scan), in_stream_order: true, ties, keys: Keys::default() })
}
