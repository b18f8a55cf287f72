//! Fields of events and of named types: `name: type`, or the long form `{type, from, format}`.

use std::collections::BTreeMap;

use super::code::Code;
use super::field_type::{self, is_builtin};
use super::named_types::{Declared, NamedTypes};
use super::names::{is_reserved, snake_case};
use super::reader::NodeReader;
use super::yaml::{Data, Entry, Yaml};
use crate::event::{DataType, Field, FieldType, TimestampFormat};

/// Where fields stand, because columns of an event obey more rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldOwner {
    Column,
    Nested,
}

/// The named types of a source's `types`. Nothing is read yet: see [`NamedTypes::check_all`].
pub(super) fn named_types<'a>(reader: NodeReader<'a>, yaml: Option<&'a Yaml>) -> NamedTypes<'a> {
    let entries = yaml.and_then(|yaml| reader.entries(yaml, "`types`")).unwrap_or_default();
    let mut declared: BTreeMap<String, Declared<'a>> = BTreeMap::new();
    for entry in entries {
        let name = &entry.name;
        if is_builtin(name) {
            let hint = "choose a name that no type has, such as one that begins with a capital";
            reader.error(Code::BadName, entry.mark, format!("`{name}` is a type already"), hint);
        } else if !is_word(name) {
            reader.error(
                Code::BadName,
                entry.mark,
                format!("`{name}` cannot name a type"),
                "use letters, digits and `_`",
            );
        } else {
            let read = move |types: &NamedTypes<'a>| fields(reader, &entry.value, FieldOwner::Nested, types);
            declared.insert(name.clone(), Box::new(read));
        }
    }
    NamedTypes::new(declared)
}

/// All fields of a mapping, or `None` if any is wrong.
pub(super) fn fields(
    reader: NodeReader<'_>,
    yaml: &Yaml,
    standing: FieldOwner,
    types: &NamedTypes<'_>,
) -> Option<Vec<Field>> {
    let entries = reader.entries(yaml, "the fields")?;
    let named = check_names(reader, entries, standing);
    let whole = entries.iter().enumerate().filter(|(place, _)| !is_torn(entries, *place));
    let fields: Vec<Option<Field>> = whole.map(|(_, entry)| field(reader, entry, standing, types)).collect();
    let fields = fields.into_iter().collect::<Option<Vec<Field>>>().filter(|_| named)?;
    warn_of_shared_places(reader, entries, &fields);
    Some(fields)
}

/// Two columns that read one place may be meant, but are more often a slip of copying.
fn warn_of_shared_places(reader: NodeReader<'_>, entries: &[Entry], fields: &[Field]) {
    for (place, field) in fields.iter().enumerate() {
        let same = |earlier: &&Field| field.from.is_some() && earlier.from == field.from;
        if let (Some(earlier), Some(entry)) = (fields[..place].iter().find(same), entries.get(place)) {
            let from = field.from.as_deref().unwrap_or_default();
            let message = format!("columns `{}` and `{}` both read `{from}`", earlier.name, field.name);
            reader.warn(Code::SharedPlace, entry.mark, message, "change one of them, unless this is meant");
        }
    }
}

/// Checks the names of fields. Upper case is only warned of, because it can be quoted.
pub(super) fn check_names(reader: NodeReader<'_>, entries: &[Entry], standing: FieldOwner) -> bool {
    let mut fine = true;
    for (place, Entry { name, mark, .. }) in entries.iter().enumerate() {
        if is_torn(entries, place) {
            continue;
        }
        let same = |earlier: &&Entry| earlier.name.eq_ignore_ascii_case(name);
        if let Some(earlier) = entries[..place].iter().find(same) {
            let message = format!("columns `{}` and `{name}` differ only in case", earlier.name);
            reader.error(Code::Repeated, *mark, message, "SQL ignores case: rename one of them");
            fine = false;
        } else if standing == FieldOwner::Column && name.starts_with('_') {
            let hint = format!("write `{}: {{type: …, from: /{name}}}`", name.trim_start_matches('_'));
            reader.error(
                Code::BadName,
                *mark,
                format!("column `{name}` begins with `_`, as only metadata columns do"),
                hint,
            );
            fine = false;
        } else if !is_word(name) {
            let hint = format!("write `{}: {{type: …, from: \"/{name}\"}}`", column_name(name));
            reader.error(Code::BadName, *mark, format!("`{name}` cannot name a column"), hint);
            fine = false;
        } else if name.chars().any(|c| c.is_ascii_uppercase()) {
            let hint = format!(
                "name it `{}` (with `naming: camelCase`, or `from`), or write `\"{name}\"` in SQL",
                snake_case(name)
            );
            reader.warn(
                Code::NeedsQuotes,
                *mark,
                format!("column `{name}` has capitals, which SQL lowers unless they are quoted"),
                hint,
            );
        } else if is_reserved(name) {
            let hint = format!("rename it and read it with `from: /{name}`, or write `\"{name}\"` in SQL");
            reader.warn(
                Code::NeedsQuotes,
                *mark,
                format!("column `{name}` is a word of SQL, which must be quoted there"),
                hint,
            );
        }
    }
    fine
}

