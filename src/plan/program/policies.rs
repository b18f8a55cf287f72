//! The policies and masks of projections, planned over the columns that they hide.
//!
//! Who is to see what is no part of what a projection computes: a change of it builds nothing again.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility};

use super::checks::{gives, problem};
use crate::access::{Policies, RelationPolicy, RowFilter, is_claim, register_claims};
use crate::config::{self, Code, Config, Policy, Problem};
use crate::plan::datafusion::readers;
use crate::plan::{ProjectionSchema, Refusal, Scope};
use crate::sql::{as_meant, parse_expression};

/// Plans all of them.
///
/// # Errors
/// What is wrong with them. Relations that are not in the scope have problems of their own.
pub(super) fn policies(config: &Config, scope: &Scope) -> Result<Policies, Vec<Problem>> {
    let mut problems = unused(config);
    let planner = match Planner::new() {
        Ok(planner) => planner,
        Err(error) => return Err(vec![problem(&config::NodePath::default(), "", error.into())]),
    };
    let mut by_relation = BTreeMap::new();
    for projection in &config.projections {
        let Some(schema) = scope.projections.get(&projection.name).filter(|_| !projection.is_public) else { continue };
        match planner.of_relation(projection, config, schema) {
            Ok(policy) if policy.filters.is_empty() && policy.masks.is_empty() => {}
            Ok(policy) => drop(by_relation.insert(projection.name.clone(), policy)),
            Err(found) => problems.extend(found),
        }
    }
    let columns = |schema: &ProjectionSchema| schema.schema.fields().iter().map(|field| field.name().clone()).collect();
    let relations = scope.projections.iter().map(|(name, schema)| (name.clone(), columns(schema))).collect();
    if problems.is_empty() { Ok(Policies::new(by_relation, relations, planner.state)) } else { Err(problems) }
}

/// A policy that hides nothing, because nothing names it.
fn unused(config: &Config) -> Vec<Problem> {
    let named: BTreeSet<&String> =
        config.projections.iter().flat_map(|one| &one.policies).chain(&config.required_policies).collect();
    let unused = config.policies.iter().filter(|policy| !named.contains(&policy.name));
    let refused = |policy: &Policy| {
        let refusal = Refusal::new(
            Code::UnusedPolicy,
            format!("nothing names the policy `{}`: it hides no row", policy.name),
        )
        .hint("name it in the `access.policies` of a projection, or for all of them in `auth.require`; or remove it");
        problem(&policy.node, "/policy", refusal)
    };
    unused.map(refused).collect()
}

struct Planner {
    state: SessionState,
}

impl Planner {
    fn new() -> Result<Self, DataFusionError> {
        let mut state = readers(|config| config)?;
        register_claims(&mut state)?;
        Ok(Self { state })
    }

    fn of_relation(
        &self,
        projection: &config::Projection,
        config: &Config,
        schema: &ProjectionSchema,
    ) -> Result<RelationPolicy, Vec<Problem>> {
        let (mut policy, mut problems) = (RelationPolicy::default(), Vec::new());
        let mut names: Vec<&String> = Vec::new();
        for name in config.required_policies.iter().chain(&projection.policies) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            // Its name was looked for when the files were read.
            let Some(declared) = config.policies.iter().find(|one| one.name == *name) else { continue };
            match self.condition(declared, projection, schema) {
                Ok(condition) => policy.filters.push(RowFilter { policy: name.clone(), condition }),
                Err(found) => problems.push(*found),
            }
        }
        for (column, sql) in &projection.masks {
            let below = format!("/access/mask/{column}");
            match self.mask(column, sql, schema) {
                Ok(mask) => drop(policy.masks.insert(column.clone(), mask)),
                Err(refusal) => problems.push(problem(&projection.node, &below, refusal)),
            }
        }
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    fn condition(
        &self,
        policy: &Policy,
        projection: &config::Projection,
        schema: &ProjectionSchema,
    ) -> Result<Expr, Box<Problem>> {
        let of_policy = |refusal| Box::new(problem(&policy.node, "/row_filter", refusal));
        let sql = parse_expression(&self.state, &policy.row_filter);
        sql.map_err(|error| of_policy(error.into()))?;
        let condition = self.planned(&policy.row_filter, schema).map_err(|refusal| {
            // What does not fit one relation may fit the others.
            let cause = cause(&refusal.message);
            let message = format!("the policy `{}` does not fit `{}`: {cause}", policy.name, projection.name);
            let refusal = Refusal { code: Code::PolicyDoesNotFit, message, span: None, ..refusal };
            let is_own = projection.policies.contains(&policy.name);
            let hint = refusal.hint.clone().unwrap_or_else(|| match is_own {
                true => gives(&schema.schema),
                false => format!(
                    "`auth.require` asks for it of every relation; {}, or write `access: public`",
                    gives(&schema.schema)
                ),
            });
            let below = if is_own { "/access/policies" } else { "/projection" };
            Box::new(problem(&projection.node, below, refusal.hint(hint)))
        })?;
        match self.type_of(&condition, schema) {
            Ok(DataType::Boolean) => Ok(condition),
            Ok(other) => Err(of_policy(
                Refusal::new(Code::PolicyDoesNotFit, format!("a row filter is true or false, and this is {other}"))
                    .hint("write a condition: `tenant_id = claim('tenant')`"),
            )),
            Err(refusal) => Err(of_policy(refusal)),
        }
    }

