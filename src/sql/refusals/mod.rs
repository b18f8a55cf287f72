//! Forms of SQL that are parsed and that nothing computes: DataFusion's planner leaves some of them out without a word, so that the rows
//! would be others than the text says, and describes the rest by the types of its parser. Each is refused with what to write instead.
//!
//! | File | Refuses |
//! |---|---|
//! | `queries` | clauses of SELECT, kinds of joins and of tables |
//! | `expressions` | expressions, and what stands behind a function's arguments |
//!
//! A statement is looked at when all that has another form here has been rewritten.

mod expressions;
mod queries;

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, ObjectNamePart, Query, Select, TableFactor, Visit, Visitor};

use super::desugar::proceed;

/// Functions whose result is as long as an argument says: one call could fill the memory, unseen by its limit. Readers' sessions are
/// without them.
pub const UNBOUNDED: [&str; 8] =
    ["range", "generate_series", "gen_series", "repeat", "array_repeat", "list_repeat", "array_resize", "list_resize"];

/// # Errors
/// If nothing computes a part of the SQL, with what to write instead.
pub(super) fn refuse(sql: &impl Visit, state: &SessionState) -> Result<()> {
    match sql.visit(&mut Refusals { state }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name of a function as the session has it: in small letters, unless it is in quotes.
fn called(name: &ObjectName) -> String {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if name.quote_style.is_some() => name.value.clone(),
        _ => name.to_string().to_lowercase(),
    }
}

struct Refusals<'a> {
    state: &'a SessionState,
}

impl Visitor for Refusals<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        proceed(queries::of_query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        proceed(queries::of_select(select).and_then(|()| expressions::of_conditions(select, self.state)))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        proceed(queries::of_table(factor, self.state))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        proceed(expressions::of_expression(expr, self.state))
    }
}
