//! `(a, b) OVERLAPS (c, d)` as the standard has it: of times in any order, each span with its first and without its last moment, unless that is
//! the same.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::template::{self, Copies};

/// With the first and last moment of each span, in which a NULL is the last.
const CONDITION: &str = "(CASE WHEN least($__0, $__1) > least($__2, $__3) THEN NOT (least($__0, $__1) >= $__5 AND $__4 >= $__5) \
     WHEN least($__2, $__3) > least($__0, $__1) THEN NOT (least($__2, $__3) >= $__4 AND $__5 >= $__4) \
     WHEN least($__0, $__1) = least($__2, $__3) THEN $__4 <> $__5 OR $__4 = $__5 END)";

/// # Errors
/// If the times are too large to be written out.
pub(super) fn as_conditions(expr: &mut Expr) -> Result<()> {
    let Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } = &*expr else { return Ok(()) };
    let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_ref(), right.as_ref()) else { return Ok(()) };
    let ([a, b], [c, d]) = (left.as_slice(), right.as_slice()) else { return Ok(()) };
    let mut copies = Copies::default();
    // As often as each is written below.
    for time in [a, b, c, d].repeat(12) {
        copies.of(time)?;
    }
    let last = |one: &Expr, other: &Expr| {
        let last = "(CASE WHEN $__0 IS NOT NULL AND $__1 IS NOT NULL THEN greatest($__0, $__1) END)";
        template::expression(last, &[one.clone(), other.clone()])
    };
    let times = [a.clone(), b.clone(), c.clone(), d.clone(), last(a, b)?, last(c, d)?];
    *expr = template::expression(CONDITION, &times)?;
    Ok(())
}
