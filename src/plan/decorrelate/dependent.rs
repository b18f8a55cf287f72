//! A subquery's operators, each computed for every combination of outer values: the values are among its columns.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Filter, GroupingSet, Join, Limit, LogicalPlan, LogicalPlanBuilder,
    Projection, SortExpr, SubqueryAlias, Union, Unnest, Values, Window, WindowFunctionDefinition, lit, when,
};

use super::outer_values::OuterValues;
use super::{Decorrelation, unplanned};

impl Decorrelation<'_> {
    /// The rows that `plan` has for each of the outer values, which are further columns behind its own.
    pub(super) fn dependent(&mut self, plan: &LogicalPlan, outer: &OuterValues) -> Result<LogicalPlan> {
        if !outer.is_read_by(plan) {
            return outer.beside(plan);
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.dependent(&projection.input, outer)?;
                projected(plan, &projection.expr, outer, input)
            }
            LogicalPlan::Filter(filter) => {
                let input = self.dependent(&filter.input, outer)?;
                let predicate = outer.substituted(filter.predicate.clone())?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.dependent(&alias.input, outer)?;
                unaliased(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?, outer)
            }
            LogicalPlan::Subquery(subquery) => self.dependent(&subquery.subquery, outer),
            // Only a limit asks for an order.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.dependent(&sort.input, outer),
            LogicalPlan::Limit(limit) => self.limit(limit, &limit.input, outer),
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => self.total(aggregate, outer),
            LogicalPlan::Aggregate(aggregate) => self.groups(aggregate, outer),
            LogicalPlan::Distinct(Distinct::All(rows)) => {
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(self.dependent(rows, outer)?))))
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(distinct, outer),
            LogicalPlan::Window(window) => self.windows(window, outer),
            LogicalPlan::Join(join) => self.join(join, outer),
            LogicalPlan::Union(union) => self.union(union, outer),
            LogicalPlan::Values(values) => self.values(values, outer),
            LogicalPlan::Unnest(unnest) => {
                let input = Arc::new(self.dependent(&unnest.input, outer)?);
                let unnest = Unnest::try_new(input, unnest.exec_columns.clone(), unnest.options.clone())?;
                Ok(LogicalPlan::Unnest(unnest))
            }
            other => Err(unplanned(&format!("a subquery with {} over outer values", other.display()))),
        }
    }

    /// The first rows for each of the outer values. The rewriting has made the order total.
    fn limit(&mut self, limit: &Limit, input: &LogicalPlan, outer: &OuterValues) -> Result<LogicalPlan> {
        let sort = match input {
            LogicalPlan::Projection(projection) => {
                let rows = self.limit(limit, &projection.input, outer)?;
                return projected(input, &projection.expr, outer, rows);
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let rows = self.limit(limit, &alias.input, outer)?;
                return unaliased(SubqueryAlias::try_new(Arc::new(rows), alias.alias.clone())?, outer);
            }
            LogicalPlan::Sort(sort) => sort,
            _ => return Err(unplanned("a subquery with LIMIT of this form")),
        };
        let rows = self.dependent(&sort.input, outer)?;
        let columns = rows.schema().columns();
        let order = sort.expr.iter().map(|by| Ok(SortExpr { expr: outer.substituted(by.expr.clone())?, ..by.clone() }));
        let place = self.fresh("place");
        let mut number = WindowFunction::new(
            WindowFunctionDefinition::WindowUDF(datafusion::functions_window::row_number::row_number_udwf()),
            Vec::new(),
        );
        number.params.partition_by = outer.hidden();
        number.params.order_by = order.collect::<Result<Vec<_>>>()?;
        let number = Expr::WindowFunction(Box::new(number)).alias(&place);
        let numbered = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(rows))?);
        let (skip, fetch) = (constant(limit.skip.as_deref())?.unwrap_or(0), constant(limit.fetch.as_deref())?);
        let place = Expr::Column(Column::new_unqualified(place));
        let taken = match (skip, fetch.map(|fetch| skip.saturating_add(fetch))) {
            (0, None) => lit(true),
            (0, Some(last)) => place.lt_eq(lit(last)),
            (skip, None) => place.gt(lit(skip)),
            (skip, Some(last)) if last == skip + 1 => place.eq(lit(last)),
            (skip, Some(last)) => place.clone().gt(lit(skip)).and(place.lt_eq(lit(last))),
        };
        let taken = LogicalPlan::Filter(Filter::try_new(taken, Arc::new(numbered))?);
        let columns = columns.into_iter().map(Expr::Column).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(taken))?))
    }

    fn groups(&mut self, aggregate: &Aggregate, outer: &OuterValues) -> Result<LogicalPlan> {
        let input = self.dependent(&aggregate.input, outer)?;
        let groups = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] if sets.iter().all(|set| !set.is_empty()) => {
                let sets = sets.iter().map(|set| {
                    let set = set.iter().map(|key| outer.substituted(key.clone())).collect::<Result<Vec<_>>>()?;
                    Ok(outer.hidden().into_iter().chain(set).collect())
                });
                vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets.collect::<Result<Vec<_>>>()?))]
            }
            groups if groups.iter().any(|key| matches!(key, Expr::GroupingSet(_))) => {
                return Err(unplanned("a subquery with grand totals over outer values"));
            }
            groups => named(&LogicalPlan::Aggregate(aggregate.clone()), groups, outer)?
                .into_iter()
                .chain(outer.hidden())
                .collect(),
        };
        let calls = named(&LogicalPlan::Aggregate(aggregate.clone()), &aggregate.aggr_expr, outer)?;
        Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, calls)?))
    }

    /// An aggregate that has a row even over nothing: for outer values without rows, it is that row.
    fn total(&mut self, aggregate: &Aggregate, outer: &OuterValues) -> Result<LogicalPlan> {
        let input = self.dependent(&aggregate.input, outer)?;
        let calls = named(&LogicalPlan::Aggregate(aggregate.clone()), &aggregate.aggr_expr, outer)?;
        let groups = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), outer.hidden(), calls)?);
        let there = self.fresh("there");
        let columns = groups.schema().columns().into_iter().map(Expr::Column);
        let exprs = columns.chain([lit(true).alias(&there)]).collect();
        let groups = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(groups))?);
        let (groups, of_groups) = outer.renamed(groups, self)?;
        let joined = LogicalPlanBuilder::from(outer.rows.clone())
            .join_on(groups, JoinType::Left, [outer.same_as(&of_groups)?])?
            .build()?;
        let there = Expr::Column(Column::new_unqualified(there));
        let mut exprs = Vec::new();
        for (call, (relation, field)) in aggregate.aggr_expr.iter().zip(aggregate.schema.iter()) {
            let value = Expr::Column(Column::new(relation.cloned(), field.name()));
            let over_nothing = match call.clone().unalias() {
                Expr::AggregateFunction(call) => call.func.default_value(field.data_type())?,
                _ => ScalarValue::try_from(field.data_type())?,
            };
            exprs.push(match over_nothing.is_null() {
                true => value,
                false => when(there.clone().is_null(), lit(over_nothing))
                    .otherwise(value)?
                    .alias_qualified(relation.cloned(), field.name()),
            });
        }
        exprs.extend(outer.hidden());
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?))
    }

    fn distinct_on(&mut self, distinct: &DistinctOn, outer: &OuterValues) -> Result<LogicalPlan> {
        let input = Arc::new(self.dependent(&distinct.input, outer)?);
        let substituted =
            |exprs: &[Expr]| exprs.iter().map(|expr| outer.substituted(expr.clone())).collect::<Result<Vec<_>>>();
        let on = outer.hidden().into_iter().chain(substituted(&distinct.on_expr)?).collect();
        let node = LogicalPlan::Distinct(Distinct::On(distinct.clone()));
        let select = named(&node, &distinct.select_expr, outer)?.into_iter().chain(outer.hidden()).collect();
        let order = distinct.sort_expr.as_ref().map(|order| {
            let first = outer.hidden().into_iter().map(|hidden| Ok(hidden.sort(true, false)));
            let then = order.iter().map(|by| Ok(SortExpr { expr: outer.substituted(by.expr.clone())?, ..by.clone() }));
            first.chain(then).collect::<Result<Vec<_>>>()
        });
        Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(on, select, order.transpose()?, input)?)))
    }

    fn windows(&mut self, window: &Window, outer: &OuterValues) -> Result<LogicalPlan> {
        let input = Arc::new(self.dependent(&window.input, outer)?);
        let calls = window.window_expr.iter().map(|expr| {
            let name = expr.qualified_name().1;
            let Expr::WindowFunction(mut call) = outer.substituted(expr.clone().unalias())? else {
                return Err(unplanned("a window of this form"));
            };
            call.params.partition_by.extend(outer.hidden());
            Ok(Expr::WindowFunction(call).alias(name))
        });
        let calls = calls.collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Window(Window::try_new(calls, input)?))
    }

    /// The outer values are on the side that reads them, or whose rows the join keeps without a partner; if they are on both,
    /// rows of the same values meet.
    fn join(&mut self, join: &Join, outer: &OuterValues) -> Result<LogicalPlan> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let (reads_left, reads_right) = (outer.is_read_by(&join.left), outer.is_read_by(&join.right));
        let (on_left, on_right) = match join.join_type {
            Inner => (reads_left || !reads_right, reads_right),
            Left | LeftSemi | LeftAnti | LeftMark => (true, reads_right),
            Right | RightSemi | RightAnti | RightMark => (reads_left, true),
            Full => (true, true),
        };
        let left = if on_left { self.dependent(&join.left, outer)? } else { join.left.as_ref().clone() };
        let mut right = if on_right { self.dependent(&join.right, outer)? } else { join.right.as_ref().clone() };
        let mut filter = join.filter.clone().map(|filter| outer.substituted(filter)).transpose()?;
        let mut of_right = None;
        if on_left && on_right {
            let (mut renamed, mut values) = outer.renamed(right, self)?;
            // The column of a mark join has the name of the right side, which must therefore have one.
            if let (LeftMark, Some((Some(mark), _))) = (join.join_type, join.schema.iter().last()) {
                let columns = renamed.schema().columns().into_iter();
                let exprs = columns.map(|column| Expr::Column(column.clone()).alias(column.name)).collect();
                let columns = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(renamed))?);
                renamed = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(columns), mark.clone())?);
                values = values.within(mark.clone());
            }
            let same = outer.same_as(&values)?;
            filter = Some(filter.map_or(same.clone(), |filter| same.and(filter)));
            (right, of_right) = (renamed, Some(values));
        }
        let on = join
            .on
            .iter()
            .map(|(left, right)| Ok((outer.substituted(left.clone())?, outer.substituted(right.clone())?)));
        let joined = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on.collect::<Result<Vec<_>>>()?,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let columns = join.schema.columns().into_iter().map(Expr::Column);
        let hidden: Vec<Expr> = match (join.join_type, of_right) {
            (Full, Some(values)) => {
                let pairs = outer.hidden().into_iter().zip(values.hidden());
                let either = |(left, right): (Expr, Expr)| {
                    let (_, name) = left.qualified_name();
                    datafusion::functions::expr_fn::coalesce(vec![left, right]).alias(name)
                };
                pairs.map(either).collect()
            }
            (Right | RightSemi | RightAnti | RightMark, Some(values)) => {
                let pairs = outer.hidden().into_iter().zip(values.hidden());
                pairs.map(|(left, right)| right.alias(left.qualified_name().1)).collect()
            }
            _ => outer.hidden(),
        };
        let exprs = columns.chain(hidden).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(LogicalPlan::Join(joined)))?))
    }

    fn union(&mut self, union: &Union, outer: &OuterValues) -> Result<LogicalPlan> {
        let branch = |this: &mut Self, input: &LogicalPlan| {
            let rows = this.dependent(input, outer)?;
            let columns = input.schema().columns().into_iter().map(Expr::Column).chain(outer.hidden()).collect();
            Projection::try_new(columns, Arc::new(rows)).map(|branch| Arc::new(LogicalPlan::Projection(branch)))
        };
        let inputs = union.inputs.iter().map(|input| branch(self, input)).collect::<Result<Vec<_>>>()?;
        let rows = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        let columns = rows.schema().columns().into_iter().zip(union.schema.iter());
        let columns = columns
            .map(|(column, (relation, field))| Expr::Column(column).alias_qualified(relation.cloned(), field.name()));
        let exprs = columns.chain(outer.hidden()).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows))?))
    }

    /// Rows that are written out, of outer values.
    fn values(&mut self, values: &Values, outer: &OuterValues) -> Result<LogicalPlan> {
        let row = |row: &Vec<Expr>| {
            let exprs = row.iter().zip(values.schema.iter()).map(|(value, (relation, field))| {
                Ok(outer.substituted(value.clone())?.alias_qualified(relation.cloned(), field.name()))
            });
            let exprs = exprs.chain(outer.hidden().into_iter().map(Ok)).collect::<Result<Vec<_>>>()?;
            Projection::try_new(exprs, Arc::new(outer.rows.clone())).map(|row| Arc::new(LogicalPlan::Projection(row)))
        };
        let rows = values.values.iter().map(row).collect::<Result<Vec<_>>>()?;
        match rows.as_slice() {
            [only] => Ok(LogicalPlan::clone(only)),
            _ => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(rows)?)),
        }
    }
}

