//! Names of columns, tables and types from names in the payload that SQL does not take as they are.

use std::collections::BTreeSet;

use super::observed::Observed;
use crate::config::{is_identifier, is_reserved, is_reserved_schema, snake_case};
use crate::event::Naming;

/// How most names are written that are more than one word.
pub(super) fn naming(roots: &[&Observed]) -> Naming {
    let (mut camel, mut others) = (BTreeSet::new(), BTreeSet::new());
    roots.iter().for_each(|root| count(root, &mut camel, &mut others));
    if camel.len() > others.len() { Naming::CamelCase } else { Naming::AsWritten }
}

fn count<'a>(observed: &'a Observed, camel: &mut BTreeSet<&'a str>, others: &mut BTreeSet<&'a str>) {
    for member in &observed.members.list {
        let name = member.name.as_str();
        let is_camel = Naming::CamelCase.written(&snake_case(name)) == name;
        match is_camel {
            true if name.contains(|c: char| c.is_ascii_uppercase()) => drop(camel.insert(name)),
            false if is_word(name) => drop(others.insert(name)),
            _ => {}
        }
        count(&member.observed, camel, others);
    }
    if let Some(items) = &observed.items {
        count(items, camel, others);
    }
}

/// A column that is not among those that are taken, and the pointer that it needs.
pub(super) fn column_name(member: &str, naming: Naming, taken: &[String]) -> (String, Option<String>) {
    let snake = snake_case(member).trim_start_matches('_').to_owned();
    let base = if is_reserved(&snake) {
        format!("{snake}_value")
    } else if is_identifier(&snake) {
        snake
    } else if snake.is_empty() {
        "column_1".to_owned()
    } else {
        format!("column_{snake}")
    };
    let is_free = |name: &String| taken.iter().all(|other| !other.eq_ignore_ascii_case(name));
    let name = free(&base, is_free);
    let from = (naming.written(&name) != member).then(|| format!("/{}", token(member)));
    (name, from)
}

/// A name as a token of a JSON pointer.
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name of a member of a struct; none if no name would read it.
pub(super) fn nested_name(member: &str, naming: Naming) -> Option<String> {
    let name = match naming {
        Naming::AsWritten => member.to_owned(),
        Naming::CamelCase => snake_case(member),
    };
    (is_word(&name) && naming.written(&name) == member).then_some(name)
}

/// The table of an event type, if its own name gives none that can be used or is free.
pub(super) fn table(event_type: &str, taken: &mut BTreeSet<String>) -> Option<String> {
    let own = snake_case(event_type);
    let is_usable =
        |name: &str| is_identifier(name) && !name.starts_with('_') && !is_reserved(name) && name != "events";
    if is_usable(&own) && taken.insert(own.clone()) {
        return None;
    }
    let all = snake_case(&event_type.replace('.', "_"));
    let all = all.trim_start_matches('_');
    let base = if is_usable(all) {
        all.to_owned()
    } else if all.is_empty() {
        "untitled".to_owned()
    } else {
        format!("event_{all}")
    };
    let name = free(&base, |name| !taken.contains(name));
    taken.insert(name.clone());
    Some(name)
}

/// The name of a source, from that of a stream or file.
pub fn source_name(name: &str) -> String {
    let snake = snake_case(&name.replace('.', "_"));
    let snake = snake.trim_start_matches('_');
    if snake.is_empty() {
        "source".to_owned()
    } else if !is_identifier(snake) {
        format!("source_{snake}")
    } else if is_reserved(snake) || is_reserved_schema(snake) {
        format!("{snake}_events")
    } else {
        snake.to_owned()
    }
}

/// The name of a struct type, from that of the column that has it.
pub(super) fn type_name(column: &str, is_item: bool) -> String {
    let mut name = String::new();
    for word in snake_case(column).split('_').filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        name += &(first.to_ascii_uppercase() + rest);
    }
    let one = if is_item && name.len() > 3 && !name.ends_with("ss") { name.strip_suffix('s') } else { None };
    let name = one.unwrap_or(&name);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name.to_owned() } else { format!("Type{name}") }
}

/// The name, or the first of it with a number behind that is free.
pub(super) fn free(base: &str, is_free: impl Fn(&String) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{base}_{number}"));
    std::iter::once(base.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

/// Whether one of the words that a name is made of is one of these.
pub(super) fn has_word(name: &str, words: &[&str]) -> bool {
    snake_case(name).split('_').any(|word| words.contains(&word))
}

/// Letters and digits of a name in lower case, of its last part.
pub(super) fn flat(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// As the names of columns and types are: a letter or `_`, then letters, digits and `_`.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_names_that_sql_takes() {
        let of = |member, naming| column_name(member, naming, &["total".to_owned()]);
        let plain = |name: &str| (name.to_owned(), None);
        let from = |name: &str, from: &str| (name.to_owned(), Some(from.to_owned()));
        assert_eq!(of("order_id", Naming::AsWritten), plain("order_id"));
        assert_eq!(of("orderId", Naming::CamelCase), plain("order_id"));
        assert_eq!(of("orderId", Naming::AsWritten), from("order_id", "/orderId"));
        assert_eq!(of("order_id", Naming::CamelCase), from("order_id", "/order_id"));
        assert_eq!(of("Total", Naming::AsWritten), from("total_2", "/Total"));
        assert_eq!(of("from", Naming::AsWritten), from("from_value", "/from"));
        assert_eq!(of("_id", Naming::AsWritten), from("id", "/_id"));
        assert_eq!(of("a/b~", Naming::AsWritten), from("a_b", "/a~1b~0"));
        assert_eq!(of("0", Naming::AsWritten), from("column_0", "/0"));
        assert_eq!(of("été", Naming::AsWritten).1.as_deref(), Some("/été"));
        assert_eq!(of("", Naming::AsWritten), from("column_1", "/"));
    }

    #[test]
    fn tables_are_free_and_usable() {
        let mut taken = BTreeSet::new();
        let tables = ["shop.Placed", "audit.Placed", "Events", "3", "", "select"].map(|name| table(name, &mut taken));
        let expected =
            [None, Some("audit_placed"), Some("event_events"), Some("event_3"), Some("untitled"), Some("event_select")];
        assert_eq!(tables.each_ref().map(Option::as_deref), expected);
    }

    #[test]
    fn types_are_named_after_what_has_them() {
        assert_eq!(
            ["order_lines", "address", "lines"].map(|name| type_name(name, true)),
            ["OrderLine", "Address", "Line"]
        );
        assert_eq!(type_name("intake", false), "Intake");
    }
}