    fn mask(&self, column: &str, sql: &str, schema: &ProjectionSchema) -> Result<Expr, Refusal> {
        let index = schema.schema.index_of(column).map_err(|_| {
            Refusal::new(Code::ColumnNotSelected, format!("the column `{column}` does not come out of the query"))
                .hint(gives(&schema.schema))
        })?;
        if schema.key.contains(&index) {
            let message = format!("`{column}` is part of the key, by which rows are found, so it cannot be masked");
            return Err(Refusal::new(Code::PolicyDoesNotFit, message)
                .hint("hide the rows with a policy, or select a hash of it instead: `sha256(…)`"));
        }
        let mask = self.planned(sql, schema)?;
        let (given, shown) = (schema.schema.field(index).data_type(), self.type_of(&mask, schema)?);
        let is_null = shown == DataType::Null;
        if is_null || shown == *given || given.is_string() && shown.is_string() {
            return Ok(mask);
        }
        Err(Refusal::new(Code::PolicyDoesNotFit, format!("`{column}` is {given}, and its mask is {shown}"))
            .hint("a mask has the type of its column: cast it, or write NULL"))
    }

    /// An expression over the columns of a relation, with claims still to come.
    fn planned(&self, sql: &str, schema: &ProjectionSchema) -> Result<Expr, Refusal> {
        let columns = DFSchema::try_from(schema.schema.as_ref().clone())?;
        let parsed = parse_expression(&self.state, sql)?;
        let expr = self.state.create_logical_expr_from_sql_expr(parsed, &columns)?;
        let mut expr = as_meant(expr.unalias(), &columns)?.data;
        refuse_unfit(&expr)?;
        let options = self.state.config_options();
        for rewrite in self.state.analyzer().function_rewrites() {
            expr = expr.transform_up(|expr| rewrite.rewrite(expr, &columns, options))?.data;
        }
        // Whether it can be computed at all is known before anybody asks.
        self.state.create_physical_expr(expr.clone(), &columns)?;
        Ok(expr)
    }

    fn type_of(&self, expr: &Expr, schema: &ProjectionSchema) -> Result<DataType, Refusal> {
        Ok(expr.get_type(&DFSchema::try_from(schema.schema.as_ref().clone())?)?)
    }
}

/// Without the columns that there are, which the hint names.
fn cause(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    match first.strip_prefix("No field named ").and_then(|rest| rest.split(". ").next()) {
        Some(column) => format!("it has no column `{}`", column.trim_end_matches('.')),
        None => first.to_owned(),
    }
}

/// Refuses what needs more than the row and the caller.
fn refuse_unfit(expr: &Expr) -> Result<(), Refusal> {
    let mut refusal = None;
    expr.apply(|part| {
        refusal = unfit(part);
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    refusal.map_or(Ok(()), Err)
}

fn unfit(expr: &Expr) -> Option<Refusal> {
    let refusal = |message: String, hint: &str| Some(Refusal::new(Code::PolicyDoesNotFit, message).hint(hint));
    match expr {
        Expr::ScalarFunction(call) if is_claim(&call.func) => match call.args.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(_)), _)] => None,
            _ => refusal(
                format!("`{}` takes the name of a claim, as a text that is written out", call.name()),
                "write it like `claim('tenant')`",
            ),
        },
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => refusal(
            format!("`{}` gives another value at another time", call.name()),
            "what is hidden depends on the row and on the caller's claims alone; select a column that says it",
        ),
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => refusal(
            "a subquery is not possible here".to_owned(),
            "join what decides it in the projection's SQL, and compare its column",
        ),
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_) => {
            refusal("a policy or mask sees one row".to_owned(), "compute it in the projection's SQL")
        }
        Expr::Placeholder(_) | Expr::ScalarVariable(..) | Expr::OuterReferenceColumn(..) => {
            refusal("a policy or mask has no parameters".to_owned(), "ask for a claim: `claim('tenant')`")
        }
        _ => None,
    }
}
