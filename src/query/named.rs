//! Named queries: SQL from the configuration, with typed parameters and pages.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlanBuilder;

use super::filters::{find, is_comparable};
use super::pages::{Page, Paging, SortColumn, page_size, with_all_columns};
use super::wait::take;
use super::{Limits, Pairs, QueryError, Session, Sessions, did_you_mean, values};
use crate::config::{Query, QueryParam};
use crate::event::{DataType, FieldType};
use crate::progress::Cut;

/// A named query with its parameters, checked.
#[derive(Debug, Clone)]
pub struct NamedRequest {
    params: HashMap<String, ScalarValue>,
    page_size: usize,
    page_token: Option<String>,
    /// The parameters as they were written, for the page token.
    asked: String,
}

impl NamedRequest {
    pub fn take(query: &Query, mut pairs: Pairs, limits: &Limits) -> Result<Self, QueryError> {
        let size = take(&mut pairs, "pageSize")?;
        let page_token = take(&mut pairs, "pageToken")?;
        let page_size = page_size(size.as_deref(), query.page_default, query.page_max.min(limits.max_rows))?;
        let mut params = HashMap::new();
        for (name, param) in &query.params {
            let value = match take(&mut pairs, name)? {
                Some(text) => parse(name, &text, &param.param_type)?,
                None => default(name, param)?,
            };
            params.insert(name.clone(), value);
        }
        if let Some((name, _)) = pairs.first() {
            return Err(QueryError::invalid(format!("the query `{}` has no parameter `{name}`", query.name))
                .near(did_you_mean(name, query.params.keys().map(String::as_str))));
        }
        let mut written: Vec<_> = params.iter().map(|(name, value)| (name.clone(), values::format(value))).collect();
        written.sort();
        let asked = format!("query {} {} {written:?}", query.name, query.sql);
        Ok(NamedRequest { params, page_size, page_token, asked })
    }
}

/// A page of the query, and whether the same cut gives the same rows.
pub(super) async fn run(
    sessions: &Sessions,
    session: &Session,
    query: &Query,
    request: &NamedRequest,
    cut: &Cut,
) -> Result<(Page, bool), QueryError> {
    let parsed = sessions.parse(&query.sql)?;
    let params: ParamValues = request.params.clone().into();
    let planned = session.plan(sessions, &parsed, params).await?;
    let (plan, order) = if query.sort.is_empty() {
        // Without a declared sort the query's own order holds, and pages continue by counting rows.
        (planned.plan, Vec::new())
    } else {
        // The alias gives every column one plain name to be sorted and filtered by.
        let aliased = LogicalPlanBuilder::from(planned.plan).alias("query").and_then(LogicalPlanBuilder::build);
        let plan = aliased.map_err(|error| QueryError::planning(error).hint("give every column a name of its own"))?;
        let schema = plan.schema().inner().clone();
        (plan, with_all_columns(declared(&query.sort, &schema)?, &schema))
    };
    let size = request.page_size;
    let paging = Paging { order, unique: false, size, token: request.page_token.clone(), asked: request.asked.clone() };
    Ok((paging.read(session, plan, cut).await?, planned.repeatable))
}

fn declared(sort: &[(String, bool)], schema: &Schema) -> Result<Vec<SortColumn>, QueryError> {
    let column = |(name, descending): &(String, bool)| {
        let column = find(name, schema)?;
        if is_comparable(schema.field(column)) {
            Ok(SortColumn { column, descending: *descending })
        } else {
            Err(QueryError::invalid(format!("`{name}` cannot be sorted by")))
        }
    };
    sort.iter().map(column).collect()
}

fn default(name: &str, param: &QueryParam) -> Result<ScalarValue, QueryError> {
    match &param.default {
        Some(serde_json::Value::String(text)) => parse(name, text, &param.param_type),
        Some(serde_json::Value::Null) => null(&param.param_type),
        Some(value) => parse(name, &value.to_string(), &param.param_type),
        None if param.required => Err(QueryError::invalid(format!("the parameter `{name}` has no value"))),
        None => null(&param.param_type),
    }
}

fn null(data_type: &DataType) -> Result<ScalarValue, QueryError> {
    ScalarValue::try_from(&data_type.to_arrow()).map_err(QueryError::planning)
}

fn parse(name: &str, text: &str, data_type: &DataType) -> Result<ScalarValue, QueryError> {
    let wrong = |error: String| QueryError::invalid(format!("the parameter `{name}`: {error}"));
    // A list parameter is written as its items with commas between them.
    if let DataType::List(item) = data_type {
        let FieldType { data_type: item, .. } = item.as_ref();
        let item_type = item.to_arrow();
        let items = text.split(',').filter(|_| !text.is_empty()).map(|item| values::parse(item, &item_type));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &item_type)));
    }
    values::parse(text, &data_type.to_arrow()).map_err(wrong)
}