/// A projection of these expressions and the outer values.
fn projected(node: &LogicalPlan, exprs: &[Expr], outer: &OuterValues, input: LogicalPlan) -> Result<LogicalPlan> {
    let exprs = named(node, exprs, outer)?.into_iter().chain(outer.hidden()).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
}

/// The expressions over rows that have the outer values, under the names that they had.
fn named(node: &LogicalPlan, exprs: &[Expr], outer: &OuterValues) -> Result<Vec<Expr>> {
    let names = NamePreserver::new(node);
    let named = |expr: &Expr| {
        let name = names.save(expr);
        Ok(name.restore(outer.substituted(expr.clone())?))
    };
    exprs.iter().map(named).collect()
}

/// An alias is one for all columns: the outer values lose it again.
fn unaliased(alias: SubqueryAlias, outer: &OuterValues) -> Result<LogicalPlan> {
    let hidden: Vec<String> = outer.hidden().iter().map(|hidden| hidden.qualified_name().1).collect();
    let exprs = alias.schema.columns().into_iter().map(|column| match hidden.contains(&column.name) {
        true => {
            let name = column.name.clone();
            Expr::Column(column).alias(name)
        }
        false => Expr::Column(column),
    });
    let exprs = exprs.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(LogicalPlan::SubqueryAlias(alias)))?))
}

/// The number in a LIMIT or OFFSET.
fn constant(expr: Option<&Expr>) -> Result<Option<u64>> {
    match expr {
        None => Ok(None),
        Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) if *number >= 0 => Ok(Some(*number as u64)),
        Some(_) => Err(unplanned("a LIMIT in a subquery that is no number")),
    }
}
