//! Pages by keyset: the next page starts after the last row of this one, in a total order.
//!
//! A token holds the values of that row, the cut it was read at, and a fingerprint of what was asked. A page that is
//! read after later commits continues by order: rows that kept their sort values are neither seen twice nor left out; a
//! row whose sort values changed meanwhile may be. The page tells of such commits.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, lit};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::filters::{column, is_comparable};
use super::ordered::first_rows;
use super::results::Keeping;
use super::session::Session;
use super::{QueryError, values};
use crate::progress::Cut;
use crate::read_model::{OpenTable, OrderedRead, SortColumn};

/// Longest token that is looked at.
const TOKEN_LENGTH_MAX: usize = 8 * 1024;

/// One page of rows.
#[derive(Debug, Clone)]
pub struct Page {
    pub rows: RecordBatch,
    pub next_token: Option<String>,
    /// Whether commits came between the page before and this one.
    pub cut_changed: bool,
}

/// What a page is a page of.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    pub(super) order: Vec<SortColumn>,
    /// Whether no two rows are equal in the order.
    pub(super) unique: bool,
    pub(super) size: usize,
    pub(super) token: Option<String>,
    /// What was asked for, apart from the page: a token is good for nothing else.
    pub(super) asked: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct PageToken {
    /// The cut that the page before was read at.
    #[serde(rename = "c")]
    cut: String,
    #[serde(rename = "f")]
    fingerprint: String,
    /// The sort values of the last row.
    #[serde(rename = "k")]
    after: Vec<Option<String>>,
    /// Rows with exactly these values that were already returned; 0 where the order is total.
    #[serde(rename = "n", default)]
    ties: usize,
}

impl Paging {
    /// Reads a page of `plan` in the session.
    pub(super) async fn read(
        &self,
        session: &Session,
        plan: LogicalPlan,
        cut: &Cut,
        keeping: Option<Keeping>,
    ) -> Result<Page, QueryError> {
        let all = self.sorted(session, plan).await?;
        self.finish(&all, cut, keeping)
    }

    /// The page of these rows, of which `keeping` gets what [`Paging::page`] makes the same page of.
    pub(super) fn finish(&self, all: &RecordBatch, cut: &Cut, keeping: Option<Keeping>) -> Result<Page, QueryError> {
        if let Some(keeping) = keeping.and_then(|keeping| keeping.taken(all)) {
            keeping.finish(&all.schema());
        }
        self.page(all, cut)
    }

    /// The rows of a page, and one more if there is one, of all that `plan` gives.
    pub(super) async fn sorted(&self, session: &Session, plan: LogicalPlan) -> Result<RecordBatch, QueryError> {
        let schema: SchemaRef = plan.schema().inner().clone();
        let before = self.before(&self.fingerprint(&schema))?;
        let mut builder = LogicalPlanBuilder::from(plan);
        if let Some(token) = &before
            && !self.order.is_empty()
        {
            let after = self.values(token, &schema)?;
            builder = builder.filter(self.from(&after, token.ties > 0, &schema)).map_err(QueryError::planning)?;
        }
        if !self.order.is_empty() {
            let sort: Vec<SortExpr> = self.order.iter().map(|sort| sort.to_expr(&schema)).collect();
            builder = builder.sort(sort).map_err(QueryError::planning)?;
        }
        let skip = before.as_ref().map_or(0, |token| token.ties);
        let plan = builder.limit(skip, Some(self.size + 1)).and_then(LogicalPlanBuilder::build);
        let batches = session.collect(&plan.map_err(QueryError::planning)?).await?;
        concat_batches(&schema, &batches).map_err(|error| QueryError::running(error.into()))
    }

