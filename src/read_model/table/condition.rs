//! What filters say of single columns, in terms that an order of rows can be looked up by.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::TableSpec;

/// What each of several filters says, by its place.
#[derive(Debug)]
pub(super) struct Conditions(Vec<Option<(usize, Condition)>>);

/// What one filter says about one column.
#[derive(Debug)]
enum Condition {
    OneOf(Vec<ScalarValue>),
    Compare(Operator, ScalarValue),
}

/// A comparison that bounds a column from one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit<'a> {
    /// The place of its filter.
    pub(super) filter: usize,
    pub(super) operator: Operator,
    pub(super) value: &'a ScalarValue,
}

/// What bounds a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits<'a> {
    pub(super) lower: Option<Limit<'a>>,
    pub(super) upper: Option<Limit<'a>>,
}

impl Limits<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }
}

impl Conditions {
    pub(super) fn of(spec: &TableSpec, filters: &[&Expr]) -> Self {
        Self(filters.iter().map(|filter| condition(spec, filter)).collect())
    }

    /// The columns that equal one of several values, each with the place of its filter. Of several lists for one column the shortest
    /// counts; the others are left to the caller.
    pub(super) fn equal(&self) -> BTreeMap<usize, (usize, &[ScalarValue])> {
        let mut equal: BTreeMap<usize, (usize, &[ScalarValue])> = BTreeMap::new();
        for (filter, condition) in self.0.iter().enumerate() {
            let Some((column, Condition::OneOf(values))) = condition else { continue };
            if equal.get(column).is_none_or(|(_, shortest)| values.len() < shortest.len()) {
                equal.insert(*column, (filter, values));
            }
        }
        equal
    }

    /// The columns that have one value.
    pub(super) fn constants(&self) -> BTreeMap<usize, &ScalarValue> {
        let equal = self.equal().into_iter();
        let constants = equal.filter_map(|(column, (_, values))| {
            let (first, rest) = values.split_first()?;
            rest.iter().all(|other| other == first).then_some((column, first))
        });
        constants.collect()
    }

    /// What bounds a column: of several limits on one side the first.
    pub(super) fn limits(&self, column: usize) -> Limits<'_> {
        let mut limits = Limits::default();
        for (filter, condition) in self.0.iter().enumerate() {
            let Some((of, Condition::Compare(operator, value))) = condition else { continue };
            if *of == column {
                let is_lower = matches!(operator, Operator::Gt | Operator::GtEq);
                let side = if is_lower { &mut limits.lower } else { &mut limits.upper };
                side.get_or_insert(Limit { filter, operator: *operator, value });
            }
        }
        limits
    }
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
