//! `EXISTS (SELECT FROM t)`: a SELECT of no columns asks only whether there are rows, as one of a constant does.

use datafusion::sql::sqlparser::ast::{Expr, Select, SelectFlavor, SelectItem, Value};

pub(super) fn as_constant(select: &mut Select) {
    if select.projection.is_empty() && matches!(select.flavor, SelectFlavor::Standard) {
        let one = Expr::value(Value::Number("1".to_owned(), false));
        select.projection = vec![SelectItem::UnnamedExpr(one)];
    }
}
