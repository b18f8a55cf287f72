//! What the schemas are made of. Each kind of value takes what its reader in `reader.rs` takes.

use serde_json::{Map, Value, json};

/// A variable of the environment may stand in any scalar, and its value is not known.
const VARIABLE: &str = r"\$\{";

/// A key of a mapping.
pub(super) struct Key {
    name: &'static str,
    is_needed: bool,
    value: Value,
    /// What an editor shows.
    about: &'static str,
}

/// A key that has to be there.
pub(super) fn need(name: &'static str, value: Value, about: &'static str) -> Key {
    Key { name, is_needed: true, value, about }
}

/// A key that may be left out.
pub(super) fn may(name: &'static str, value: Value, about: &'static str) -> Key {
    Key { name, is_needed: false, value, about }
}

/// A mapping with these keys, and those of the user's own that begin with `x-`.
pub(super) fn mapping<const N: usize>(keys: [Key; N]) -> Value {
    let needed: Vec<&str> = keys.iter().filter(|key| key.is_needed).map(|key| key.name).collect();
    let members = keys.into_iter().map(|Key { name, value, about, .. }| (name.to_owned(), described(value, about)));
    let members: Map<String, Value> = members.collect();
    let mut schema = json!({
        "type": "object",
        "properties": members,
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

/// The same value with a text that an editor shows.
pub(super) fn described(value: Value, about: &str) -> Value {
    let mut schema = Map::from_iter([("description".to_owned(), json!(about))]);
    schema.extend(value.as_object().cloned().unwrap_or_default());
    Value::Object(schema)
}

/// The same value with more keywords.
pub(super) fn with(mut value: Value, keywords: &Value) -> Value {
    if let (Some(schema), Some(more)) = (value.as_object_mut(), keywords.as_object()) {
        schema.extend(more.clone());
    }
    value
}

/// A mapping whose keys are names of the user's own.
pub(super) fn names(value: &Value) -> Value {
    json!({"type": "object", "additionalProperties": value})
}

pub(super) fn any_of<const N: usize>(ways: [Value; N]) -> Value {
    json!({"anyOf": ways.as_slice()})
}

/// Whatever is there.
pub(super) fn anything() -> Value {
    json!({})
}

/// A single value that is not blank. A number or a truth value is text, too.
pub(super) fn text() -> Value {
    json!({"type": ["string", "number", "boolean"], "pattern": r"\S"})
}

/// A text of this form.
pub(super) fn pattern(form: &str) -> Value {
    json!({"type": "string", "pattern": format!("{form}|{VARIABLE}")})
}

/// One text, or a list of them.
pub(super) fn texts() -> Value {
    any_of([text(), json!({"type": "array", "items": text()})])
}

/// An identifier of SQL. YAML takes some of them for truth values.
pub(super) fn identifier() -> Value {
    json!({"type": ["string", "boolean"], "pattern": format!("^[a-z_][a-z0-9_]*$|{VARIABLE}")})
}

/// A whole number, also with `_` between its digits.
pub(super) fn integer(low: u64, high: Option<u64>) -> Value {
    let mut number = json!({"type": "integer", "minimum": low});
    if let Some(high) = high {
        number["maximum"] = json!(high);
    }
    any_of([number, pattern(r"^\+?[0-9_]*[0-9][0-9_]*$")])
}

/// A number of things, at least one.
pub(super) fn count() -> Value {
    integer(1, None)
}

pub(super) fn flag() -> Value {
    any_of([json!({"type": "boolean"}), pattern("^(true|false)$")])
}

pub(super) fn choice<'a>(choices: impl IntoIterator<Item = &'a str>) -> Value {
    let choices: Vec<&str> = choices.into_iter().collect();
    any_of([json!({"enum": choices}), json!({"type": "string", "pattern": VARIABLE})])
}

pub(super) fn duration() -> Value {
    pattern(r"^[0-9_]*[0-9][0-9_]*\s*(ms|s|m|h|d)\s*$")
}

/// A duration that is not zero.
pub(super) fn interval() -> Value {
    pattern(r"^[0-9_]*[1-9][0-9_]*\s*(ms|s|m|h|d)\s*$")
}

pub(super) fn bytes() -> Value {
    let units = pattern(r"^[0-9_]*[1-9][0-9_]*\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$");
    any_of([json!({"type": "integer", "minimum": 1}), units])
}

/// An amount that may be 0.
pub(super) fn bytes_or_none() -> Value {
    let units = pattern(r"^[0-9_]*[0-9][0-9_]*\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$");
    any_of([json!({"type": "integer", "minimum": 0}), units])
}

/// The text of a type. Only what it begins with is looked at, and only to offer it.
pub(super) fn data_type() -> Value {
    const OFFERED: [&str; 13] = [
        "string",
        "string!",
        "bool",
        "int32",
        "int64",
        "int64!",
        "float32",
        "float64",
        "date",
        "timestamp",
        "json",
        "decimal(18,2)",
        "list<string>",
    ];
    any_of([json!({"enum": OFFERED}), json!({"type": "string", "pattern": r"\S"})])
}

/// When what was built takes the place of what serves.
pub(super) fn promotion() -> Value {
    choice(["auto", "when-equal", "manual"])
}
