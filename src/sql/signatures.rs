//! What DataFusion says of a function that is called with other types than it takes, in short: it lists the terms of its
//! type system, every spelling of a text type, and each signature that it has tried.

/// The types of SQL by what Arrow calls them; the longer name first where one begins another.
const TYPES: [(&str, &str); 22] = [
    ("Timestamp(µs, \"UTC\")", "timestamp"),
    ("Timestamp(µs)", "timestamp without time zone"),
    ("Interval(MonthDayNano)", "interval"),
    ("Decimal128(", "decimal("),
    ("LargeUtf8", "string"),
    ("Utf8View", "string"),
    ("Utf8", "string"),
    ("String", "string"),
    ("Boolean", "bool"),
    ("Date32", "date"),
    ("Int64", "int64"),
    ("Int32", "int32"),
    ("Float64", "float64"),
    ("Float32", "float32"),
    ("Duration(µs)", "duration"),
    ("Duration", "duration"),
    ("Interval", "interval"),
    ("Decimal", "decimal"),
    ("Integer", "integer"),
    ("Numeric(1)", "number"),
    ("index", "integer"),
    ("Null", "NULL"),
];

/// What is no signature to an author, or of a type that no declaration has.
const TERMS: [&str; 7] = ["UInt", "UserDefined", "Any", "Variadic", "Nullary", "element", "CAST"];

/// So many ways to call a function are told.
const TOLD_MAX: usize = 4;

/// The message in short, if it is of this kind.
pub(super) fn of_signature(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(" No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once("'. You might")?;
    let (name, given) = call.split_once('(')?;
    let given = in_sql(given.strip_suffix(')')?);
    // Functions that look at their arguments themselves say what is wrong.
    if let Some((_, own)) = before.split_once("user-defined coercion failed with: ") {
        let own =
            ["Error during planning: ", "Execution error: "].iter().fold(own, |own, kind| own.trim_start_matches(kind));
        let own = match own.contains("Fail to find the coerced type") {
            true => "the values have no type in common",
            false => own.trim_end_matches('.'),
        };
        return Some(format!("{}: it is called with ({given})", in_sql(own)));
    }
    let candidates = rest.split_once("Candidate functions:").map_or("", |(_, candidates)| candidates);
    let mut told: Vec<String> = Vec::new();
    for candidate in candidates.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let shown = in_sql(candidate);
        if !TERMS.iter().any(|term| candidate.contains(term)) && !told.contains(&shown) {
            told.push(shown);
        }
    }
    let calls: Vec<String> = told.iter().take(TOLD_MAX).map(|call| format!("`{call}`")).collect();
    let more = if told.len() > TOLD_MAX { " and others" } else { "" };
    let takes = match calls.as_slice() {
        [] => String::new(),
        [one] => format!("; it takes {one}"),
        _ => format!("; it takes {}{more}", calls.join(", ")),
    };
    Some(format!("`{name}` does not take ({given}){takes}"))
}

/// A text that names types as Arrow does, with those of SQL.
pub(super) fn in_sql(types: &str) -> String {
    TYPES.iter().fold(types.to_owned(), |types, (arrow, sql)| types.replace(arrow, sql))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(of_signature(text).unwrap(), expected);
    }

    #[test]
    fn what_a_function_takes_is_told_in_types_of_sql() {
        check(
            "Failed to coerce arguments to satisfy a call to 'lpad' function: coercion from Utf8 to the signature \
             OneOf(Exact(Utf8View, Int64)) failed. No function matches the given name and argument types 'lpad(Utf8)'. You might \
             need to add explicit type casts.\n\tCandidate functions:\n\tlpad(Utf8View, Int64)\n\tlpad(Utf8, Int64)",
            "`lpad` does not take (string); it takes `lpad(string, int64)`",
        );
        check(
            "Execution error: Function 'f' user-defined coercion failed with: `f` takes two numbers: `f(y, x)`. No function \
             matches the given name and argument types 'f(Decimal128(12, 2), Utf8)'. You might need to add explicit type \
             casts.\n\tCandidate functions:\n\tf(UserDefined)",
            "`f` takes two numbers: `f(y, x)`: it is called with (decimal(12, 2), string)",
        );
        assert_eq!(of_signature("Invalid function 'f'."), None);
    }
}
