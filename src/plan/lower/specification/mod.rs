//! What an operator computes, as a specification: expressions over the columns of its input, known by their index.
//!
//! Names of columns and relations do not count, so two queries that differ in their aliases have the same operators.
//! The match over expressions has no wildcard: a new kind of DataFusion's has to be decided here.

mod literal;

use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::expr::{AggregateFunctionParams, GroupingSet, NullTreatment, WindowFunctionParams};
use datafusion::logical_expr::{Expr, Operator, SortExpr, WindowFrame, WindowFrameBound, WindowFunctionDefinition};

use crate::identity::Specification;
use crate::plan::Refusal;
use crate::plan::functions::revision;
use crate::sql::specify_evaluator;
use literal::literal;

/// Adds expressions over rows of `schema`.
///
/// # Errors
/// Refuses an expression that is not evaluated row by row, such as a subquery, and a literal without a canonical form.
pub(super) fn expressions(
    specification: Specification,
    exprs: &[Expr],
    schema: &DFSchema,
) -> Result<Specification, Refusal> {
    specification.try_list(exprs.iter(), |specification, expr| expression(specification, expr, schema))
}

/// Adds the keys of an order, most significant first, with their directions.
pub(super) fn order(
    specification: Specification,
    order: &[SortExpr],
    schema: &DFSchema,
) -> Result<Specification, Refusal> {
    specification.try_list(order.iter(), |specification, SortExpr { expr, asc, nulls_first }| {
        Ok(expression(specification, expr, schema)?.flag(*asc).flag(*nulls_first))
    })
}

/// Adds one expression; see [`expressions`].
pub(super) fn expression(spec: Specification, expr: &Expr, schema: &DFSchema) -> Result<Specification, Refusal> {
    let children = |spec: Specification, children: &[&Expr]| {
        spec.try_list(children.iter(), |spec, child| expression(spec, child, schema))
    };
    match expr {
        Expr::Alias(alias) => expression(spec, &alias.expr, schema),
        Expr::Column(column) => Ok(spec.text("column").index(schema.index_of_column(column)?)),
        Expr::Literal(value, _) => literal(spec.text("literal"), value),
        Expr::BinaryExpr(binary) => {
            let operator = spec.text("binary").text(&binary.op.to_string());
            let operator = if is_plain(binary.op) { operator } else { specify_evaluator(operator) };
            children(operator, &[&binary.left, &binary.right])
        }
        Expr::Like(like) | Expr::SimilarTo(like) => {
            let kind = if matches!(expr, Expr::Like(_)) { "like" } else { "similar_to" };
            let kind = specify_evaluator(spec.text(kind)).flag(like.negated).flag(like.case_insensitive);
            let escape = kind.option(like.escape_char, |spec, escape| spec.text(&escape.to_string()));
            children(escape, &[&like.expr, &like.pattern])
        }
        Expr::Not(inner) => children(spec.text("not"), &[inner]),
        Expr::IsNotNull(inner) => children(spec.text("is_not_null"), &[inner]),
        Expr::IsNull(inner) => children(spec.text("is_null"), &[inner]),
        Expr::IsTrue(inner) => children(spec.text("is_true"), &[inner]),
        Expr::IsFalse(inner) => children(spec.text("is_false"), &[inner]),
        Expr::IsUnknown(inner) => children(spec.text("is_unknown"), &[inner]),
        Expr::IsNotTrue(inner) => children(spec.text("is_not_true"), &[inner]),
        Expr::IsNotFalse(inner) => children(spec.text("is_not_false"), &[inner]),
        Expr::IsNotUnknown(inner) => children(spec.text("is_not_unknown"), &[inner]),
        Expr::Negative(inner) => children(spec.text("negative"), &[inner]),
        Expr::Between(between) => {
            children(spec.text("between").flag(between.negated), &[&between.expr, &between.low, &between.high])
        }
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().flat_map(|(when, then)| [when.as_ref(), then.as_ref()]);
            let branches: Vec<&Expr> = branches.collect();
            let optional = |spec: Specification, inner: &Option<Box<Expr>>| match inner {
                Some(inner) => expression(spec, inner, schema),
                None => Ok(spec.absent()),
            };
            let base = optional(spec.text("case"), &case.expr)?;
            optional(children(base, &branches)?, &case.else_expr)
        }
        Expr::Cast(cast) => {
            children(specify_evaluator(spec.text("cast")).data_type(cast.field.data_type()), &[&cast.expr])
        }
        Expr::TryCast(cast) => {
            children(specify_evaluator(spec.text("try_cast")).data_type(cast.field.data_type()), &[&cast.expr])
        }
        Expr::ScalarFunction(call) => expressions(function(spec, call.name()), &call.args, schema),
        Expr::AggregateFunction(call) => aggregate(function(spec, call.func.name()), &call.params, schema),
        Expr::WindowFunction(call) => {
            let kind = match &call.fun {
                WindowFunctionDefinition::AggregateUDF(_) => "aggregate",
                WindowFunctionDefinition::WindowUDF(_) => "window",
            };
            // DataFusion gives a window its frames, whatever computes the function.
            window(function(specify_evaluator(spec.text(kind)), call.fun.name()), &call.params, schema)
        }
        Expr::InList(list) => {
            let negated = spec.text("in").flag(list.negated);
            expressions(children(negated, &[&list.expr])?, &list.list, schema)
        }
        Expr::GroupingSet(sets) => grouping_sets(spec, sets, schema),
        Expr::HigherOrderFunction(call) => expressions(function(spec, call.name()), &call.args, schema),
        Expr::Lambda(lambda) => {
            let parameters = spec.text("lambda").list(lambda.params.iter(), |spec, name| spec.text(name));
            children(parameters, &[&lambda.body])
        }
        Expr::LambdaVariable(variable) => Ok(spec.text("lambda_variable").text(&variable.name)),
        #[expect(deprecated, reason = "DataFusion still has the variant, and a wildcard here would hide new ones")]
        Expr::Wildcard { .. } => Err(not_row_wise(expr)),
        Expr::ScalarVariable(_, _)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::Placeholder(_)
        | Expr::OuterReferenceColumn(_, _)
        | Expr::Unnest(_) => Err(not_row_wise(expr)),
    }
}