/// Reads a type; what is wrong is reported at its place within the text.
pub(super) fn read_type(reader: NodeReader<'_>, yaml: &Yaml, what: &str, types: &NamedTypes<'_>) -> Option<FieldType> {
    let text = reader.text(yaml, what)?;
    match field_type::parse(text, types) {
        Ok(field_type) => Some(field_type),
        Err(wrong) => {
            reader.error_within(Code::BadType, yaml, (wrong.at, wrong.length), &wrong.message, &wrong.hint);
            None
        }
    }
}

pub(super) fn field(
    reader: NodeReader<'_>,
    entry: &Entry,
    standing: FieldOwner,
    types: &NamedTypes<'_>,
) -> Option<Field> {
    let what = format!("the type of `{}`", entry.name);
    if !matches!(entry.value.data, Data::Mapping(_)) {
        let field_type = read_type(reader, &entry.value, &what, types)?;
        return Some(Field { name: entry.name.clone(), field_type, from: None });
    }
    let long = reader.map(&entry.value, &format!("the field `{}`", entry.name), &["type", "from", "format"], &[])?;
    let field_type = long.need("type", "such as `{type: string, from: /address/city}`");
    let mut field_type = field_type.and_then(|yaml| read_type(reader, yaml, &what, types));
    if let Some(yaml) = long.get("format") {
        let format = reader.choice(yaml, "`format`", &TimestampFormat::ALL);
        field_type = match (field_type, format) {
            (Some(FieldType { data_type: DataType::Timestamp(_), required }), Some(format)) => {
                Some(FieldType { data_type: DataType::Timestamp(format), required })
            }
            (Some(other), Some(_)) => {
                let message = format!("`format` is for timestamps, not for `{}`", field_type::describe(&other));
                long.error_at_key(Code::NotTogether, "format", message, "remove it, or write `type: timestamp`");
                None
            }
            _ => None,
        };
    }
    let from = match long.get("from") {
        None => None,
        Some(_) if standing == FieldOwner::Nested => {
            let hint = "declare a column of the event with this `from` instead";
            long.error_at_key(Code::NotTogether, "from", "`from` is only for the columns of an event", hint);
            return None;
        }
        Some(yaml) => Some(pointer(reader, yaml, reader.text(yaml, "`from`")?, 0)?.to_owned()),
    };
    Some(Field { name: entry.name.clone(), field_type: field_type?, from })
}

/// Checks a JSON pointer that begins at this character of the scalar.
pub(super) fn pointer<'a>(reader: NodeReader<'_>, yaml: &Yaml, text: &'a str, begin: usize) -> Option<&'a str> {
    if !text.starts_with('/') {
        let hint =
            format!("write it with slashes, from the root: `/{}`", text.trim_start_matches("$.").replace('.', "/"));
        let length = text.chars().count();
        reader.error_within(Code::BadPlace, yaml, (begin, length), &format!("`{text}` is not a JSON pointer"), &hint);
        return None;
    }
    let mut parts = text.split('~').skip(1);
    if parts.any(|after| !after.starts_with(['0', '1'])) {
        let hint = "within a JSON pointer `~0` stands for `~` and `~1` for `/`";
        reader.error_within(
            Code::BadPlace,
            yaml,
            (begin, text.chars().count()),
            &format!("`{text}` is not a JSON pointer"),
            hint,
        );
        return None;
    }
    Some(text)
}

/// Whether an entry is only the rest of the type before it, which a comma of `{…}` cut in two: `decimal(18` and `2)`.
/// The type itself is reported, so the rest need not be.
fn is_torn(entries: &[Entry], place: usize) -> bool {
    let Some(Entry { value: Yaml { data: Data::Scalar(before), .. }, .. }) =
        place.checked_sub(1).map(|at| &entries[at])
    else {
        return false;
    };
    let open = before.text.matches(['(', '<']).count();
    entries[place].value.is_null() && open > before.text.matches([')', '>']).count()
}

/// A name for a column whose own name SQL does not take.
fn column_name(name: &str) -> String {
    let snake = snake_case(name);
    if is_word(&snake) { snake } else { format!("column_{snake}") }
}

/// A letter, then letters, digits and `_`; also `_` first.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
