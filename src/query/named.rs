//! Named queries: SQL from the configuration, with typed parameters and pages.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlanBuilder;

use super::filters::{find_column, is_comparable};
use super::pages::{Page, Paging, with_all_columns};
use super::results::{Asked, Keeping, sorted};
use super::session::{Session, Sessions};
use super::{QueryError, SortColumn, values};
use crate::config::{Query, QueryParam};
use crate::event::DataType;
use crate::progress::Cut;

/// The parameters of a named query, complete and of their types, and the page of it that is wanted.
#[derive(Debug, Clone)]
pub struct NamedRequest {
    params: HashMap<String, ScalarValue>,
    page_size: usize,
    page_token: Option<String>,
}

impl NamedRequest {
    /// Takes each parameter's value from `given`, by its name and type; one that is not given has its default.
    ///
    /// # Errors
    /// What `given` refuses; where a required parameter is not given.
    pub fn new(
        query: &Query,
        mut given: impl FnMut(&str, &arrow::datatypes::DataType) -> Result<Option<ScalarValue>, QueryError>,
        page_size: usize,
        page_token: Option<String>,
    ) -> Result<Self, QueryError> {
        let mut params = HashMap::new();
        for (name, param) in &query.params {
            let value = match given(name, &param.param_type.to_arrow())? {
                Some(value) => value,
                None => default(name, param)?,
            };
            params.insert(name.clone(), value);
        }
        Ok(NamedRequest { params, page_size, page_token })
    }

    /// The request as a part of a question.
    pub(super) fn asked(&self, query: &Query) -> Asked {
        Asked::Query {
            sql: query.sql.clone(),
            sort: query.sort.clone(),
            params: sorted(&self.params),
            page: (self.page_size, self.page_token.clone()),
        }
    }

    /// For the fingerprint of a page token.
    fn canonical(&self, query: &Query) -> String {
        let mut written: Vec<_> =
            self.params.iter().map(|(name, value)| (name.clone(), values::format(value))).collect();
        written.sort();
        format!("query {} {} {written:?}", query.name, query.sql)
    }
}

/// A page of the query, and whether the same cut gives the same rows.
pub(super) async fn run(
    sessions: &Sessions,
    session: &Session,
    query: &Query,
    request: &NamedRequest,
    cut: &Cut,
    keeping: Option<Keeping>,
) -> Result<(Page, bool), QueryError> {
    let parsed = sessions.parse_declared(&query.sql)?;
    let params: ParamValues = request.params.clone().into();
    let planned = session.plan(sessions, &parsed, params).await?;
    let keeping = keeping.and_then(|keeping| keeping.of(planned.repeatable));
    let plan = if query.sort.is_empty() {
        planned.plan
    } else {
        // The alias gives every column one plain name to be sorted and filtered by.
        let aliased = LogicalPlanBuilder::from(planned.plan).alias("query").and_then(LogicalPlanBuilder::build);
        aliased.map_err(|error| QueryError::planning(error).hint("give every column a name of its own"))?
    };
    let paging = paging(query, request, plan.schema().as_arrow())?;
    Ok((paging.read(session, plan, cut, keeping).await?, planned.repeatable))
}

/// The same page from rows that were kept, which are those of a query that gives the same rows at the same cut.
pub(super) fn kept(query: &Query, request: &NamedRequest, rows: &RecordBatch, cut: &Cut) -> Result<Page, QueryError> {
    paging(query, request, rows.schema_ref())?.page(rows, cut)
}

fn paging(query: &Query, request: &NamedRequest, schema: &Schema) -> Result<Paging, QueryError> {
    let order = match query.sort.as_slice() {
        // Without a declared sort the query's own order holds, and pages continue by counting rows.
        [] => Vec::new(),
        sort => with_all_columns(declared(sort, schema)?, schema),
    };
    let (size, token, asked) = (request.page_size, request.page_token.clone(), request.canonical(query));
    Ok(Paging { order, unique: false, size, token, asked })
}

/// The columns of a named query's rows, whatever its parameters are.
pub(super) async fn columns(sessions: &Sessions, session: &Session, query: &Query) -> Result<SchemaRef, QueryError> {
    let parsed = sessions.parse_declared(&query.sql)?;
    let params = query.params.iter().map(|(name, param)| Ok((name.clone(), null(&param.param_type)?)));
    let params: HashMap<String, ScalarValue> = params.collect::<Result<_, QueryError>>()?;
    let planned = session.plan(sessions, &parsed, params.into()).await?;
    Ok(planned.plan.schema().inner().clone())
}

fn declared(sort: &[(String, bool)], schema: &Schema) -> Result<Vec<SortColumn>, QueryError> {
    let column = |(name, descending): &(String, bool)| {
        let column = find_column(name, schema)?;
        if is_comparable(schema.field(column)) {
            Ok(SortColumn { column, descending: *descending })
        } else {
            Err(QueryError::invalid(format!("`{name}` cannot be sorted by")))
        }
    };
    sort.iter().map(column).collect()
}

fn default(name: &str, param: &QueryParam) -> Result<ScalarValue, QueryError> {
    let text = match &param.default {
        Some(serde_json::Value::String(text)) => text.clone(),
        None if param.required => {
            return Err(QueryError::invalid(format!("the parameter `{name}` has no value")));
        }
        Some(serde_json::Value::Null) | None => return null(&param.param_type),
        Some(value) => value.to_string(),
    };
    values::parse_value(&text, &param.param_type.to_arrow())
        .map_err(|error| QueryError::invalid(format!("the parameter `{name}`: {error}")))
}

fn null(data_type: &DataType) -> Result<ScalarValue, QueryError> {
    ScalarValue::try_from(&data_type.to_arrow()).map_err(QueryError::planning)
}
