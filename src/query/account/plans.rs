//! Plans whose expressions are metered.
//!
//! It is done twice: before the optimiser, which evaluates constants, and after it, because simplified functions are new ones.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, Expr, Like, LogicalPlan, Operator, ScalarUDF, TryCast, WindowFunctionDefinition,
};

use super::Account;
use super::amounts::scalar_bytes;
use super::constants::{constant, is_constant, joined};
use super::copies::counted_copy;
use super::functions::metered as metered_function;
use super::window_aggregates::metered as metered_aggregate;
use crate::plan::opaque;

/// A literal of more bytes is counted where it is copied into rows.
const LONG_LITERAL: usize = 256;

/// Whether the optimiser is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::query) enum Stage {
    Planned,
    Optimised,
}

/// The plan with every function metered, in subqueries too.
pub(in crate::query) fn metered(plan: LogicalPlan, account: &Account, stage: Stage) -> Result<LogicalPlan> {
    let metered = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| Ok(Transformed::yes(meter(expr, account, stage)))).data()?;
            let expr = if stage == Stage::Optimised { counted(expr, account)? } else { expr };
            Ok(Transformed::yes(name.restore(expr)))
        })?;
        Ok(Transformed::yes(match node.data {
            // A condition is looked at for all pairs of two batches before anything comes out.
            LogicalPlan::Join(mut join) if stage == Stage::Optimised => {
                join.filter = join.filter.map(|filter| call(Arc::new(opaque()), vec![filter], account));
                LogicalPlan::Join(join)
            }
            other => other,
        }))
    });
    metered.data()
}

fn meter(expr: Expr, account: &Account, stage: Stage) -> Expr {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) => call(func, args, account),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            call(joined(), vec![*left, *right], account)
        }
        Expr::WindowFunction(mut window) if stage == Stage::Optimised => {
            if let WindowFunctionDefinition::AggregateUDF(aggregate) = window.fun {
                window.fun = WindowFunctionDefinition::AggregateUDF(metered_aggregate(aggregate, account));
            }
            Expr::WindowFunction(window)
        }
        // The rows of several branches become one copy.
        Expr::Case(_) if stage == Stage::Optimised => copied(expr, account),
        Expr::Cast(Cast { ref field, .. }) | Expr::TryCast(TryCast { ref field, .. })
            if stage == Stage::Optimised && has_lengths(field.data_type()) =>
        {
            copied(expr, account)
        }
        other => other,
    }
}

/// What is made by no function, counted as the result of one is. Beside it stand the columns that it may hand on as they are.
fn copied(expr: Expr, account: &Account) -> Expr {
    let columns: Vec<Expr> = expr.column_refs().into_iter().cloned().map(Expr::Column).collect();
    let args = std::iter::once(expr).chain(columns).collect();
    Expr::ScalarFunction(ScalarFunction { func: Arc::new(counted_copy(account)), args })
}

fn has_lengths(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_binary() || data_type.is_nested()
}

fn call(func: Arc<ScalarUDF>, args: Vec<Expr>, account: &Account) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: metered_function(&func, account), args })
}

/// Values that would be copied into every row are counted as the copies they become. Not where they are only compared, nor as
/// arguments, whose function counts them.
fn counted(expr: Expr, account: &Account) -> Result<Expr> {
    let boxed = |expr: Box<Expr>| Box::new(bare(*expr));
    let counted = expr.transform_up(|expr| {
        Ok(Transformed::yes(match expr {
            Expr::Literal(ref value, _) if scalar_bytes(value) > LONG_LITERAL => call(constant(), vec![expr], account),
            Expr::ScalarSubquery(_) => call(constant(), vec![expr], account),
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                Expr::ScalarFunction(ScalarFunction { func, args: args.into_iter().map(bare).collect() })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                Expr::BinaryExpr(BinaryExpr { left: boxed(left), op, right: boxed(right) })
            }
            Expr::Like(like) => Expr::Like(Like { expr: boxed(like.expr), pattern: boxed(like.pattern), ..like }),
            Expr::SimilarTo(like) => {
                Expr::SimilarTo(Like { expr: boxed(like.expr), pattern: boxed(like.pattern), ..like })
            }
            Expr::InList(InList { expr, list, negated }) => {
                Expr::InList(InList { expr: boxed(expr), list: list.into_iter().map(bare).collect(), negated })
            }
            Expr::Between(Between { expr, negated, low, high }) => {
                Expr::Between(Between { expr: boxed(expr), negated, low: boxed(low), high: boxed(high) })
            }
            // Separators and the like have to be literals.
            Expr::AggregateFunction(mut function) => {
                function.params.args = first_counted(function.params.args);
                Expr::AggregateFunction(function)
            }
            Expr::WindowFunction(mut function) => {
                function.params.args = first_counted(function.params.args);
                Expr::WindowFunction(function)
            }
            other => other,
        }))
    });
    counted.data()
}

fn first_counted(args: Vec<Expr>) -> Vec<Expr> {
    args.into_iter().enumerate().map(|(place, arg)| if place == 0 { arg } else { bare(arg) }).collect()
}

/// The value itself, if it is one that is counted.
fn bare(expr: Expr) -> Expr {
    match expr {
        Expr::ScalarFunction(mut function) if is_constant(&function.func) => {
            function.args.pop().unwrap_or(Expr::ScalarFunction(function))
        }
        other => other,
    }
}
