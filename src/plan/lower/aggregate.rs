//! Aggregates: the columns that their keys, arguments, orders and filters are computed into.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, GroupingSet};
use datafusion::logical_expr::utils::{enumerate_grouping_sets, grouping_set_to_exprlist};
use datafusion::logical_expr::{self as logical, Expr, ExprSchemable};

use super::call::PlacedCall;
use super::closing::{closing, specify_closing};
use super::expressions::{arrow, is_sortable};
use super::ranking::options;
use super::{Specified, columns};
use crate::circuit::{AggregateSpec, Map};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;
use crate::plan::scope::Scope;

/// Maps that compute keys, arguments, orders and filters as plain columns, and the aggregate over all of them: one map, or
/// with grouping sets one a set. An event that fails in an argument thus fails in a row-wise operator.
pub(super) fn lower_aggregate(
    aggregate: &logical::Aggregate,
    append_only: bool,
    scope: &Scope,
) -> Result<(Vec<Specified<Map>>, Specified<AggregateSpec>), Refusal> {
    let sets = grouping_sets(aggregate)?;
    let mut columns = ArgumentColumns { exprs: Vec::new(), shared_from: 0, schema: aggregate.input.schema() };
    let mut groups: Vec<usize> = match &sets {
        None => aggregate.group_expr.iter().map(|expr| columns.index_of(expr)).collect(),
        Some(sets) => {
            columns.exprs = sets.exprs.clone();
            (0..sets.exprs.len()).collect()
        }
    };
    if sets.is_some() {
        // The number of the set is a key too. An argument may be a key's expression, and must not turn NULL with it.
        columns.shared_from = groups.len() + 1;
        groups.push(groups.len());
        columns.exprs.push(logical::lit(ScalarValue::Null));
    }
    let calls = aggregate.aggr_expr.iter().map(|expr| columns.call(expr)).collect::<Result<Vec<_>, _>>()?;
    if let Some(sets) = &sets {
        columns.exprs[groups.len() - 1] = logical::lit(ScalarValue::new_zero(&sets.id_type)?);
    }
    let input = columns.arrow(sets.is_some().then_some(groups.len()))?;
    for &index in &groups {
        let field = input.field(index);
        if !is_sortable(field.data_type()) {
            return Err(Refusal::new(Code::NotKept, format!("cannot group by a column of type {}", field.data_type())));
        }
    }
    let specification = Specification::of("aggregate/1")
        .list(groups.iter(), |specification, group| specification.index(*group))
        .list(calls.iter(), |specification, call| call.specify(specification))
        .flag(append_only);
    let calls = calls.into_iter().map(|call| call.resolve(&input)).collect::<Result<Vec<_>, _>>()?;
    let map = |exprs: &[Expr]| self::columns(exprs, columns.schema, input.clone());
    let maps = match &sets {
        None => vec![map(&columns.exprs)?],
        Some(sets) => {
            let exprs = (0..sets.sets.len()).map(|set| sets.exprs_of(set, &columns.exprs, &input));
            exprs.map(|exprs| map(&exprs?)).collect::<Result<_, Refusal>>()?
        }
    };
    let totals = match &sets {
        None if groups.is_empty() => vec![Vec::new()],
        None => Vec::new(),
        Some(sets) => sets.totals(&input)?,
    };
    let schema = arrow(&aggregate.schema);
    let closing = closing(&aggregate.group_expr, &aggregate.input, scope);
    // The keys of totals follow from the sets, whose numbers are columns of the maps.
    let specification = specify_closing(specification, closing.as_ref()).index(totals.len());
    let operator = AggregateSpec { groups, calls, totals, input, schema, append_only, closing };
    Ok((maps, Specified { operator, specification }))
}

/// GROUPING SETS, written out.
struct GroupingSets {
    /// All keys of any set.
    exprs: Vec<Expr>,
    /// For each set and key, whether it is left out; and how often the same set came before.
    sets: Vec<(Vec<bool>, usize)>,
    id_type: DataType,
}