    /// The same rows of a table whose rows pass these filters, in an order that it keeps; none where it keeps none that serves them, or
    /// where they are far apart in it.
    pub(super) async fn in_order(
        &self,
        session: &Session,
        table: &OpenTable<'_>,
        filters: &[Expr],
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>, QueryError> {
        let before = self.before(&self.fingerprint(schema))?;
        if !self.unique || before.as_ref().is_some_and(|token| token.ties > 0) {
            return Ok(None);
        }
        let after = before.map(|token| self.values(&token, schema)).transpose()?;
        let read = OrderedRead { order: &self.order, after: after.as_deref(), filters };
        match table.in_order(&read).map_err(QueryError::running)? {
            Some(rows) => first_rows(session, rows, filters, self.size + 1, schema).await,
            None => Ok(None),
        }
    }

    /// The page of the rows from its first one on; one row more than it has tells whether there is another page.
    pub(super) fn page(&self, all: &RecordBatch, cut: &Cut) -> Result<Page, QueryError> {
        let fingerprint = self.fingerprint(all.schema_ref());
        let before = self.before(&fingerprint)?;
        let rows = all.slice(0, all.num_rows().min(self.size));
        let cut_text = cut.to_string();
        let cut_changed = before.as_ref().is_some_and(|token| token.cut != cut_text);
        let next_token = if all.num_rows() > self.size {
            Some(self.next(&rows, before.as_ref(), fingerprint, cut_text)?.encode()?)
        } else {
            None
        };
        Ok(Page { rows, next_token, cut_changed })
    }

    fn before(&self, fingerprint: &str) -> Result<Option<PageToken>, QueryError> {
        self.token.as_deref().map(|token| PageToken::decode(token, fingerprint)).transpose()
    }

    /// The token that leads on from these rows.
    fn next(
        &self,
        rows: &RecordBatch,
        before: Option<&PageToken>,
        fingerprint: String,
        cut: String,
    ) -> Result<PageToken, QueryError> {
        let key = |row: usize| -> Result<Vec<Option<String>>, QueryError> {
            let value = |sort: &SortColumn| ScalarValue::try_from_array(rows.column(sort.column), row);
            let key = self.order.iter().map(|sort| value(sort).map(|value| values::format(&value)));
            key.collect::<Result<_, _>>().map_err(QueryError::running)
        };
        let last = rows.num_rows().saturating_sub(1);
        let after = key(last)?;
        let mut ties = 0;
        if !self.unique {
            while ties < rows.num_rows() && key(last - ties)? == after {
                ties += 1;
            }
            // The whole page is one tie with the page before: go on counting.
            if let Some(token) = before
                && ties == rows.num_rows()
                && token.after == after
            {
                ties += token.ties;
            }
        }
        Ok(PageToken { cut, fingerprint, after, ties })
    }

    fn fingerprint(&self, schema: &Schema) -> String {
        let sort = |sort: &SortColumn| {
            let field = schema.field(sort.column);
            (field.name().clone(), field.data_type().to_string(), sort.descending)
        };
        let order: Vec<_> = self.order.iter().map(sort).collect();
        format!("{:016x}", xxh3_64(format!("{}|{order:?}", self.asked).as_bytes()))
    }

    fn values(&self, token: &PageToken, schema: &Schema) -> Result<Vec<ScalarValue>, QueryError> {
        if token.after.len() != self.order.len() {
            return Err(not_a_token());
        }
        let value = |(sort, text): (&SortColumn, &Option<String>)| {
            let data_type = schema.field(sort.column).data_type();
            match text {
                Some(text) => values::parse_value(text, data_type).map_err(|_| not_a_token()),
                None => ScalarValue::try_from(data_type).map_err(QueryError::planning),
            }
        };
        self.order.iter().zip(&token.after).map(value).collect()
    }

    /// The rows after these values in the order; with `inclusive`, also those equal to them.
    fn from(&self, after: &[ScalarValue], inclusive: bool, schema: &Schema) -> Expr {
        let mut equal_so_far: Option<Expr> = None;
        let mut any: Option<Expr> = None;
        for (sort, value) in self.order.iter().zip(after) {
            if let Some(beyond) = sort.beyond(value, schema) {
                let beyond = and(equal_so_far.clone(), beyond);
                any = Some(match any {
                    Some(any) => any.or(beyond),
                    None => beyond,
                });
            }
            equal_so_far = Some(and(equal_so_far, sort.equal(value, schema)));
        }
        match (any, equal_so_far.filter(|_| inclusive)) {
            (Some(any), Some(equal)) => any.or(equal),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => lit(false),
        }
    }
}

impl SortColumn {
    fn to_expr(self, schema: &Schema) -> SortExpr {
        column(schema, self.column).sort(!self.descending, self.descending)
    }

    fn equal(self, value: &ScalarValue, schema: &Schema) -> Expr {
        let column = column(schema, self.column);
        if value.is_null() { column.is_null() } else { column.eq(lit(value.clone())) }
    }

    /// What comes after `value` in this column; nothing where it is the last. NULL is the greatest value.
    fn beyond(self, value: &ScalarValue, schema: &Schema) -> Option<Expr> {
        let column = column(schema, self.column);
        match (self.descending, value.is_null()) {
            (false, true) => None,
            (true, true) => Some(column.is_not_null()),
            (true, false) => Some(column.lt(lit(value.clone()))),
            (false, false) => Some(column.clone().gt(lit(value.clone())).or(column.is_null())),
        }
    }
}

fn and(left: Option<Expr>, right: Expr) -> Expr {
    match left {
        Some(left) => left.and(right),
        None => right,
    }
}

/// `order` made as total as it can be: every column that it lacks and that can be compared, in their own order.
pub(super) fn with_all_columns(mut order: Vec<SortColumn>, schema: &Schema) -> Vec<SortColumn> {
    for (column, field) in schema.fields().iter().enumerate() {
        if is_comparable(field) && !order.iter().any(|sort| sort.column == column) {
            order.push(SortColumn { column, descending: false });
        }
    }
    order
}

impl PageToken {
    fn encode(&self) -> Result<String, QueryError> {
        let json = serde_json::to_vec(self).map_err(|_| not_a_token())?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    fn decode(text: &str, fingerprint: &str) -> Result<Self, QueryError> {
        if text.len() > TOKEN_LENGTH_MAX {
            return Err(not_a_token());
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_a_token())?;
        let token: PageToken = serde_json::from_slice(&json).map_err(|_| not_a_token())?;
        if token.fingerprint != fingerprint {
            return Err(QueryError::invalid("the pageToken belongs to another request")
                .hint("keep the filters and the sort of the first page, or start again without a token"));
        }
        Ok(token)
    }
}

fn not_a_token() -> QueryError {
    QueryError::invalid("the pageToken is not one that was given out").hint("start again without a token")
}
