//! What PostgreSQL and DuckDB write otherwise than DataFusion: names, operators and forms of calls, replaced in the parsed text before it
//! is planned.
//!
//! Nothing here knows types. What has another meaning for some types is decided where expressions are planned.

mod absent;
mod aggregates;
mod calls;
mod casts;
mod lengths;
mod likes;
mod names;
mod operators;
mod patterns;
mod rows;

pub(super) use self::absent::{instead_of, instead_of_word};
pub(super) use self::lengths::is_written;
pub use self::names::other_names;

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Value, VisitMut, visit_expressions_mut,
};

/// The text in the words that DataFusion and this crate's functions have.
///
/// # Errors
/// If something in it would have another meaning, with what to write instead.
pub(super) fn as_known(sql: &mut impl VisitMut) -> Result<()> {
    let visited = visit_expressions_mut(sql, |expr| match replaced(expr) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    });
    match visited {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn replaced(expr: &mut Expr) -> Result<(), DataFusionError> {
    match expr {
        Expr::Interval(_) => {
            lengths::replace(expr);
            Ok(())
        }
        Expr::Cast { .. } | Expr::TypedString(_) => {
            lengths::replace(expr);
            casts::replace(expr)
        }
        Expr::Like { .. } | Expr::ILike { .. } | Expr::SimilarTo { .. } | Expr::Substring { .. } => {
            likes::replace(expr)
        }
        Expr::AnyOp { .. } | Expr::AllOp { .. } => likes::each_written_out(expr),
        Expr::InList { .. } => rows::replace(expr),
        Expr::BinaryOp { .. } if matches!(expr, Expr::BinaryOp { left, .. } if matches!(**left, Expr::Tuple(_))) => {
            operators::replace(expr).and_then(|()| rows::replace(expr))
        }
        Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Extract { .. }
        | Expr::Collate { .. } => operators::replace(expr),
        Expr::Value(value) => {
            if let Value::NationalStringLiteral(text) = &value.value {
                value.value = Value::SingleQuotedString(text.clone());
            }
            Ok(())
        }
        Expr::CompoundFieldAccess { .. } => operators::complete_slices(expr),
        Expr::Function(function) => {
            let Some(name) = name_of(function) else { return Ok(()) };
            if let Some(known) = names::known(&name)? {
                function.name = named(known);
            }
            let Some(name) = name_of(function) else { return Ok(()) };
            aggregates::replace(&name, expr)?;
            calls::replace(&name, expr)
        }
        _ => Ok(()),
    }
}

/// The name of a function as it is looked up, in small letters.
fn name_of(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if name.quote_style.is_none() => Some(name.value.to_ascii_lowercase()),
        _ => None,
    }
}

fn named(name: &str) -> ObjectName {
    ObjectName::from(vec![Ident::new(name)])
}

/// The arguments of a call, if all are plain expressions.
fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    plain.collect()
}

/// A call of a function.
pub(in crate::sql) fn call(name: &str, arguments: Vec<Expr>) -> Function {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Function {
        name: named(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn number(value: usize) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

fn token() -> AttachedToken {
    AttachedToken::empty()
}