fn grouping_sets(aggregate: &logical::Aggregate) -> Result<Option<GroupingSets>, Refusal> {
    if !matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
        return Ok(None);
    }
    let exprs: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
    let listed = match enumerate_grouping_sets(aggregate.group_expr.clone())?.pop() {
        Some(Expr::GroupingSet(GroupingSet::GroupingSets(sets))) => sets,
        Some(Expr::GroupingSet(GroupingSet::Rollup(keys))) => (0..=keys.len()).map(|n| keys[..n].to_vec()).collect(),
        Some(Expr::GroupingSet(GroupingSet::Cube(keys))) => (0..1usize << keys.len().min(16))
            .map(|bits| {
                keys.iter()
                    .enumerate()
                    .filter(|(index, _)| bits >> index & 1 == 1)
                    .map(|(_, key)| key.clone())
                    .collect()
            })
            .collect(),
        _ => {
            return Err(Refusal::new(Code::NotKept, "this form of GROUPING SETS is not kept incrementally")
                .hint("write the sets out"));
        }
    };
    let mut sets: Vec<(Vec<bool>, usize)> = Vec::new();
    for set in listed {
        let left_out: Vec<bool> = exprs.iter().map(|expr| !set.contains(expr)).collect();
        let before = sets.iter().filter(|(other, _)| *other == left_out).count();
        sets.push((left_out, before));
    }
    let most = sets.iter().map(|(_, before)| *before).max().unwrap_or(0);
    let id_type = logical::Aggregate::grouping_id_type(exprs.len(), most);
    Ok(Some(GroupingSets { exprs, sets, id_type }))
}

impl GroupingSets {
    /// The columns for one set: NULL for the keys that it leaves out, and its number.
    fn exprs_of(&self, set: usize, exprs: &[Expr], input: &Schema) -> Result<Vec<Expr>, Refusal> {
        let (left_out, before) = &self.sets[set];
        let mut exprs = exprs.to_vec();
        for (index, _) in left_out.iter().enumerate().filter(|(_, left_out)| **left_out) {
            exprs[index] = logical::lit(ScalarValue::try_from(input.field(index).data_type())?);
        }
        exprs[left_out.len()] = logical::lit(self.id(left_out, *before)?);
        Ok(exprs)
    }

    /// The keys of the sets that leave all of them out.
    fn totals(&self, input: &Schema) -> Result<Vec<Vec<ScalarValue>>, Refusal> {
        let empty = self.sets.iter().filter(|(left_out, _)| left_out.iter().all(|&left_out| left_out));
        let key = |(left_out, before): &(Vec<bool>, usize)| {
            let nulls = (0..left_out.len()).map(|index| ScalarValue::try_from(input.field(index).data_type()));
            let mut key = nulls.collect::<Result<Vec<_>, _>>()?;
            key.push(self.id(left_out, *before)?);
            Ok(key)
        };
        empty.map(key).collect()
    }

    /// The number of a set, as DataFusion counts them.
    fn id(&self, left_out: &[bool], before: usize) -> Result<ScalarValue, Refusal> {
        let bits = left_out.iter().fold(0u64, |bits, &left_out| bits << 1 | u64::from(left_out));
        Ok(ScalarValue::UInt64(Some(bits | (before as u64) << left_out.len())).cast_to(&self.id_type)?)
    }
}

/// The distinct expressions that the aggregate needs, in the order they were first asked for.
struct ArgumentColumns<'a> {
    exprs: Vec<Expr>,
    /// Expressions before this index are never used for another purpose.
    shared_from: usize,
    schema: &'a DFSchema,
}

impl ArgumentColumns<'_> {
    fn index_of(&mut self, expr: &Expr) -> usize {
        let expr = expr.clone().unalias();
        match self.exprs[self.shared_from..].iter().position(|other| *other == expr) {
            Some(index) => self.shared_from + index,
            None => {
                self.exprs.push(expr);
                self.exprs.len() - 1
            }
        }
    }

    fn call<'e>(&mut self, expr: &'e Expr) -> Result<PlacedCall<'e>, Refusal> {
        match expr {
            Expr::Alias(alias) => self.call(&alias.expr),
            Expr::AggregateFunction(function) => {
                let AggregateFunctionParams { args, filter, order_by, .. } = &function.params;
                Ok(PlacedCall {
                    function,
                    name: expr.schema_name().to_string(),
                    arguments: args.iter().map(|arg| self.index_of(arg)).collect(),
                    order: order_by.iter().map(|sort| (self.index_of(&sort.expr), options(sort))).collect(),
                    filter: filter.as_ref().map(|filter| self.index_of(filter)),
                })
            }
            other => Err(Refusal::new(Code::NotKept, format!("`{other}` is not an aggregate"))),
        }
    }

    /// `nullable` columns at the front may be NULL whatever their expressions say.
    fn arrow(&self, nullable: Option<usize>) -> Result<SchemaRef, Refusal> {
        let fields = self.exprs.iter().enumerate().map(|(index, expr)| {
            let (_, field) = expr.to_field(self.schema)?;
            let null = field.is_nullable() || nullable.is_some_and(|nullable| index < nullable);
            Ok(Field::new(format!("c{index}"), field.data_type().clone(), null))
        });
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, Refusal>>()?)))
    }
}
