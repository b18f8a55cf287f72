//! How rows are reached in an order: which order of a table's segments serves it, and the stretch of that order that has them.
//!
//! What is found is where to begin and where to end, and no more: whoever reads keeps to the filters.

use std::collections::BTreeMap;

use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::Expr;

use super::TableSpec;
use super::access::{Access, encode, spans};
use super::condition::Conditions;
use super::encoding::Encoding;
use super::order::{Order, SortColumn};
use super::sorted_index::Span;

/// Rows that are wanted one after the other.
#[derive(Debug, Clone, Copy)]
pub struct OrderedRead<'a> {
    /// It has all columns of the key, so that no two rows are equal in it.
    pub order: &'a [SortColumn],
    /// Of each column of the order the value behind which the rows begin; none for those from the first one on.
    pub after: Option<&'a [ScalarValue]>,
    /// What holds of the rows that are wanted. Rows of which it does not hold may come too.
    pub filters: &'a [Expr],
}

/// A way to rows in an order.
#[derive(Debug)]
pub(super) struct OrderedAccess {
    /// The number of the order that segments are sorted in.
    pub(super) order: usize,
    pub(super) encoding: Encoding,
    pub(super) span: Span,
    /// Whether the rows come from the end of the span.
    pub(super) backward: bool,
}

impl OrderedAccess {
    /// The way to the rows of which the permit's conditions hold too; none where no order serves them, or where an index leads to
    /// fewer rows in another order.
    pub(super) fn choose(
        spec: &TableSpec,
        read: &OrderedRead<'_>,
        permit: &[Expr],
    ) -> Result<Option<Self>, DataFusionError> {
        let filters: Vec<&Expr> = permit.iter().chain(read.filters).collect();
        let (access, used) = Access::choose(spec, &filters)?;
        // Where an index finds what the permit lets through, nothing else is looked at, so that the time does not tell of it.
        let (own, _) = Access::choose(spec, &filters[..permit.len()])?;
        if !matches!(own, Access::All) && !used[..permit.len()].contains(&true) {
            return Ok(None);
        }
        let conditions = Conditions::of(spec, &filters);
        let constants = conditions.constants();
        let (bound, limited) = match &access {
            Access::All => (&[] as &[usize], None),
            Access::Spans { index, spans, .. } if spans.len() == 1 => {
                let index = &spec.indexes[*index];
                let bound = index.iter().take_while(|column| constants.contains_key(column)).count();
                let next = index.get(bound).copied();
                (&index[..bound], next.filter(|next| !conditions.limits(*next).is_empty()))
            }
            Access::Keys { .. } | Access::Spans { .. } => return Ok(None),
        };
        let mut leading = Order::all(spec).into_iter().filter(|order| leads(order, bound, limited, &constants));
        let serving = leading.find_map(|order| Some((direction(&order.columns, read.order, &constants)?, order)));
        let Some((backward, order)) = serving else { return Ok(None) };
        let encoding = Encoding::in_order(&spec.schema, &order.columns)?;
        let Some(span) = stretch(spec, &order, &conditions, &constants)? else { return Ok(None) };
        let Some(after) = read.after else {
            return Ok(Some(Self { order: order.number, encoding, span, backward }));
        };
        let Some(row) = begin(&order, read.order, after, &constants) else { return Ok(None) };
        let key = encode(&encoding, &[row])?.into_iter().next().unwrap_or_default();
        let span = if backward { span.before(key) } else { span.after(key) };
        Ok(Some(Self { order: order.number, encoding, span, backward }))
    }
}

/// Whether an order leads to as few rows as an index of which these columns have one value each, and the next one is limited.
fn leads(order: &Order, bound: &[usize], limited: Option<usize>, constants: &BTreeMap<usize, &ScalarValue>) -> bool {
    let constant = order.columns.iter().take_while(|sort| constants.contains_key(&sort.column)).count();
    let (prefix, rest) = order.columns.split_at(constant);
    let is_in_prefix = |column: &usize| prefix.iter().any(|sort| sort.column == *column);
    bound.iter().all(is_in_prefix)
        && limited.is_none_or(|column| rest.first().is_some_and(|next| next.column == column))
}

/// Whether a way through rows that are sorted by `has` leads through them as `wanted`, and then whether it is the one backward. A column
/// of one value sorts nothing.
fn direction(has: &[SortColumn], wanted: &[SortColumn], constants: &BTreeMap<usize, &ScalarValue>) -> Option<bool> {
    let sorting = |columns: &[SortColumn]| -> Vec<SortColumn> {
        columns.iter().filter(|sort| !constants.contains_key(&sort.column)).copied().collect()
    };
    let (has, wanted) = (sorting(has), sorting(wanted));
    if has == wanted {
        return Some(false);
    }
    let reversed: Vec<SortColumn> =
        has.iter().map(|sort| SortColumn { descending: !sort.descending, ..*sort }).collect();
    (reversed == wanted).then_some(true)
}

/// The stretch of an order in which the first columns have their one value, and the next one is within its limits.
fn stretch(
    spec: &TableSpec,
    order: &Order,
    conditions: &Conditions,
    constants: &BTreeMap<usize, &ScalarValue>,
) -> Result<Option<Span>, DataFusionError> {
    let values: Vec<ScalarValue> =
        order.columns.iter().map_while(|sort| constants.get(&sort.column).map(|value| (*value).clone())).collect();
    let (prefix, rest) = order.columns.split_at(values.len());
    let prefixes = encode(&Encoding::in_order(&spec.schema, prefix)?, &[values])?;
    let next = rest.first().copied();
    let limits = next.map(|next| conditions.limits(next.column)).unwrap_or_default();
    Ok(spans(spec, &prefixes, next, limits)?.into_iter().next())
}

/// The values of an order's columns behind which rows begin; none where what was read before had another value in a column that has
/// one now, as where a policy has put it there.
fn begin(
    order: &Order,
    wanted: &[SortColumn],
    after: &[ScalarValue],
    constants: &BTreeMap<usize, &ScalarValue>,
) -> Option<Vec<ScalarValue>> {
    let read: BTreeMap<usize, &ScalarValue> = wanted.iter().map(|sort| sort.column).zip(after).collect();
    if read.iter().any(|(column, value)| constants.get(column).is_some_and(|constant| constant != value)) {
        return None;
    }
    let value = |sort: &SortColumn| constants.get(&sort.column).or_else(|| read.get(&sort.column)).copied().cloned();
    order.columns.iter().map(value).collect()
}
