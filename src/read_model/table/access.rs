//! How rows are reached: the key, a secondary index, or a visit to every row; and which filters that answers.

use std::collections::BTreeMap;
use std::ops::Bound;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::TableSpec;
use super::canonical::canonical;
use super::encoding::Encoding;
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
    /// Disjoint spans of the secondary index at this number.
    Spans {
        index: usize,
        encoding: Encoding,
        spans: Vec<Span>,
    },
}

/// What one filter says about one column.
#[derive(Debug)]
enum Condition {
    OneOf(Vec<ScalarValue>),
    Compare(Operator, ScalarValue),
}

impl Access {
    /// The best way to the rows that the filters keep, and which of them it answers exactly.
    pub(super) fn choose(spec: &TableSpec, filters: &[&Expr]) -> Result<(Self, Vec<bool>), DataFusionError> {
        let conditions: Vec<Option<(usize, Condition)>> =
            filters.iter().map(|filter| condition(spec, filter)).collect();
        // Of several conditions on one column the shortest list counts; the others are left to the caller.
        let mut equal: BTreeMap<usize, (usize, &[ScalarValue])> = BTreeMap::new();
        for (filter, condition) in conditions.iter().enumerate() {
            let Some((column, Condition::OneOf(values))) = condition else { continue };
            if equal.get(column).is_none_or(|(_, shortest)| values.len() < shortest.len()) {
                equal.insert(*column, (filter, values));
            }
        }
        let mut used = vec![false; filters.len()];
        if !spec.key.is_empty() && bound_columns(&spec.key, &equal) == spec.key.len() {
            spec.key.iter().for_each(|column| used[equal[column].0] = true);
            let values: Vec<&[ScalarValue]> = spec.key.iter().map(|column| equal[column].1).collect();
            return Ok((Self::of_keys(spec, &combinations(&values))?, used));
        }
        let comparisons = |column: Option<&usize>| {
            let column = column.copied();
            conditions.iter().enumerate().filter_map(move |(filter, condition)| match condition {
                Some((of, Condition::Compare(operator, value))) if Some(*of) == column => {
                    Some((filter, *operator, value))
                }
                _ => None,
            })
        };
        let worth = |index: &[usize]| {
            let bound = bound_columns(index, &equal);
            (bound, comparisons(index.get(bound)).count().min(1))
        };
        let best = spec.indexes.iter().enumerate().max_by_key(|(number, index)| (worth(index), usize::MAX - number));
        let Some((number, index)) = best.filter(|(_, index)| worth(index) > (0, 0)) else {
            return Ok((Access::All, used));
        };
        let (prefix, rest) = index.split_at(bound_columns(index, &equal));
        prefix.iter().for_each(|column| used[equal[column].0] = true);
        let values: Vec<&[ScalarValue]> = prefix.iter().map(|column| equal[column].1).collect();
        let (mut lower, mut upper) = (None, None);
        for (filter, operator, value) in comparisons(rest.first()) {
            let side = if matches!(operator, Operator::Gt | Operator::GtEq) { &mut lower } else { &mut upper };
            if side.is_none() {
                *side = Some((operator, value));
                used[filter] = true;
            }
        }
        let prefixes = encode(spec, prefix, &combinations(&values))?;
        let spans = spans(spec, prefixes, rest.first(), lower, upper)?;
        Ok((Access::Spans { index: number, encoding: Encoding::new(&spec.schema, index)?, spans }, used))
    }

