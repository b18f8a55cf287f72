//! The paths of single declared queries, with the parameters that each declares.

use arrow::datatypes::SchemaRef;
use serde_json::json;

use super::document::{Document, rows};
use super::relations::page;
use super::values::{asked, object};
use crate::config::Query;

/// Adds what can be asked of a query; `columns` are those of its rows, where they are known.
pub(super) fn add(document: &mut Document, query: &Query, columns: Option<&SchemaRef>, rows_max: usize) {
    let name = &query.name;
    let run = document.operation("/v1/queries/{name}", "get").named(name, format!("The rows of `{name}`, in pages"));
    let mut parameters = Vec::new();
    for (name, param) in &query.params {
        let Some(mut value) = asked(&param.param_type.to_arrow()) else { continue };
        if let Some(default) = param.default.as_ref().filter(|default| !default.is_null()) {
            value["default"] = default.clone();
        }
        parameters.push(json!({"name": name, "in": "query", "required": param.required, "schema": value}));
    }
    let page_max = query.page_max.min(rows_max);
    let size = json!({
        "type": "integer", "format": "int32", "minimum": 1, "maximum": page_max,
    });
    let text = format!("Rows of a page; {} if it is left out", query.page_default.min(page_max));
    parameters.push(json!({"name": "pageSize", "in": "query", "description": text, "schema": size}));
    let run = run.parameters(&["queryPageSize"], parameters);
    let run = match columns {
        None => run,
        Some(columns) => {
            let prefix = format!("queries.{name}");
            let row =
                document.add_schema(&format!("{prefix}.row"), object(columns.fields().iter().map(|field| &**field)));
            let page = page(document, &prefix, &row);
            run.content(document, rows(&page))
        }
    };
    document.add(format!("/v1/queries/{name}"), "get", run);
}
