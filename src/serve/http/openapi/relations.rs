//! The paths of single relations: rows in pages, and the row of a key.

use arrow::datatypes::{Field, Schema};
use serde_json::{Value, json};

use super::super::list_parameters::{IN_MAX, OPERATIONS};
use super::document::{Document, rows};
use super::values::{asked, object};
use crate::query::{OfferedRelation, Operation, is_comparable};

/// Columns of a key that a path may have.
const KEY_PARTS_MAX: usize = 4;
const LIST: &str = "/v1/tables/{name}";
/// Those with longer keys are like it.
const ROW: &str = "/v1/tables/{name}/{k1}";

/// Adds what can be asked of a relation; of one whose columns are not known only that it is there.
pub(super) fn add(document: &mut Document, name: &str, relation: Option<&OfferedRelation>) {
    let list = document.operation(LIST, "get").named(name, format!("Rows of `{name}`, in pages"));
    let Some(relation) = relation else {
        document.add(format!("/v1/tables/{name}"), "get", list.parameters(&["relation"], Vec::new()));
        return;
    };
    let schema = &relation.shape.schema;
    let row = document.add_schema(&format!("tables.{name}.row"), object(schema.fields().iter().map(|field| &**field)));
    let page = page(document, &format!("tables.{name}"), &row);
    let reserved = list.query_names(document);
    let sortable = sortable(schema);
    let mut parameters = if sortable.is_empty() { Vec::new() } else { vec![sort(&sortable)] };
    parameters.extend(schema.fields().iter().flat_map(|field| filters(field, &reserved)));
    let list = list.parameters(&["relation", "sort"], parameters).content(document, rows(&page));
    document.add(format!("/v1/tables/{name}"), "get", list);

    let key: Vec<&Field> = relation.shape.key.iter().map(|column| schema.field(*column)).collect();
    let parts: Option<Vec<Value>> = key.iter().enumerate().map(|(place, field)| key_part(place, field)).collect();
    let Some(parts) = parts.filter(|parts| (1..=KEY_PARTS_MAX).contains(&parts.len())) else { return };
    let columns: String =
        parts.iter().filter_map(|part| part["name"].as_str()).map(|name| format!("/{{{name}}}")).collect();
    let answer = document.schema_with("RowAnswer", "/properties/item", &row);
    let answer = document.add_schema(&format!("tables.{name}.answer"), answer);
    let get = document.operation(ROW, "get").named(name, format!("The row of `{name}` with a key"));
    let get = get.parameters(&["relation", "k1"], parts).content(document, rows(&answer));
    document.add(format!("/v1/tables/{name}{columns}"), "get", get);
}

/// A page of these rows; `prefix` begins its name.
pub(super) fn page(document: &mut Document, prefix: &str, row: &Value) -> Value {
    let page = document.schema_with("Page", "/properties/items/items", row);
    document.add_schema(&format!("{prefix}.page"), page)
}

/// The parameter `sort` over these columns.
pub(super) fn sort(columns: &[&str]) -> Value {
    let both: Vec<String> = columns.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect();
    list("sort", "The columns to sort by, `-` before one that descends", json!({"type": "string", "enum": both}))
}

/// A parameter with values between commas.
pub(super) fn list(name: &str, description: &str, item: Value) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": description,
        "style": "form",
        "explode": false,
        "schema": {"type": "array", "items": item, "minItems": 1},
    })
}

fn sortable(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().filter(|field| is_comparable(field)).map(|field| field.name().as_str()).collect()
}

/// The filters of a column. One that is called like a parameter is compared by its operation alone.
fn filters(field: &Field, reserved: &[String]) -> Vec<Value> {
    let name = field.name();
    let value = asked(field.data_type()).filter(|_| is_comparable(field));
    let parameter = |name: &str, schema: &Value| json!({"name": name, "in": "query", "schema": schema});
    let mut filters = Vec::new();
    if let Some(value) = &value
        && !reserved.contains(name)
    {
        filters.push(parameter(name, value));
    }
    for (label, operation) in OPERATIONS {
        let name = format!("{name}.{label}");
        match (operation, &value) {
            // The column's own name says the same.
            (Operation::Eq, _) if !reserved.contains(field.name()) => {}
            (Operation::IsNull, _) => filters.push(parameter(&name, &json!({"type": "boolean"}))),
            (Operation::In, Some(value)) => {
                let mut any = list(&name, "One of these; a backslash stands before a comma within one", value.clone());
                any["schema"]["maxItems"] = IN_MAX.into();
                filters.push(any);
            }
            (_, Some(value)) => filters.push(parameter(&name, value)),
            (_, None) => {}
        }
    }
    filters
}

/// A part of a path; none of a column whose values cannot stand there. It is called like its column, if that is a name in programs too.
fn key_part(place: usize, field: &Field) -> Option<Value> {
    let mut value = asked(field.data_type()).filter(|_| is_comparable(field))?;
    if value == json!({"type": "string"}) {
        // A path without it is another one.
        value["minLength"] = 1.into();
    }
    let name = field.name();
    let is_plain = name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let is_plain = is_plain && name.starts_with(|first: char| !first.is_ascii_digit());
    let called = if is_plain { name.clone() } else { format!("k{}", place + 1) };
    Some(
        json!({"name": called, "in": "path", "required": true, "description": format!("The column `{name}`"), "schema": value}),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::datatypes::DataType;

    use super::*;

    fn names(filters: &[Value]) -> Vec<&str> {
        filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_column_is_filtered_by_what_its_type_can() {
        let of = |name: &str, data_type| filters(&Field::new(name, data_type, true), &["sort".to_owned()]);
        let total = of("total", DataType::Int64);
        let all = ["total", "total.ne", "total.lt", "total.lte", "total.gt", "total.gte", "total.in", "total.isnull"];
        assert_eq!(names(&total), all);
        assert_eq!(names(&of("sort", DataType::Utf8))[0], "sort.eq");
        assert_eq!(names(&of("raw", DataType::Binary)), ["raw.isnull"]);
    }

    #[test]
    fn a_part_of_a_path_has_a_name_of_programs() {
        let of = |name: &str| key_part(1, &Field::new(name, DataType::Utf8, false)).unwrap()["name"].clone();
        assert_eq!((of("customer_id"), of("Größe"), of("1st")), (json!("customer_id"), json!("k2"), json!("k2")));
    }
}
