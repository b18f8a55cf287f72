//! The fields of an event that are sensitive: by their names, and by paths into structs.
//!
//! Whether something hides them wherever they come out is looked at where SQL is compiled.

use super::code::Code;
use super::field_type::describe;
use super::reader::Mapping;
use super::suggest::{did_you_mean, join};
use crate::event::{DataType, Field, FieldType};

/// The paths of an event type's `sensitive`, each of which leads to one of its `fields`. What is wrong is reported.
pub(super) fn sensitive(map: &Mapping<'_>, event_type: &str, fields: &[Field]) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    for (text, yaml) in map.texts("sensitive") {
        let path: Vec<String> = text.split('.').map(str::to_owned).collect();
        match check(&path, event_type, fields) {
            Err((message, hint)) => map.reader.error(Code::UnknownField, yaml.mark, message, hint),
            Ok(()) if paths.contains(&path) => {
                let message = format!("`sensitive` names `{text}` twice");
                map.reader.error(Code::Repeated, yaml.mark, message, "remove one of them");
            }
            Ok(()) => paths.push(path),
        }
    }
    paths
}

/// Follows a path through structs, those of lists and of maps too. As error, a message and a hint.
fn check(path: &[String], event_type: &str, fields: &[Field]) -> Result<(), (String, String)> {
    let (mut owner, mut known) = (event_type.to_owned(), Some(fields));
    let mut last: Option<&FieldType> = None;
    for name in path {
        let Some(fields) = known else {
            let of = last.map(describe).unwrap_or_default();
            let message = format!("`{owner}` is `{of}`, which has no field `{name}`");
            return Err((message, format!("name `{owner}` as a whole: a path leads into structs alone")));
        };
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let hint = did_you_mean(name, &names).unwrap_or_else(|| format!("`{owner}` has {}", join(&names)));
            return Err((format!("`{owner}` has no field `{name}`"), hint));
        };
        owner = if last.is_none() { name.clone() } else { format!("{owner}.{name}") };
        (known, last) = (fields_of(&field.field_type.data_type), Some(&field.field_type));
    }
    Ok(())
}

/// The fields of a struct, or of those that a list or a map is of.
fn fields_of(data_type: &DataType) -> Option<&[Field]> {
    match data_type {
        DataType::Struct(fields) => Some(fields),
        DataType::List(item) | DataType::Map(item) => fields_of(&item.data_type),
        _ => None,
    }
}
