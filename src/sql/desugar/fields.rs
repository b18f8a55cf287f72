//! `lines[1].sku` and `(line).sku`: a field of what is computed, which the planner knows as `lines[1]['sku']`.

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Subscript, Value};

use super::relations::normal;

pub(super) fn as_subscripts(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    // In `o.lines[1]` the first point stands between a relation and its column.
    let mut is_computed = !matches!(**root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    for access in access_chain {
        match access {
            AccessExpr::Dot(Expr::Identifier(name)) if is_computed => {
                let index = Expr::value(Value::SingleQuotedString(normal(name)));
                *access = AccessExpr::Subscript(Subscript::Index { index });
            }
            AccessExpr::Dot(_) => {}
            AccessExpr::Subscript(_) => is_computed = true,
        }
    }
}
