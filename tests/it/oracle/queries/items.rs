//! The items of a selection and the columns that they become.

use super::super::expressions::Column;
use super::super::syntax::{Expr, From, Query, Select};
use super::super::types::Type;
use super::Made;

/// The items of a selection, named `c0`, `c1` and so on.
#[derive(Default)]
pub(super) struct Items {
    items: Vec<(Expr, String)>,
    columns: Vec<Column>,
}

impl Items {
    pub(super) fn push(&mut self, item: Expr, of: Type) {
        let name = format!("c{}", self.items.len());
        self.items.push((item, name.clone()));
        spread(&name, &of, &mut self.columns);
    }

    /// The names of the items, which can be a key.
    pub(super) fn names(&self) -> Vec<String> {
        self.items.iter().map(|(_, name)| name.clone()).collect()
    }

    /// The selection. What is known of the relation's rows is left to whoever knows what becomes of them.
    pub(super) fn select(self, from: From, filter: Option<Expr>) -> Made {
        let select = Select {
            distinct: None,
            items: self.items,
            from,
            filter,
            grouping: "",
            groups: Vec::new(),
            having: None,
            qualify: None,
            order: Vec::new(),
            limit: String::new(),
        };
        Made {
            query: Query::Select(Box::new(select)),
            columns: self.columns,
            key: None,
            append_only: false,
            in_stream_order: false,
            row_wise: false,
        }
    }
}

/// A column, and the fields of a struct column.
pub(super) fn spread(name: &str, of: &Type, columns: &mut Vec<Column>) {
    columns.push(Column { sql: name.to_owned(), column_type: of.clone() });
    if let Type::Struct(fields) = of {
        for (field, of) in fields {
            spread(&format!("{name}['{field}']"), of, columns);
        }
    }
}

/// The columns that every event relation begins with, as far as queries use them.
pub(super) fn metadata() -> Vec<Column> {
    let column = |name: &str, column_type| Column { sql: name.to_owned(), column_type };
    vec![
        column("_seq", Type::Int),
        column("_key", Type::Text),
        column("_type", Type::Text),
        column("_time", Type::Timestamp),
        column("_late", Type::Bool),
    ]
}
