//! Expressions that nothing plans, and what stands behind a function's arguments where it computes each row by itself.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DateTimeField, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, Query, Select, UnaryOperator, Value, Visit, Visitor,
};

use super::super::spelling::is_written;
use super::{UNBOUNDED, called};

pub(super) fn of_expression(expr: &Expr, state: &SessionState) -> Result<()> {
    match expr {
        Expr::Function(function) => of_function(function, state),
        Expr::IsNormalized { .. } => plan_err!("there is no IS NORMALIZED: texts are compared as they are"),
        Expr::InUnnest { .. } => plan_err!("there is no IN UNNEST: write `x = ANY (list)`"),
        Expr::RLike { .. } => {
            plan_err!("there is no RLIKE or REGEXP: write `x ~ 'a.*'`, or `x ~* 'a.*'` where case does not count")
        }
        Expr::Convert { .. } => plan_err!("there is no CONVERT: write `CAST(x AS INT)`, or `x::int`"),
        Expr::MatchAgainst { .. } => {
            plan_err!("there is no MATCH … AGAINST: a projection of `kind: search` finds words")
        }
        Expr::MemberOf(_) => plan_err!("there is no MEMBER OF: write `list @> '[1]'` of JSON, or `x = ANY (list)`"),
        Expr::Prior(_) | Expr::OuterJoin(_) => {
            plan_err!("`{expr}` is Oracle's: write JOIN or LEFT JOIN, and its condition behind ON")
        }
        Expr::Prefixed { prefix, .. } => plan_err!("there is no `{prefix}` before a value: write `CAST(x AS TEXT)`"),
        Expr::Named { name, .. } => plan_err!("a value has no name here: write `{{'{name}': x}}`"),
        Expr::Ceil { field, .. } | Expr::Floor { field, .. } if !is_whole(field) => {
            let name = if matches!(expr, Expr::Ceil { .. }) { "ceil" } else { "floor" };
            plan_err!("`{name}` gives whole numbers: write `{name}(x * 10) / 10`, or `date_trunc('day', t)` of a time")
        }
        Expr::Cast { format: Some(_), .. } => {
            plan_err!("a cast has no FORMAT: write `to_char(x, '…')` or `to_timestamp(x, '…')`")
        }
        Expr::Cast { array: true, .. } => plan_err!("there is no cast to ARRAY: write `CAST(x AS INT[])`"),
        Expr::Interval(interval)
            if !is_written(&interval.value) && !matches!(*interval.value, Expr::BinaryOp { .. }) =>
        {
            plan_err!("a length that is computed has a unit: write `INTERVAL (n) DAY`, or `n * INTERVAL '1 day'`")
        }
        Expr::Interval(interval)
            if interval.last_field.is_some()
                || interval.leading_precision.is_some()
                || interval.fractional_seconds_precision.is_some() =>
        {
            plan_err!(
                "the text of an interval says its fields: write `INTERVAL '1 year 2 months'` or `INTERVAL '1 day 02:30:15'`"
            )
        }
        Expr::Substring { substring_from: None, substring_for: None, .. } => {
            plan_err!("`substring` takes where it begins: write `substring(x, 2, 3)`, or `substring(x FROM '[0-9]+')`")
        }
        Expr::AnyOp { compare_op, right, .. } | Expr::AllOp { compare_op, right, .. } if is_one_value(right) => {
            let quantifier = if matches!(expr, Expr::AnyOp { .. }) { "ANY" } else { "ALL" };
            plan_err!("ANY and ALL take a list or a subquery: write `x {compare_op} {quantifier} (ARRAY['a', 'b'])`")
        }
        Expr::Tuple(columns) if columns.is_empty() => {
            plan_err!("there is no row without columns: where all rows are one group, leave out GROUP BY")
        }
        Expr::AnyOp { compare_op, right, .. } | Expr::AllOp { compare_op, right, .. }
            if !is_comparison(compare_op) && !matches!(**right, Expr::Subquery(_)) =>
        {
            plan_err!(
                "`{compare_op}` with ANY or ALL takes values that are written out: `x {compare_op} ANY (ARRAY['a', 'b'])`"
            )
        }
        Expr::UnaryOp { op, .. } if !matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not) => {
            plan_err!("there is no `{op}` before a value: call a function, as in `abs(x)`, `sqrt(x)` or `factorial(x)`")
        }
        Expr::BinaryOp { op: BinaryOperator::DuckIntegerDivide | BinaryOperator::MyIntegerDivide, .. } => {
            plan_err!("`/` of two integers is a whole number here: write `a / b`, or `div(a, b)` of other numbers")
        }
        Expr::BinaryOp { op, .. } if is_unknown(op) => plan_err!("there is no operator `{op}`"),
        _ => Ok(()),
    }
}

/// What is written out is no list. A parameter may be one.
fn is_one_value(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_one_value(inner),
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_) | Value::Null),
        _ => false,
    }
}

