//! Why a plan cannot be made a function of the set of its rows, and what to write instead.

use std::fmt;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;

use crate::config::Code;
use crate::plan::Refusal;

/// An error that the author of the SQL can mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewriteError {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
    /// Line and column in the SQL, both from 1, where the planner kept them.
    pub span: Option<(u64, u64)>,
}

impl RewriteError {
    pub(super) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: Some(hint.into()), span: None }
    }

    /// The error at the first column that the expression names: the planner keeps the places of columns only.
    pub(super) fn at(mut self, expression: &Expr) -> Self {
        if self.span.is_none() {
            self.span = span_of(expression);
        }
        self
    }
}

fn span_of(expression: &Expr) -> Option<(u64, u64)> {
    let mut found = None;
    let walked = expression.apply(|part| {
        let spans = if let Expr::Column(column) = part { column.spans.first() } else { None };
        found = spans.map(|span| (span.start.line, span.start.column));
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.ok().and(found)
}

impl fmt::Display for RewriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RewriteError {}

impl From<RewriteError> for DataFusionError {
    fn from(error: RewriteError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for RewriteError {
    fn from(error: DataFusionError) -> Self {
        if let DataFusionError::External(inner) = error.find_root()
            && let Some(own) = inner.downcast_ref::<RewriteError>()
        {
            return own.clone();
        }
        Self { code: Code::NotAccepted, message: error.strip_backtrace(), hint: None, span: None }
    }
}

impl From<RewriteError> for Refusal {
    fn from(error: RewriteError) -> Self {
        Self { code: error.code, message: error.message, hint: error.hint, span: error.span }
    }
}
