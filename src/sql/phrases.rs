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

/// Texts of the planner that name types as Arrow does, by how they begin.
const OF_TYPES: [&str; 12] = [
    "Can not find compatible types",
    "Can't cast value",
    "Cannot access field",
    "Cannot cast string",
    "Cannot coerce arithmetic expression",
    "Cannot infer common",
    "Expected LIMIT to be",
    "Failed to coerce then",
    "There isn't a common type",
    "Unary operator",
    "Unexpected argument type to",
    "Unsupported CAST from",
];

/// Texts of the planner by how they begin, and what they mean.
const MEANT: [(&str, &str); 6] = [
    (
        "Aggregate function calls cannot be nested",
        "an aggregate stands in another one: name the inner one in a subquery in FROM",
    ),
    (
        "Aggregate function calls cannot contain window function calls",
        "a window function stands in an aggregate: name it in a subquery in FROM",
    ),
    (
        "Window function calls cannot be nested",
        "a window function stands in another one: name the inner one in a subquery in FROM",
    ),
    (
        "FILTER clause can only be used with aggregate",
        "a window function that is no aggregate takes no FILTER: write a condition in a subquery in FROM",
    ),
    ("There is only support Literal types for field", "a window function takes a value that is written out there"),
    (
        "Unnest should be rewritten to",
        "`unnest` gives rows: write it in FROM, as in `FROM t, unnest(t.list) AS x`, and name `x` here",
    ),
];

/// The text in other words, if it is one of those that are known here.
pub(super) fn told(text: &str) -> Option<String> {
    let meant = || MEANT.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, meant)| (*meant).to_owned());
    of_function(text)
        .or_else(|| of_type(text))
        .or_else(|| of_group(text))
        .or_else(|| of_condition(text))
        .or_else(|| of_names(text))
        .or_else(|| of_times(text))
        .or_else(meant)
        .or_else(|| OF_TYPES.iter().any(|begin| text.starts_with(begin)).then(|| types_in_sql(text)))
}

/// The types in a text, and not what stands in quotes: it is an author's or an event's own.
fn types_in_sql(text: &str) -> String {
    // The quote of `can't` is none.
    let (said, text) = text.split_at(text.find("n't").map_or(0, |at| at + "n't".len()));
    let parts = text.split('\'').enumerate();
    let parts = parts.map(|(place, part)| if place % 2 == 0 { in_sql(part) } else { part.to_owned() });
    format!("{said}{}", parts.collect::<Vec<_>>().join("'"))
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
    if let Some((column, _)) =
        text.strip_prefix("HAVING clause references: ").and_then(|rest| rest.split_once(" must appear in"))
    {
        return Some(format!(
            "`{column}` in HAVING may differ between the rows of a group: compare what is grouped by, or an aggregate, as in `max(x) > 1`"
        ));
    }
    let (clause, rest) = text.strip_prefix("Column in ")?.split_once(" must be in GROUP BY")?;
    let (_, rest) = rest.split_once("column \"")?;
    let (column, _) = rest.split_once("\" must appear in the GROUP BY clause")?;
    Some(differs(column, clause))
}

fn differs(column: &str, clause: &str) -> String {
    format!(
        "`{column}` in {clause} may differ between the rows of a group: write it in GROUP BY, or one of each group, as in `max({column})`"
    )
}

fn of_condition(text: &str) -> Option<String> {
    let (value, given) =
        text.strip_prefix("Cannot create filter with non-boolean predicate '")?.split_once("' returning ")?;
    Some(format!("a condition is true or false, and `{value}` is {}: compare it with something", in_sql(given)))
}

fn of_names(text: &str) -> Option<String> {
    let (columns, rest) = text.strip_prefix("Source table contains ")?.split_once(" columns but only ")?;
    let (named, _) = rest.split_once(" names given")?;
    Some(format!("the columns here are {columns}, and {named} are named in parentheses"))
}

fn of_times(text: &str) -> Option<String> {
    let (operation, _) = text.strip_prefix("Cannot get result type for temporal operation ")?.split_once(": ")?;
    Some(format!(
        "there is no `{}`: write `a - b` for the time between two, and `t + INTERVAL '1 day'`",
        in_sql(operation)
    ))
}

/// What the parser says of a word that it knows from other dialects, without its type.
pub(super) fn of_parser(text: &str) -> String {
    let word = || {
        let (_, rest) = text.split_once("No infix parser for token Word(Word { value: \"")?;
        let (word, rest) = rest.split_once('"')?;
        let (_, place) = rest.split_once("})")?;
        Some(format!("`{word}` is no operator here{place}"))
    };
    let token = || {
        let (_, place) = text.strip_prefix("No infix parser for token ")?.split_once(" at Line")?;
        Some(format!("an operator that is not here stands between two values, at Line{place}"))
    };
    word().or_else(token).unwrap_or_else(|| text.to_owned())
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
    fn what_stands_in_quotes_is_left_as_it_is() {
        assert_eq!(
            told("Cannot cast string 'index of Utf8' to value of Int32 type").as_deref(),
            Some("Cannot cast string 'index of Utf8' to value of int32 type")
        );
    }

    #[test]
    fn what_is_no_condition_is_told_with_its_type() {
        assert_eq!(
            told("Cannot create filter with non-boolean predicate 't.n' returning Int64").as_deref(),
            Some("a condition is true or false, and `t.n` is int64: compare it with something")
        );
        assert_eq!(
            told("Source table contains 1 columns but only 2 names given as column alias").as_deref(),
            Some("the columns here are 1, and 2 are named in parentheses")
        );
    }

    #[test]
    fn a_word_of_another_dialect_is_told_by_itself() {
        let text = "No infix parser for token Word(Word { value: \"DIV\", quote_style: None, keyword: DIV }) at Line: 1, Column: 10";
        assert_eq!(of_parser(text), "`DIV` is no operator here at Line: 1, Column: 10");
        assert_eq!(
            of_parser("No infix parser for token AtSign at Line: 1, Column: 3"),
            "an operator that is not here stands between two values, at Line: 1, Column: 3"
        );
        assert_eq!(of_parser("Expected: an expression, found: EOF"), "Expected: an expression, found: EOF");
    }
}
