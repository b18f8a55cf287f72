//! How rows are reached: the key, a secondary index, or a visit to every row; and which filters that answers.

use std::collections::BTreeMap;
use std::ops::Bound;

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};

use super::TableSpec;
use super::canonical::canonical;
use super::condition::{Conditions, Limit, Limits};
use super::encoding::Encoding;
use super::order::{Order, SortColumn};
use super::segment::View;
use super::sorted_index::Span;
use crate::state::KeyMap;

/// More combinations of values than this are not looked up one by one.
const POINTS_MAX: usize = 10_000;

/// A way to the rows.
#[derive(Debug)]
pub(super) enum Access {
    All,
    /// Encoded keys, each once.
    Keys {
        encoding: Encoding,
        points: Vec<Vec<u8>>,
    },
    /// Disjoint spans of an order of the secondary index at this number.
    Spans {
        index: usize,
        order: usize,
        encoding: Encoding,
        spans: Vec<Span>,
    },
}

impl Access {
    /// The best way to the rows that the filters keep, and which of them it answers exactly.
    pub(super) fn choose(spec: &TableSpec, filters: &[&Expr]) -> Result<(Self, Vec<bool>), DataFusionError> {
        let conditions = Conditions::of(spec, filters);
        let equal = conditions.equal();
        let mut used = vec![false; filters.len()];
        if !spec.key.is_empty() && bound_columns(&spec.key, &equal) == spec.key.len() {
            spec.key.iter().for_each(|column| used[equal[column].0] = true);
            let values: Vec<&[ScalarValue]> = spec.key.iter().map(|column| equal[column].1).collect();
            return Ok((Self::of_keys(spec, &combinations(&values))?, used));
        }
        let limits = |column: Option<&usize>| column.map(|&column| conditions.limits(column)).unwrap_or_default();
        let worth = |index: &[usize]| {
            let bound = bound_columns(index, &equal);
            (bound, usize::from(!limits(index.get(bound)).is_empty()))
        };
        let best = spec.indexes.iter().enumerate().max_by_key(|(number, index)| (worth(index), usize::MAX - number));
        let Some((index, columns)) = best.filter(|(_, index)| worth(index) > (0, 0)) else {
            return Ok((Access::All, used));
        };
        let [order, _] = Order::of_index(spec, index);
        let (prefix, rest) = columns.split_at(bound_columns(columns, &equal));
        prefix.iter().for_each(|column| used[equal[column].0] = true);
        let values: Vec<&[ScalarValue]> = prefix.iter().map(|column| equal[column].1).collect();
        let limits = limits(rest.first());
        limits.lower.iter().chain(&limits.upper).for_each(|limit| used[limit.filter] = true);
        let (sorted_prefix, sorted_rest) = order.columns.split_at(prefix.len());
        let prefixes = encode(&Encoding::in_order(&spec.schema, sorted_prefix)?, &combinations(&values))?;
        let spans = spans(spec, &prefixes, sorted_rest.first().copied(), limits)?;
        let encoding = Encoding::in_order(&spec.schema, &order.columns)?;
        Ok((Access::Spans { index, order: order.number, encoding, spans }, used))
    }

    /// The way to the rows with these keys, each with one value a key column of that column's type.
    fn of_keys(spec: &TableSpec, keys: &[Vec<ScalarValue>]) -> Result<Self, DataFusionError> {
        let encoding = Encoding::new(&spec.schema, &spec.key)?;
        let points = encode(&encoding, keys)?;
        Ok(Access::Keys { encoding, points })
    }

    /// No more rows than these are reached, as far as that is known: no two live rows have one key.
    pub(super) fn rows_max(&self) -> usize {
        match self {
            Access::Keys { points, .. } => points.len(),
            Access::All | Access::Spans { .. } => usize::MAX,
        }
    }

