//! The paths of single search projections, with what each can be asked by.

use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};

use super::super::search_parameters::RANGES;
use super::document::{Document, rows};
use super::relations::{list, sort};
use super::values::{asked, object};
use crate::query::OfferedIndex;
use crate::read_model::search::FieldKind;

const SEARCH: &str = "/v1/search/{name}";
/// Comparisons by the order of values.
const BY_ORDER: [&str; 4] = ["lt", "lte", "gt", "gte"];

/// Adds what can be asked of a search projection.
pub(super) fn add(document: &mut Document, name: &str, schema: &Schema, index: &OfferedIndex) {
    let shown = index.shown.iter().map(|column| schema.field(*column));
    let row = document.add_schema(&format!("search.{name}.row"), object(shown));
    let hit = document.schema_with("Hit", "/properties/item", &row);
    let hit = document.add_schema(&format!("search.{name}.hit"), hit);
    let hits = document.schema_with("Hits", "/properties/items/items", &hit);
    let hits = document.add_schema(&format!("search.{name}.hits"), hits);
    let content = rows(&hits);

    let by_url = document.operation(SEARCH, "get").named(name, format!("Documents of `{name}`"));
    let reserved = by_url.query_names(document);
    let mut parameters = own(schema, index);
    for field in &index.fields {
        let column = schema.field(field.column);
        if field.kind == FieldKind::Keyword {
            parameters.extend(filters(column, field.sort, &reserved));
        }
        if field.sort && is_measured(column.data_type()) {
            let text = "Counts between these values, or by `day`, `month` or `year`";
            let name = format!("{RANGES}{}", column.name());
            parameters.push(json!({"name": name, "in": "query", "description": text, "schema": {"type": "string"}}));
        }
    }
    let without = ["relation", "facet", "sort", "highlight", "vector", "vectorField"];
    let by_url = by_url.parameters(&without, parameters).content(document, content.clone());
    document.add(format!("/v1/search/{name}"), "get", by_url);

    let by_body = document.operation(SEARCH, "post").named(name, format!("Documents of `{name}`, asked for in a body"));
    let by_body = by_body.parameters(&["relation"], Vec::new()).content(document, content);
    document.add(format!("/v1/search/{name}"), "post", by_body);
}

/// The parameters whose values are columns of the relation.
fn own(schema: &Schema, index: &OfferedIndex) -> Vec<Value> {
    let names = |wanted: &dyn Fn(&FieldKind, bool, bool) -> bool| -> Vec<&str> {
        let fields = index.fields.iter().filter(|field| wanted(&field.kind, field.sort, field.facet));
        fields.map(|field| schema.field(field.column).name().as_str()).collect()
    };
    let texts = names(&|kind, _, _| matches!(kind, FieldKind::Text { .. }));
    let (sorted, counted) = (names(&|_, sort, _| sort), names(&|_, _, facet| facet));
    let vectors = names(&|kind, _, _| matches!(kind, FieldKind::Vector(_)));
    let mut parameters = Vec::new();
    if !sorted.is_empty() {
        parameters.push(sort(&sorted));
    }
    if !counted.is_empty() {
        parameters.push(list("facet", "Keywords whose values are counted", json!({"type": "string", "enum": counted})));
    }
    if !texts.is_empty() {
        let fields: Vec<&str> = ["true", "false"].into_iter().chain(texts).collect();
        parameters.push(list(
            "highlight",
            "`true` for snippets of all text columns, or the columns",
            json!({"type": "string", "enum": fields}),
        ));
    }
    let dimensions = index.fields.iter().filter_map(|field| match field.kind {
        FieldKind::Vector(vector) => Some(vector.dimensions),
        _ => None,
    });
    if let Some(least) = dimensions.clone().min() {
        let mut vector = list("vector", "What the documents are to be near to", json!({"type": "number"}));
        vector["schema"]["minItems"] = least.into();
        vector["schema"]["maxItems"] = dimensions.max().into();
        parameters.push(vector);
        let text = "The column of vectors, where there are several";
        parameters.push(json!({"name": "vectorField", "in": "query", "description": text, "schema": {"type": "string", "enum": vectors}}));
    }
    parameters
}

/// The filters of a keyword. A column that is called like a parameter is compared by its operation alone.
fn filters(column: &Field, sorts: bool, reserved: &[String]) -> Vec<Value> {
    let (name, data_type) = (column.name(), column.data_type());
    // Of a list each value is a keyword.
    let of_values = match data_type {
        DataType::List(item) | DataType::LargeList(item) => item.data_type(),
        other => other,
    };
    let Some(value) = asked(of_values) else { return Vec::new() };
    let is_reserved = reserved.contains(name) || name.starts_with(RANGES);
    let parameter = |name: String| json!({"name": name, "in": "query", "schema": value});
    let mut filters =
        vec![parameter(if is_reserved { format!("{name}.eq") } else { name.clone() }), parameter(format!("{name}.ne"))];
    let text = "One of these; a backslash stands before a comma within one";
    filters.push(list(&format!("{name}.in"), text, value.clone()));
    if sorts || matches!(of_values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        filters.extend(BY_ORDER.map(|operation| parameter(format!("{name}.{operation}"))));
    }
    filters
}

/// Whether values are numbers, dates or times.
fn is_measured(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}