    /// The way to the rows with these keys, each with one value a key column of that column's type.
    pub(super) fn of_keys(spec: &TableSpec, keys: &[Vec<ScalarValue>]) -> Result<Self, DataFusionError> {
        let points = encode(spec, &spec.key, keys)?;
        Ok(Access::Keys { encoding: Encoding::new(&spec.schema, &spec.key)?, points })
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
            Access::Spans { index, encoding, spans } => {
                let sorted = view.segment.sorted(*index, encoding)?;
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

/// The distinct encodings of rows of values of these columns.
fn encode(spec: &TableSpec, columns: &[usize], rows: &[Vec<ScalarValue>]) -> Result<Vec<Vec<u8>>, DataFusionError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let arrays = (0..columns.len()).map(|index| {
        let array = ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone()))?;
        Ok(canonical(&array)?)
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>, DataFusionError>>()?;
    let encoded = Encoding::new(&spec.schema, columns)?.encode_values(&arrays)?;
    let mut keys: Vec<Vec<u8>> = (0..rows.len()).map(|row| encoded.get(row).to_vec()).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

type Limit<'a> = Option<(Operator, &'a ScalarValue)>;

fn spans(
    spec: &TableSpec,
    prefixes: Vec<Vec<u8>>,
    column: Option<&usize>,
    lower: Limit<'_>,
    upper: Limit<'_>,
) -> Result<Vec<Span>, DataFusionError> {
    let one = |value: &ScalarValue| -> Result<Vec<u8>, DataFusionError> {
        let columns: Vec<usize> = column.copied().into_iter().collect();
        Ok(encode(spec, &columns, &[vec![value.clone()]])?.into_iter().next().unwrap_or_default())
    };
    let bound = |limit: Limit<'_>| -> Result<Bound<Vec<u8>>, DataFusionError> {
        Ok(match limit {
            None => Bound::Unbounded,
            Some((Operator::GtEq | Operator::LtEq, value)) => Bound::Included(one(value)?),
            Some((_, value)) => Bound::Excluded(one(value)?),
        })
    };
    let null = match (column, upper) {
        (Some(&column), Some(_)) => one(&ScalarValue::try_new_null(spec.schema.field(column).data_type())?)?,
        _ => Vec::new(),
    };
    let (lower, upper) = (bound(lower)?, bound(upper)?);
    let (lower, upper) = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
    Ok(prefixes.iter().map(|prefix| Span::new(prefix, lower, upper, &null)).collect())
}

/// What a filter says, if it speaks of one column and literals only.
fn condition(spec: &TableSpec, filter: &Expr) -> Option<(usize, Condition)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            match (condition(spec, left)?, condition(spec, right)?) {
                ((a, Condition::OneOf(mut values)), (b, Condition::OneOf(more))) if a == b => {
                    values.extend(more);
                    Some((a, Condition::OneOf(values)))
                }
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, literal) = match (column(spec, left), column(spec, right)) {
                (Some(column), None) => (column, *op, right),
                (None, Some(column)) => (column, op.swap()?, left),
                _ => return None,
            };
            let value = literal_of(spec, column, literal)?;
            match op {
                Operator::Eq => Some((column, Condition::OneOf(not_null(value)))),
                Operator::IsNotDistinctFrom => Some((column, Condition::OneOf(vec![value]))),
                Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq if !value.is_null() => {
                    Some((column, Condition::Compare(op, value)))
                }
                _ => None,
            }
        }
        Expr::InList(list) if !list.negated => {
            let column = column(spec, &list.expr)?;
            let values = list.list.iter().map(|value| literal_of(spec, column, value).map(not_null));
            Some((column, Condition::OneOf(values.collect::<Option<Vec<_>>>()?.concat())))
        }
        Expr::IsNull(inner) => {
            let column = column(spec, inner)?;
            let null = ScalarValue::try_new_null(spec.schema.field(column).data_type()).ok()?;
            Some((column, Condition::OneOf(vec![null])))
        }
        Expr::Not(inner) => boolean(spec, inner, false),
        Expr::Column(_) => boolean(spec, filter, true),
        _ => None,
    }
}

/// `active` and `NOT active`.
fn boolean(spec: &TableSpec, expr: &Expr, value: bool) -> Option<(usize, Condition)> {
    let column = column(spec, expr)?;
    let is_boolean = *spec.schema.field(column).data_type() == DataType::Boolean;
    is_boolean.then(|| (column, Condition::OneOf(vec![ScalarValue::Boolean(Some(value))])))
}

/// NULL equals nothing.
fn not_null(value: ScalarValue) -> Vec<ScalarValue> {
    if value.is_null() { Vec::new() } else { vec![value] }
}

fn column(spec: &TableSpec, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(column) => spec.schema.index_of(&column.name).ok(),
        _ => None,
    }
}

/// A literal as a value of the column's type, if it is one and an index compares it as DataFusion would.
fn literal_of(spec: &TableSpec, column: usize, expr: &Expr) -> Option<ScalarValue> {
    let Expr::Literal(value, _) = expr else { return None };
    let data_type = spec.schema.field(column).data_type();
    if data_type.is_nested() {
        return None;
    }
    match value {
        // DataFusion tells -0.0 from 0.0 and NaNs from each other; the stored rows have one form of each.
        ScalarValue::Float64(Some(float)) if float.is_nan() || *float == 0.0 && float.is_sign_negative() => None,
        ScalarValue::Float32(Some(float)) if float.is_nan() || *float == 0.0 && float.is_sign_negative() => None,
        _ if value.data_type() == *data_type => Some(value.clone()),
        _ if value.is_null() => ScalarValue::try_new_null(data_type).ok(),
        _ if is_string(&value.data_type()) && is_string(data_type) => value.cast_to(data_type).ok(),
        _ => None,
    }
}

fn is_string(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
