//! What DataFusion says of SQL by its own terms, in the words of who wrote it.

use super::signatures::in_sql;

/// Types of PostgreSQL that are not here, as the planner spells them in small letters, and what to write instead.
const TYPES: [(&str, &str); 23] = [
    ("uuid", "TEXT"),
    ("citext", "TEXT, and `lower(x)` where case does not count"),
    ("money", "DECIMAL(19, 2)"),
    ("inet", "TEXT"),
    ("cidr", "TEXT"),
    ("macaddr", "TEXT"),
    ("xml", "TEXT"),
    ("hstore", "JSON"),
    ("bit", "BYTEA, or BOOLEAN for one"),
    ("oid", "BIGINT"),
    ("regclass", "TEXT"),
    ("name", "TEXT"),
    ("time with time zone", "TIMESTAMP WITH TIME ZONE"),
    ("timetz", "TIMESTAMP WITH TIME ZONE"),
    ("tsvector", "TEXT, and a projection of `kind: search`"),
    ("point", "two columns"),
    ("int4range", "two columns"),
    ("int8range", "two columns"),
    ("numrange", "two columns"),
    ("daterange", "two columns"),
    ("tsrange", "two columns"),
    ("tstzrange", "two columns"),
    ("geometry", "two columns"),
];

/// Texts of the planner that name types as Arrow does.
const OF_TYPES: [&str; 6] = [
    "Cannot coerce arithmetic expression",
    "Cannot cast string",
    "Cannot infer common",
    "Cannot access field",
    "There isn't a common type",
    "Unary operator",
];

/// The text in other words, if it is one of those that are known here.
pub(super) fn told(text: &str) -> Option<String> {
    of_function(text)
        .or_else(|| of_type(text))
        .or_else(|| of_group(text))
        .or_else(|| of_aggregate(text))
        .or_else(|| OF_TYPES.iter().any(|begin| text.starts_with(begin)).then(|| in_sql(text)))
}

/// Of all functions the planner suggests the one whose name is least unlike, however unlike that is.
fn of_function(text: &str) -> Option<String> {
    let (name, rest) = text.strip_prefix("Invalid function '")?.split_once('\'')?;
    let near = rest.split_once("Did you mean '").and_then(|(_, near)| near.split_once('\'')).map(|(near, _)| near);
    let is_near = |near: &&str| strsim::osa_distance(name, near) <= (name.chars().count() / 3).max(1);
    let near = near.filter(is_near).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("there is no function `{name}`{near}"))
}

fn of_type(text: &str) -> Option<String> {
    let name = text.strip_prefix("Unsupported SQL type ")?;
    let known = name.split_once('(').map_or(name, |(name, _)| name).to_lowercase();
    let instead = TYPES.iter().find(|(of, _)| *of == known).map(|(_, instead)| format!(": write {instead}"));
    Some(format!("there is no type `{name}`{}", instead.unwrap_or_default()))
}

fn of_group(text: &str) -> Option<String> {
    let (clause, rest) = text.strip_prefix("Column in ")?.split_once(" must be in GROUP BY")?;
    let (_, rest) = rest.split_once("column \"")?;
    let (column, _) = rest.split_once("\" must appear in the GROUP BY clause")?;
    Some(format!(
        "`{column}` in {clause} may differ between the rows of a group: write it in GROUP BY, or one of each group, as in `max({column})`"
    ))
}

fn of_aggregate(text: &str) -> Option<String> {
    if text.starts_with("Aggregate function calls cannot be nested") {
        return Some("an aggregate stands in another one: name the inner one in a subquery in FROM".to_owned());
    }
    let (said, _) = text.split_once(". Found in '")?;
    said.starts_with("FILTER clause can only be used with aggregate").then(|| {
        "a window function that is no aggregate takes no FILTER: write a condition in a subquery in FROM".to_owned()
    })
}

/// What the parser says of a word that it knows from other dialects, without its type.
pub(super) fn of_parser(text: &str) -> String {
    let word = || {
        let (_, rest) = text.split_once("No infix parser for token Word(Word { value: \"")?;
        let (word, rest) = rest.split_once('"')?;
        let (_, place) = rest.split_once("})")?;
        Some(format!("`{word}` is no operator here{place}"))
    };
    word().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_function_of_a_near_name_is_suggested() {
        let invalid = |name: &str, near: &str| told(&format!("Invalid function '{name}'.\nDid you mean '{near}'?"));
        assert_eq!(
            invalid("lenght", "length").as_deref(),
            Some("there is no function `lenght`; did you mean `length`?")
        );
        assert_eq!(invalid("f", "ln").as_deref(), Some("there is no function `f`"));
        assert_eq!(told("Invalid function 'f'.").as_deref(), Some("there is no function `f`"));
    }

    #[test]
    fn a_type_of_postgresql_is_told_with_the_one_that_is_here() {
        assert_eq!(told("Unsupported SQL type UUID").as_deref(), Some("there is no type `UUID`: write TEXT"));
        assert_eq!(
            told("Unsupported SQL type BIT(3)").as_deref(),
            Some("there is no type `BIT(3)`: write BYTEA, or BOOLEAN for one")
        );
        assert_eq!(told("Unsupported SQL type mood").as_deref(), Some("there is no type `mood`"));
    }

    #[test]
    fn a_word_of_another_dialect_is_told_by_itself() {
        let text = "No infix parser for token Word(Word { value: \"DIV\", quote_style: None, keyword: DIV }) at Line: 1, Column: 10";
        assert_eq!(of_parser(text), "`DIV` is no operator here at Line: 1, Column: 10");
        assert_eq!(of_parser("Expected: an expression, found: EOF"), "Expected: an expression, found: EOF");
    }
}