    /// The live rows of a segment that are reached; not for [`Access::All`].
    pub(super) fn rows_in(&self, view: &View) -> Result<Vec<u32>, ArrowError> {
        let rows = view.segment.rows();
        let mut found = Vec::new();
        match self {
            Access::All => found.extend(view.liveness.live_rows().map(|row| row as u32)),
            Access::Keys { encoding, points } => {
                let keys = view.segment.keys(encoding)?;
                let mut wanted = Vec::new();
                for (point_index, point) in points.iter().enumerate() {
                    let live = keys.candidates(KeyMap::hash(point));
                    for row in live.filter(|&row| view.liveness.is_live(row as usize)) {
                        found.push(row);
                        wanted.push(point_index);
                    }
                }
                if !found.is_empty() {
                    let encoded = encoding.encode_some(rows, &found)?;
                    let mut hits = (0..wanted.len()).map(|hit| encoded.get(hit) == points[wanted[hit]].as_slice());
                    found.retain(|_| hits.next().unwrap_or(false));
                }
            }
            Access::Spans { order, encoding, spans, .. } => {
                let sorted = view.segment.sorted(*order, encoding)?;
                for span in spans {
                    let rows = sorted.find(rows, encoding, span)?;
                    found.extend(rows.iter().copied().filter(|&row| view.liveness.is_live(row as usize)));
                }
            }
        }
        Ok(found)
    }
}

/// How many leading columns are bound by equality without too many combinations.
fn bound_columns(columns: &[usize], equal: &BTreeMap<usize, (usize, &[ScalarValue])>) -> usize {
    let mut points = 1usize;
    let bound = columns.iter().take_while(|column| match equal.get(column) {
        Some((_, values)) => {
            points = points.saturating_mul(values.len().max(1));
            points <= POINTS_MAX
        }
        None => false,
    });
    bound.count()
}

fn combinations(values: &[&[ScalarValue]]) -> Vec<Vec<ScalarValue>> {
    let mut all = vec![Vec::new()];
    for choices in values {
        let with = |start: &Vec<ScalarValue>| {
            choices.iter().map(|choice| start.iter().chain([choice]).cloned().collect()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// The distinct encodings of rows of values, one for each column that is encoded.
pub(super) fn encode(encoding: &Encoding, rows: &[Vec<ScalarValue>]) -> Result<Vec<Vec<u8>>, DataFusionError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let arrays = (0..first.len()).map(|index| {
        let array = ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone()))?;
        Ok(canonical(&array)?)
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>, DataFusionError>>()?;
    let encoded = encoding.encode_values(&arrays)?;
    let mut keys: Vec<Vec<u8>> = (0..rows.len()).map(|row| encoded.get(row).to_vec()).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The stretches of an order whose keys begin with one of the prefixes, each with `next`, the column behind, within its limits.
pub(super) fn spans(
    spec: &TableSpec,
    prefixes: &[Vec<u8>],
    next: Option<SortColumn>,
    limits: Limits<'_>,
) -> Result<Vec<Span>, DataFusionError> {
    let one = |value: &ScalarValue| -> Result<Vec<u8>, DataFusionError> {
        let encoding = Encoding::in_order(&spec.schema, next.as_slice())?;
        Ok(encode(&encoding, &[vec![value.clone()]])?.into_iter().next().unwrap_or_default())
    };
    let bound = |limit: Option<Limit<'_>>| -> Result<Bound<Vec<u8>>, DataFusionError> {
        Ok(match limit {
            None => Bound::Unbounded,
            Some(Limit { operator: Operator::GtEq | Operator::LtEq, value, .. }) => Bound::Included(one(value)?),
            Some(Limit { value, .. }) => Bound::Excluded(one(value)?),
        })
    };
    let (lower, mut upper) = (bound(limits.lower)?, bound(limits.upper)?);
    if let (Some(next), Some(_), None) = (next, limits.lower, limits.upper) {
        // No comparison holds for NULL, which is the greatest value.
        upper = Bound::Excluded(one(&ScalarValue::try_new_null(spec.schema.field(next.column).data_type())?)?);
    }
    let descends = next.is_some_and(|next| next.descending);
    let (start, end) = if descends { (upper, lower) } else { (lower, upper) };
    let (start, end) = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
    Ok(prefixes.iter().map(|prefix| Span::new(prefix, start, end)).collect())
}