fn is_whole(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Operators of geometry, of PostgreSQL's extensions and of other engines.
fn is_unknown(op: &BinaryOperator) -> bool {
    use BinaryOperator::{
        AndGt, AndLt, AndLtPipe, Assignment, At, Custom, DoubleHash, GtCaret, LtCaret, LtDashGt, LtLtPipe, Match,
        PGCustomBinaryOperator, PGExp, PipeAndGt, PipeGtGt, QuestionDash, QuestionDashPipe, QuestionDoublePipe,
        QuestionHash, Regexp, TildeEq,
    };
    matches!(
        op,
        Assignment
            | Custom(_)
            | Match
            | PGCustomBinaryOperator(_)
            | PGExp
            | Regexp
            | AndGt
            | AndLt
            | AndLtPipe
            | At
            | DoubleHash
            | GtCaret
            | LtCaret
            | LtDashGt
            | LtLtPipe
            | PipeAndGt
            | PipeGtGt
            | QuestionDash
            | QuestionDashPipe
            | QuestionDoublePipe
            | QuestionHash
            | TildeEq
    )
}

/// What only an aggregate or a window function takes is left out by the planner where the function computes each row by itself.
fn of_function(function: &Function, state: &SessionState) -> Result<()> {
    let name = called(&function.name);
    if !matches!(function.parameters, FunctionArguments::None) {
        return plan_err!("`{name}` takes its arguments in one pair of parentheses");
    }
    let (aggregates, windows) = (state.aggregate_functions(), state.window_functions());
    if function.over.is_none() && windows.contains_key(&name) && !aggregates.contains_key(&name) {
        return plan_err!("`{name}` is a window function: write `{name}(…) OVER (ORDER BY …)`");
    }
    let all = |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    if let FunctionArguments::List(list) = &function.args
        && function.name.0.len() == 1
        && list.args.iter().any(all)
        && (name != "count" || list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
    {
        return plan_err!(
            "only `count(*)` takes the star: name a column, or several as in `count(DISTINCT {{'a': a, 'b': b}})`"
        );
    }
    if !state.scalar_functions().contains_key(&name) {
        if UNBOUNDED.contains(&name.as_str()) {
            return plan_err!(
                "`{name}` is not there for readers, for its result is as long as an argument says: write it in the SQL of a projection"
            );
        }
        return Ok(());
    }
    let arguments = match &function.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    };
    let orders = |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::OrderBy(_));
    let ignores = |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_));
    let has = |is: &dyn Fn(&FunctionArgumentClause) -> bool| arguments.is_some_and(|list| list.clauses.iter().any(is));
    let extra = [
        (function.over.is_some(), "OVER"),
        (function.filter.is_some(), "FILTER"),
        (!function.within_group.is_empty(), "WITHIN GROUP"),
        (function.null_treatment.is_some() || has(&ignores), "IGNORE or RESPECT NULLS"),
        (has(&orders), "ORDER BY"),
        (arguments.is_some_and(|list| list.duplicate_treatment.is_some()), "DISTINCT or ALL"),
    ];
    match extra.iter().find(|(is_there, _)| *is_there) {
        Some((_, "FILTER")) => {
            plan_err!(
                "`{name}` computes each row by itself, and takes no FILTER: write `CASE WHEN … THEN {name}(…) END`"
            )
        }
        Some((_, clause)) => plan_err!("`{name}` computes each row by itself, and takes no {clause}: leave it out"),
        None => Ok(()),
    }
}

/// A window function is computed of the rows that WHERE, GROUP BY and HAVING have left, and an aggregate of those that ON has.
pub(super) fn of_conditions(select: &Select, state: &SessionState) -> Result<()> {
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(expressions, _) => expressions.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    let clauses = [("WHERE", select.selection.as_slice()), ("HAVING", select.having.as_slice()), ("GROUP BY", grouped)];
    for (clause, expressions) in clauses {
        for expression in expressions {
            if let ControlFlow::Break(name) = expression.visit(&mut Found { depth: 0, aggregates_of: None }) {
                let instead = if clause == "GROUP BY" { "" } else { "a condition behind QUALIFY, or " };
                return plan_err!(
                    "`{name}` OVER is computed of the rows that {clause} leaves: write {instead}the window in a subquery in FROM"
                );
            }
        }
    }
    for join in select.from.iter().flat_map(|from| &from.joins) {
        if let ControlFlow::Break(name) = join.join_operator.visit(&mut Found { depth: 0, aggregates_of: Some(state) })
        {
            return plan_err!(
                "`{name}` is computed of the rows that a join has left, and not of its condition: name it in a subquery in FROM"
            );
        }
    }
    Ok(())
}

/// Stops at a window function that is not in a subquery, and at an aggregate too where the session is given that knows them.
struct Found<'a> {
    depth: usize,
    aggregates_of: Option<&'a SessionState>,
}

impl Visitor for Found<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(Function { name, over, .. }) = expr else { return ControlFlow::Continue(()) };
        let is_aggregate =
            || self.aggregates_of.is_some_and(|state| state.aggregate_functions().contains_key(&called(name)));
        match self.depth == 0 && (over.is_some() || is_aggregate()) {
            true => ControlFlow::Break(name.to_string()),
            false => ControlFlow::Continue(()),
        }
    }
}
