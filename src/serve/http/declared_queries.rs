//! `/v1/queries`: the declared queries, as they are declared.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::answer::{answer, items};
use super::parameters::no_parameters;
use super::reader::Reader;
use super::status::list as json_list;
use crate::config::Query;
use crate::query::ParsedQuery;
use crate::serve::json::type_name;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryItem<'a> {
    name: &'a str,
    sql: &'a str,
    /// The projections and views that this names.
    reads: BTreeSet<&'a str>,
    params: Vec<ParamItem<'a>>,
    /// As `sort` of a table is written.
    sort: Vec<String>,
    page_default: usize,
    page_max: usize,
}

#[derive(Serialize)]
struct ParamItem<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    param_type: String,
    required: bool,
    default: Option<&'a Value>,
}

pub(super) async fn list(State(api): State<Api>, Reader(caller): Reader, uri: Uri) -> Response {
    answer("queries", &uri, async {
        no_parameters(&uri)?;
        let at = api.service.now(caller);
        let mut queries = Vec::new();
        for query in api.service.queries().values() {
            queries.push((query, api.service.parse_declared(query).await?));
        }
        let queries: Vec<QueryItem<'_>> = queries.iter().map(|(query, parsed)| QueryItem::of(query, parsed)).collect();
        items(vec![json_list(&queries)?], None, at.freshness())
    })
    .await
}

impl<'a> QueryItem<'a> {
    fn of(query: &'a Query, parsed: &'a ParsedQuery) -> Self {
        let params = query.params.iter().map(|(name, param)| ParamItem {
            name,
            param_type: type_name(&param.param_type.to_arrow()),
            required: param.required,
            default: param.default.as_ref(),
        });
        let sort = query.sort.iter().map(|(column, descends)| format!("{}{column}", if *descends { "-" } else { "" }));
        Self {
            name: &query.name,
            sql: &query.sql,
            reads: parsed.relations(),
            params: params.collect(),
            sort: sort.collect(),
            page_default: query.page_default,
            page_max: query.page_max,
        }
    }
}
