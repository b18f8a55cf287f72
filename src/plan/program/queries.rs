//! What readers compute when they ask: views, and the queries that the configuration declares. They are planned here with the
//! rules of readers' sessions, so that what would fail for every reader is refused before anyone asks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::ParamValues;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::checks::{gives, problem};
use super::compile::{distinct_names, unknown_relation, with_relations};
use crate::config::Code;
use crate::config::{self, Problem};
use crate::identity::Specification;
use crate::plan::column_names::numbered;
use crate::plan::datafusion::logical_plan;
use crate::plan::datafusion::readers;
use crate::plan::decorrelate::readable;
use crate::plan::lower::{add_reads, arrow};
use crate::plan::rewrite::rewrite_own_aggregates;
use crate::plan::sampled::check_expressions;
use crate::plan::scope::Scanned;
use crate::plan::{ProjectionSchema, Refusal, Scope};
use crate::progress::Reads;
use crate::sql::{SAMPLES, sample_values};

/// What a view gives, which is planned at query time: `now()` is allowed there.
///
/// # Errors
/// If the SQL cannot be planned over `scope`, or gives columns that a view cannot have.
pub(super) fn view_schema(sql: &str, scope: &Scope) -> Result<ProjectionSchema, Refusal> {
    let ctx = session(scope)?;
    let plan = planned(&ctx, sql, scope)?;
    let reads = reads(&plan, scope, "a view")?;
    let plan = numbered(readable(rewrite_own_aggregates(plan)?, &ctx.state())?)?;
    // Types are settled only by the analysis.
    let plan = ctx.state().optimize(&plan)?;
    check_expressions(&plan, &ctx.state())?;
    let schema = arrow(plan.schema());
    distinct_names(&schema)?;
    // Nothing is kept of a view or over one, so its text is all that tells it from another.
    let identity = Specification::of("view/1").text(sql).finish();
    Ok(ProjectionSchema { schema, key: Vec::new(), key_proven: false, reads, append_only: false, identity })
}

/// What is wrong with a declared query.
pub(super) fn check_query(query: &config::Query, scope: &Scope) -> Vec<Problem> {
    let of_sql = |refusal: Refusal| vec![problem(&query.node, "/sql", refusal)];
    let plan = match session(scope).map_err(Refusal::from).and_then(|ctx| Ok((planned(&ctx, &query.sql, scope)?, ctx)))
    {
        Ok((plan, ctx)) => reads(&plan, scope, "a query").map(|_| (plan, ctx)),
        Err(refusal) => return of_sql(refusal),
    };
    let (plan, ctx) = match plan {
        Ok(planned) => planned,
        Err(refusal) => return of_sql(refusal),
    };
    let problems = params(query, &plan);
    if !problems.is_empty() {
        return problems;
    }
    let with_values = match optimized(query, &plan, &ctx, 0) {
        Ok(plan) => plan,
        Err(refusal) => return of_sql(refusal),
    };
    let Err(always) = check_expressions(&with_values, &ctx.state()) else { return sort(query, &with_values) };
    // Other values of the parameters might do where the reasons differ.
    let fails_alike = |sample| {
        let plan = optimized(query, &plan, &ctx, sample);
        plan.and_then(|plan| check_expressions(&plan, &ctx.state())).err().as_ref() == Some(&always)
    };
    match (1..SAMPLES).all(fails_alike) {
        true => of_sql(always),
        false => sort(query, &with_values),
    }
}

/// The plan with values for its parameters, which do not matter to its types: one sample of each.
fn optimized(
    query: &config::Query,
    plan: &LogicalPlan,
    ctx: &SessionContext,
    sample: usize,
) -> Result<LogicalPlan, Refusal> {
    let values = query.params.iter().map(|(name, param)| {
        let values = sample_values(&param.param_type.to_arrow())?;
        Ok((name.clone(), values[sample].clone().into()))
    });
    let values = values.collect::<datafusion::common::Result<HashMap<_, _>>>()?;
    let plan = rewrite_own_aggregates(plan.clone().with_param_values(ParamValues::Map(values))?)?;
    let plan = numbered(readable(plan, &ctx.state())?)?;
    Ok(ctx.state().optimize(&plan)?)
}

/// A reader's session in which every relation of the scope is known, without rows.
fn session(scope: &Scope) -> Result<SessionContext, datafusion::common::DataFusionError> {
    let state = readers(|config| config.with_create_default_catalog_and_schema(true))?;
    with_relations(SessionContext::new_with_state(state), scope)
}

fn planned(ctx: &SessionContext, sql: &str, scope: &Scope) -> Result<LogicalPlan, Refusal> {
    let plan = logical_plan(ctx, sql, &scope.keys()).map_err(|error| unknown_relation(&error, scope))?;
    let forbidden = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    match forbidden.verify_plan(&plan) {
        Ok(()) => Ok(plan),
        Err(_) => Err(Refusal::new(Code::NotAQuery, "this statement does not read").hint("write one SELECT")),
    }
}

/// The sources below a query, which may read projections only.
fn reads(plan: &LogicalPlan, scope: &Scope, reader: &str) -> Result<Reads, Refusal> {
    let mut reads = Reads::new();
    let mut events = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            match scope.find(&scan.table_name) {
                Some(Scanned::Projection { projection, .. }) => {
                    for (source, types) in &projection.reads {
                        add_reads(&mut reads, source, types.clone());
                    }
                }
                _ => events = Some(scan.table_name.clone()),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match events {
        Some(table) => {
            Err(Refusal::new(Code::OverEvents, format!("{reader} reads projections, and `{table}` are events"))
                .hint("make a table projection over the events, and read that"))
        }
        None => Ok(reads),
    }
}

/// Every placeholder is declared, and every declared parameter is one.
fn params(query: &config::Query, plan: &LogicalPlan) -> Vec<Problem> {
    let used: BTreeSet<String> = match plan.get_parameter_names() {
        Ok(names) => names.into_iter().map(|name| name.trim_start_matches('$').to_owned()).collect(),
        Err(error) => return vec![problem(&query.node, "/sql", Refusal::from(error))],
    };
    let mut problems = Vec::new();
    for name in used.iter().filter(|name| !query.params.contains_key(*name)) {
        let refusal = Refusal::new(Code::ParametersDoNotFit, format!("the parameter `${name}` is not declared"))
            .hint(format!("declare it: `params: {{{name}: string!}}`"));
        problems.push(problem(&query.node, "/sql", refusal));
    }
    for name in query.params.keys().filter(|name| !used.contains(*name)) {
        let refusal = Refusal::new(
            Code::ParametersDoNotFit,
            format!("the parameter `{name}` is not in the SQL, so every request would fail"),
        )
        .hint(format!("use it as `${name}`, or remove it"));
        problems.push(problem(&query.node, &format!("/params/{name}"), refusal));
    }
    problems
}

/// The columns that pages are sorted by come out.
fn sort(query: &config::Query, plan: &LogicalPlan) -> Vec<Problem> {
    let schema = Arc::new(arrow(plan.schema()));
    let missing = query.sort.iter().enumerate().filter(|(_, (column, _))| schema.index_of(column).is_err());
    missing
        .map(|(index, (column, _))| {
            let refusal =
                Refusal::new(Code::ColumnNotSelected, format!("the column `{column}` does not come out of the query"));
            problem(&query.node, &format!("/sort/{index}"), refusal.hint(gives(&schema)))
        })
        .collect()
}
