//! Operators and subscripts that DataFusion has with another meaning, or not at all.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, DateTimeField, ExactNumberInfo, Expr, ObjectNamePart, Subscript,
    UnaryOperator, Value,
};

use super::absent::WITHOUT_PATH;
use super::{call, number, text};

/// Collations by which texts are ordered as they are here: by their bytes. Databases have another default, and its name is accepted because
/// tools write it.
const BY_BYTES: [&str; 6] = ["c", "posix", "ucs_basic", "c.utf8", "c.utf-8", "default"];

/// `a ^ b` is a power, of floats; `~a` is `a # -1`; `t AT TIME ZONE z` is `timezone(z, t)`; EXTRACT of some parts is `date_part`.
pub(super) fn replace(expr: &mut Expr) -> Result<()> {
    let replaced = match expr {
        Expr::BinaryOp { left, op: BinaryOperator::BitwiseXor, right } => {
            call("power", vec![float(left), float(right)])
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } => {
            call("starts_with", vec![(**left).clone(), (**right).clone()])
        }
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => {
            return plan_err!("OVERLAPS takes two pairs of times: write `a.starts < b.ends AND b.starts < a.ends`");
        }
        Expr::BinaryOp { op: op @ (BinaryOperator::AtQuestion | BinaryOperator::AtAt), .. } => {
            return plan_err!("there is no `{op}`, which takes a path of SQL/JSON: write {WITHOUT_PATH}");
        }
        Expr::BinaryOp { left, op, right } if *op == BinaryOperator::ArrowAt => {
            // What is in what: `a <@ b` is `b @> a`.
            *op = BinaryOperator::AtArrow;
            std::mem::swap(left, right);
            return Ok(());
        }
        // DataFusion would put the minus before the first number of the text alone.
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: of } if matches!(**of, Expr::Interval(_)) => {
            let interval = std::mem::replace(of.as_mut(), Expr::value(Value::Null));
            **of = Expr::Nested(Box::new(interval));
            return Ok(());
        }
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: of } => {
            let ones = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number(1)) };
            let flipped = Expr::BinaryOp { left: of.clone(), op: BinaryOperator::PGBitwiseXor, right: Box::new(ones) };
            *expr = Expr::Nested(Box::new(flipped));
            return Ok(());
        }
        Expr::Collate { expr: of, collation } => {
            let name =
                collation.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.to_ascii_lowercase());
            if !name.is_some_and(|name| BY_BYTES.contains(&name.as_str())) {
                return plan_err!(
                    "there is no collation {collation}: texts are compared by their bytes, as with `COLLATE \"C\"`; write `lower(x)` where \
                     case does not count"
                );
            }
            let of = std::mem::replace(of.as_mut(), Expr::value(Value::Null));
            *expr = of;
            return Ok(());
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            call("timezone", vec![(**time_zone).clone(), (**timestamp).clone()])
        }
        Expr::Extract { field, expr, .. } if is_ours(field) => {
            call("date_part", vec![text(&field.to_string()), (**expr).clone()])
        }
        _ => return Ok(()),
    };
    *expr = Expr::Function(replaced);
    Ok(())
}

/// What DataFusion's own function for EXTRACT does not know, or cuts.
fn is_ours(field: &DateTimeField) -> bool {
    use DateTimeField::{Century, Decade, Epoch, Millenium, Millennium};
    matches!(field, Century | Decade | Epoch | Millenium | Millennium)
}

fn float(expr: &Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr.clone()),
        data_type: DataType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    }
}

/// A slice without a bound goes from the first element, or to the last.
pub(super) fn complete_slices(expr: &mut Expr) -> Result<()> {
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else { return Ok(()) };
    for access in access_chain {
        if let AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) = access {
            lower_bound.get_or_insert_with(|| number(1));
            upper_bound.get_or_insert_with(|| number(i32::MAX as usize));
        }
    }
    Ok(())
}
