//! The SQL expressions of upcaster steps: parsed, checked, planned. They are evaluated elsewhere.
//!
//! An expression sees one row of one version, and gives the same value on every run.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, SchemaError};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionConfig;

use crate::sql::{Microseconds, Samples, as_meant, cause, parse_expression, register_functions};

/// Plans expressions: DataFusion's functions and the JSON ones, the `duckdb` dialect, literals as decimals.
pub(super) struct Planner {
    state: SessionState,
}

/// An expression ready to be evaluated.
#[derive(Debug)]
pub(super) struct EventExpression {
    pub(super) value: Arc<dyn PhysicalExpr>,
    pub(super) arrow: ArrowType,
    /// False where the division that the expression consists of leaves a remainder.
    pub(super) divides: Option<Arc<dyn PhysicalExpr>>,
}

/// A mistake in an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) message: String,
    /// Line and column within the expression, both from 1.
    pub(super) within: Option<(u64, u64)>,
    pub(super) hint: Option<String>,
}

impl Planner {
    pub(super) fn new() -> Result<Self, DataFusionError> {
        let mut config = SessionConfig::new();
        let options = config.options_mut();
        options.sql_parser.dialect = Dialect::DuckDB;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.collect_spans = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.execution.time_zone = Some("UTC".into());
        let state = SessionStateBuilder::new_with_default_features().with_config(config);
        let mut state = state.with_type_planner(Arc::new(Microseconds)).build();
        register_functions(&mut state)?;
        Ok(Self { state })
    }

    /// Plans `sql` over the columns of a version. `exact` asks that a division comes out.
    pub(super) fn plan(&self, sql: &str, columns: &SchemaRef, exact: bool) -> Result<EventExpression, Mistake> {
        let schema = DFSchema::try_from(columns.as_ref().clone()).map_err(|error| Mistake::from(&error, columns))?;
        let plan = |expr: Expr| self.physical(expr, &schema).map_err(|error| Mistake::from(&error, columns));
        let expr = self.parsed(sql, &schema).map_err(|error| Mistake::from(&error, columns))?;
        refuse_unfit(&expr)?;
        let value = plan(expr.clone())?;
        let arrow = value.data_type(columns).map_err(|error| Mistake::from(&error, columns))?;
        if let Ok(samples) = Samples::of(columns) {
            samples.check(value.as_ref(), &arrow).map_err(|never| Mistake {
                message: format!("the expression {never}"),
                within: None,
                hint: Some(never.hint().to_owned()),
            })?;
        }
        let divides = match division_comes_out(&expr) {
            Some(check) if exact && !arrow.is_floating() => Some(plan(check)?),
            _ => None,
        };
        Ok(EventExpression { value, arrow, divides })
    }

    fn parsed(&self, sql: &str, schema: &DFSchema) -> Result<Expr, DataFusionError> {
        let parsed = parse_expression(&self.state, sql)?;
        let expr = self.state.create_logical_expr_from_sql_expr(parsed, schema)?;
        Ok(as_meant(expr.unalias(), schema)?.data)
    }

    /// What a query's analyser and optimiser would make of the expression.
    fn physical(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let options = self.state.config_options();
        let mut expr = expr;
        for rewrite in self.state.analyzer().function_rewrites() {
            expr = expr.transform_up(|expr| rewrite.rewrite(expr, schema, options))?.data;
        }
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(options))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let expr = simplifier.simplify(simplifier.coerce(expr, schema)?)?;
        self.state.create_physical_expr(expr, schema)
    }
}

/// `(a / b) * b = a` for an expression that is a division: integers and decimals cut off what is left.
fn division_comes_out(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) => {
            Some((expr.clone() * right.as_ref().clone()).eq(left.as_ref().clone()))
        }
        _ => None,
    }
}

/// Refuses what needs more than the row, or differs from run to run.
fn refuse_unfit(expr: &Expr) -> Result<(), Mistake> {
    let mut found = None;
    let walked = expr.apply(|node| {
        found = unfit(node);
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (walked, found) {
        (Err(error), _) => Err(Mistake::new(error.strip_backtrace())),
        (Ok(_), Some(message)) => Err(Mistake::new(message)),
        (Ok(_), None) => Ok(()),
    }
}

fn unfit(expr: &Expr) -> Option<String> {
    let volatile = |name: &str, volatility: Volatility| {
        (volatility != Volatility::Immutable)
            .then(|| format!("`{name}` is volatile: it gives another value on every run, and an event is upcast again"))
    };
    match expr {
        Expr::ScalarFunction(call) => volatile(call.name(), call.func.signature().volatility),
        Expr::HigherOrderFunction(call) => volatile(call.func.name(), call.func.signature().volatility),
        Expr::AggregateFunction(call) => Some(format!("`{}` is an aggregate: a step sees one event", call.func.name())),
        Expr::WindowFunction(call) => {
            Some(format!("`{}` is a window function: a step sees one event", call.fun.name()))
        }
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
            Some("a subquery is not allowed: a step sees one event".into())
        }
        Expr::Unnest(_) => Some("`unnest` is not allowed: a step gives one event".into()),
        Expr::Placeholder(_) | Expr::ScalarVariable(..) | Expr::OuterReferenceColumn(..) => {
            Some("parameters and variables are not allowed: a step sees one event".into())
        }
        _ => None,
    }
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), within: None, hint: None }
    }

    fn from(error: &DataFusionError, columns: &SchemaRef) -> Self {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let within = span.map(|span| (span.start.line, span.start.column));
        match error.find_root() {
            DataFusionError::SQL(..) => Self::from_parser(&cause(error)),
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, .. } => Self::unknown_column(&field.name, columns, within),
                other => Self { message: other.to_string(), within, hint: None },
            },
            other => {
                let text = cause(other);
                let (message, hint) = match text.split_once('\n') {
                    Some((message, hint)) => (message, Some(hint.trim().to_owned())),
                    None => (text.as_str(), None),
                };
                Self { message: message.trim_end_matches('.').to_owned(), within, hint }
            }
        }
    }

    fn unknown_column(name: &str, columns: &SchemaRef, within: Option<(u64, u64)>) -> Self {
        let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
        let near = names.iter().map(|known| (strsim::jaro_winkler(name, known), known));
        let hint = match near.max_by(|left, right| left.0.total_cmp(&right.0)) {
            Some((score, known)) if score > 0.8 => format!("did you mean `{known}`?"),
            _ => format!("this version has {}", names.join(", ")),
        };
        Self { message: format!("there is no column `{name}` in this version"), within, hint: Some(hint) }
    }

    /// The parser puts the place at the end of its message: `… at Line: 1, Column: 5`.
    fn from_parser(text: &str) -> Self {
        let place = text.rsplit_once(" at Line: ").and_then(|(message, place)| {
            let (line, column) = place.split_once(", Column: ")?;
            Some((message, (line.parse().ok()?, column.trim().parse().ok()?)))
        });
        let (message, within) = place.map_or((text, None), |(message, within)| (message, Some(within)));
        Self { message: message.to_owned(), within, hint: None }
    }
}
