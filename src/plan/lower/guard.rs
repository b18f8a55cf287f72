//! What joins, windows and orders keep rows by is computed in front of them, if it can fail: so it is the fault of one row, or
//! of its event, and the operator with state never sees that row.

use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{self as logical, Expr};

use super::{Edge, Lowering, filtered};
use crate::plan::Refusal;
use crate::plan::facts::fallible::can_fail;

impl Lowering<'_> {
    /// Both sides of a join.
    pub(super) fn sides(&mut self, join: &logical::Join) -> Result<(Edge, Edge), Refusal> {
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let (left_on, right_on): (Vec<&Expr>, Vec<&Expr>) = join.on.iter().map(|(left, right)| (left, right)).unzip();
        Ok((self.guarded(&left_on, join.left.schema(), left)?, self.guarded(&right_on, join.right.schema(), right)?))
    }

    /// The input of a window.
    pub(super) fn window_input(&mut self, window: &logical::Window) -> Result<Edge, Refusal> {
        let input = self.plan(&window.input)?;
        let mut exprs = Vec::new();
        for expr in &window.window_expr {
            if let Expr::WindowFunction(function) = unaliased(expr) {
                exprs.extend(&function.params.partition_by);
                exprs.extend(function.params.order_by.iter().map(|sort| &sort.expr));
            }
        }
        self.guarded(&exprs, window.input.schema(), input)
    }

    /// The input of an order.
    pub(super) fn sort_input(&mut self, sort: &logical::Sort) -> Result<Edge, Refusal> {
        let input = self.plan(&sort.input)?;
        let exprs: Vec<&Expr> = sort.expr.iter().map(|sort| &sort.expr).collect();
        self.guarded(&exprs, sort.input.schema(), input)
    }

    /// The rows of which the expressions can be computed.
    fn guarded(&mut self, exprs: &[&Expr], rows: &DFSchema, input: Edge) -> Result<Edge, Refusal> {
        let fallible = exprs.iter().filter(|expr| can_fail(expr, rows));
        let is_computed = |expr: &&Expr| (*expr).clone().is_null().or((*expr).clone().is_not_null());
        let Some(condition) = conjunction(fallible.map(is_computed)) else { return Ok(input) };
        let guard = filtered(&condition, rows, self.schema(input))?;
        Ok(self.map(guard, input))
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