/// Whether an operator compares, combines or calculates as the standard has it, in every version of the libraries.
fn is_plain(operator: Operator) -> bool {
    use Operator::{
        And, BitwiseAnd, BitwiseOr, BitwiseShiftLeft, BitwiseShiftRight, BitwiseXor, Divide, Eq, Gt, GtEq,
        IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Or, Plus, StringConcat,
    };
    let compares = matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom);
    let calculates = matches!(operator, Plus | Minus | Multiply | Divide | Modulo | StringConcat);
    let is_bitwise = matches!(operator, BitwiseAnd | BitwiseOr | BitwiseXor | BitwiseShiftRight | BitwiseShiftLeft);
    compares || calculates || is_bitwise || matches!(operator, And | Or)
}

/// A function by its name, and by the revision of this crate's own computation or the libraries that compute it.
pub(super) fn function(specification: Specification, name: &str) -> Specification {
    let named = specification.text("function").text(name);
    match revision(name) {
        Some(revision) => named.number(revision),
        None => specify_evaluator(named),
    }
}

/// Adds the parameters of an aggregate call.
fn aggregate(
    specification: Specification,
    params: &AggregateFunctionParams,
    schema: &DFSchema,
) -> Result<Specification, Refusal> {
    let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = params;
    let arguments = expressions(null_handling(specification.flag(*distinct), *null_treatment), args, schema)?;
    let filtered = expressions(arguments, &filter.iter().map(|filter| *filter.clone()).collect::<Vec<_>>(), schema)?;
    order(filtered, order_by, schema)
}

fn window(
    specification: Specification,
    params: &WindowFunctionParams,
    schema: &DFSchema,
) -> Result<Specification, Refusal> {
    let WindowFunctionParams { args, partition_by, order_by, window_frame, filter, null_treatment, distinct } = params;
    let arguments = expressions(null_handling(specification.flag(*distinct), *null_treatment), args, schema)?;
    let partitioned = expressions(arguments, partition_by, schema)?;
    let filter = filter.iter().map(|filter| *filter.clone()).collect::<Vec<_>>();
    frame(order(expressions(partitioned, &filter, schema)?, order_by, schema)?, window_frame)
}

fn frame(specification: Specification, frame: &WindowFrame) -> Result<Specification, Refusal> {
    let units = specification.text(&frame.units.to_string());
    [&frame.start_bound, &frame.end_bound].into_iter().try_fold(units, |specification, bound| match bound {
        WindowFrameBound::Preceding(by) => literal(specification.text("preceding"), by),
        WindowFrameBound::CurrentRow => Ok(specification.text("current_row")),
        WindowFrameBound::Following(by) => literal(specification.text("following"), by),
    })
}

fn grouping_sets(
    specification: Specification,
    sets: &GroupingSet,
    schema: &DFSchema,
) -> Result<Specification, Refusal> {
    match sets {
        GroupingSet::Rollup(keys) => expressions(specification.text("rollup"), keys, schema),
        GroupingSet::Cube(keys) => expressions(specification.text("cube"), keys, schema),
        GroupingSet::GroupingSets(sets) => specification
            .text("grouping_sets")
            .try_list(sets.iter(), |specification, keys| expressions(specification, keys, schema)),
    }
}

pub(super) fn null_handling(specification: Specification, nulls: Option<NullTreatment>) -> Specification {
    specification.option(nulls, |specification, nulls| {
        specification.text(match nulls {
            NullTreatment::IgnoreNulls => "ignore_nulls",
            NullTreatment::RespectNulls => "respect_nulls",
        })
    })
}

fn not_row_wise(expr: &Expr) -> Refusal {
    Refusal::from(DataFusionError::Plan(format!("`{expr}` is not computed from one row")))
        .hint("write it as a join, or make it a projection of its own")
}

#[cfg(test)]
mod tests;
