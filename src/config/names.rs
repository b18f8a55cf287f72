//! Names as SQL sees them: identifiers, reserved words, and the table name of an event type.

use super::code::Code;
use super::diagnostic::Mark;
use super::reader::NodeReader;

/// Words that SQL keeps to itself: a relation or column of that name would have to be quoted everywhere.
const RESERVED: &[&str] = &[
    "all",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "default",
    "delete",
    "desc",
    "distinct",
    "drop",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "fetch",
    "filter",
    "for",
    "foreign",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "in",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "pivot",
    "primary",
    "qualify",
    "references",
    "returning",
    "right",
    "select",
    "semi",
    "set",
    "similar",
    "some",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "unnest",
    "unpivot",
    "update",
    "user",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
];

/// Schemas that exist in every SQL session.
const RESERVED_SCHEMAS: &[&str] = &["public", "information_schema", "pg_catalog", "datafusion"];

/// Whether SQL keeps a word to itself, however it is written.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

/// Whether every SQL session has a schema of this name.
pub fn is_reserved_schema(name: &str) -> bool {
    RESERVED_SCHEMAS.contains(&name)
}

/// A lower-case SQL identifier, which needs no quotes.
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `OrderPlaced`, `orderPlaced`, `order-placed`, `com.shop.OrderPlaced` → `order_placed`; `HTTPCall` → `http_call`.
pub fn snake_case(name: &str) -> String {
    let characters: Vec<char> = name.rsplit('.').next().unwrap_or_default().chars().collect();
    let mut snake = String::new();
    for (place, &c) in characters.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            continue;
        }
        let before = place.checked_sub(1).map(|before| characters[before]);
        let next_is_lower = characters.get(place + 1).is_some_and(char::is_ascii_lowercase);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || (b.is_ascii_uppercase() && next_is_lower)
            });
        if starts_word && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake.trim_end_matches('_').to_owned()
}

/// Checks the name of a document of the user's: "projection", "query", ….
pub(super) fn check(reader: NodeReader<'_>, mark: Mark, what: &str, name: &str) -> bool {
    if is_identifier(name) {
        return true;
    }
    let suggestion = snake_case(name);
    let hint = if is_identifier(&suggestion) {
        format!("use a-z, 0-9 and `_`, such as `{suggestion}`")
    } else {
        "use a-z, 0-9 and `_`, and begin with a letter".to_owned()
    };
    reader.error(Code::BadName, mark, format!("`{name}` cannot name a {what}"), hint);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("Order") && !is_reserved("orders"));
    }

    #[test]
    fn event_names_become_tables() {
        for (name, table) in [
            ("OrderPlaced", "order_placed"),
            ("com.shop.orders.OrderPlaced", "order_placed"),
            ("orderPlaced", "order_placed"),
            ("order-placed", "order_placed"),
            ("order_placed", "order_placed"),
            ("HTTPCall", "http_call"),
            ("CallHTTP", "call_http"),
            ("OrderPlacedV2", "order_placed_v2"),
            ("A", "a"),
            ("été", "t"),
        ] {
            assert_eq!(snake_case(name), table, "{name}");
        }
    }
}
