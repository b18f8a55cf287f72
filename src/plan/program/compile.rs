//! One projection's SQL, planned, rewritten, checked and lowered.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::key_proof::KeyProof;
use super::selected::Selected;
use crate::circuit::Circuit;
use crate::config::Code;
use crate::event::SourceRelation;
use crate::identity::Specification;
use crate::plan::column_names::by_relation;
use crate::plan::datafusion::{logical_plan, name_scalar_subqueries, planning_state, session};
use crate::plan::decorrelate::{has_subqueries, optimized};
use crate::plan::facts::keys::Keys;
use crate::plan::guard::guarded;
use crate::plan::lower::lower;
use crate::plan::sampled::check_expressions;
use crate::plan::{ProjectionSchema, Refusal, Scope, ScopeSource, rewrite};

/// A projection that can be kept.
#[derive(Debug)]
pub struct Compiled {
    pub circuit: Circuit,
    pub schema: ProjectionSchema,
    /// Other projections that it reads.
    pub upstream: Vec<String>,
    /// The fewest columns that no two rows share, as far as that is proven, whatever the key.
    pub unique: Option<Vec<usize>>,
    /// What proves that no two rows share the key; none if nothing does.
    pub key_proof: Option<KeyProof>,
}

/// Compiles what is `selected`, whose rows are to be kept under the columns `key`, or those that it proves to tell them apart.
///
/// # Errors
/// Refuses SQL that cannot be planned, that names what is not in `scope`, or whose result cannot be kept equal to batch.
pub fn compile<'a>(
    selected: impl Into<Selected<'a>>,
    key: Option<&[String]>,
    scope: &Scope,
) -> Result<Compiled, Refusal> {
    let ctx = scope_session(scope)?;
    let plan = rewritten(&ctx, selected.into(), scope)?;
    let state = planning_state(&ctx);
    let optimized = guarded(optimized(&plan, &state, scope)?)?;
    let schema = output_schema(&plan, &optimized);
    distinct_names(&schema)?;
    let keys = Keys::of(&optimized, Some(scope));
    let key = match key {
        Some(key) => key.iter().map(|column| index_of(&schema, column)).collect::<Result<Vec<_>, _>>()?,
        None => keys.shortest().ok_or_else(|| unproven(&schema))?,
    };
    let lowered = lower(&optimized, scope, &state)?;
    if lowered.reads.is_empty() && lowered.upstream.is_empty() {
        return Err(Refusal::new(Code::ReadsNothing, "this query reads no events, so there is nothing to keep")
            .hint("select from a source's relation or from a projection"));
    }
    check_expressions(&optimized, &state)?;
    let key_proof = KeyProof::of(&optimized, &key, scope);
    let non_null = key.iter().all(|&index| !schema.field(index).is_nullable());
    let identity = Specification::of("rows/1")
        .identity(lowered.circuit.identity())
        .schema(&schema)
        .list(key.iter(), |specification, column| specification.index(*column))
        .finish();
    Ok(Compiled {
        circuit: lowered.circuit,
        schema: ProjectionSchema {
            schema,
            key,
            key_proven: key_proof.is_some() && non_null,
            reads: lowered.reads,
            append_only: lowered.append_only,
            identity,
        },
        upstream: lowered.upstream,
        unique: keys.shortest(),
        key_proof,
    })
}

/// The columns that come out. Their types are settled only by the analysis, and what cannot be NULL is known from
/// either plan.
pub(in crate::plan) fn output_schema(plan: &LogicalPlan, optimized: &LogicalPlan) -> SchemaRef {
    // A subquery of one value has none where it has no row, whatever its column is.
    let is_known = !has_subqueries(plan);
    let fields = plan.schema().fields().iter().zip(optimized.schema().fields());
    let fields = fields.zip(by_relation(plan)).map(|((planned, field), name)| {
        let nullable = (planned.is_nullable() || !is_known) && field.is_nullable();
        field.as_ref().clone().with_name(name).with_nullable(nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A session in which every relation of the scope is known, without rows.
pub(super) fn scope_session(scope: &Scope) -> Result<SessionContext, DataFusionError> {
    with_relations(session()?, scope)
}

/// The session with every relation of the scope, without rows.
pub(super) fn with_relations(ctx: SessionContext, scope: &Scope) -> Result<SessionContext, DataFusionError> {
    let empty = |schema| Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>;
    let catalog = ctx
        .catalog(&ctx.state().config_options().catalog.default_catalog)
        .ok_or_else(|| DataFusionError::Internal("the session has no default catalog".into()))?;
    for (name, ScopeSource { schema: source, .. }) in &scope.sources {
        let tables = MemorySchemaProvider::new();
        for relation in (0..source.types.len()).map(SourceRelation::Type).chain([SourceRelation::Events]) {
            let table = match relation {
                SourceRelation::Events => "events",
                SourceRelation::Type(index) => &source.types[index].table,
            };
            tables.register_table(table.to_owned(), empty(source.relation_schema(relation)))?;
        }
        catalog.register_schema(name, Arc::new(tables))?;
    }
    for (name, projection) in &scope.projections {
        ctx.register_table(name.as_str(), empty(projection.schema.clone()))?;
    }
    Ok(ctx)
}

/// What `rewritten` gives, in a session of its own.
#[cfg(test)]
pub(in crate::plan) fn planned(sql: &str, scope: &Scope) -> Result<LogicalPlan, Refusal> {
    rewritten(&scope_session(scope)?, sql.into(), scope)
}

/// The plan that both the circuit and the batch result come from.
///
/// # Errors
/// If the SQL cannot be planned over `scope`, or no order makes its result a function of the set of rows.
pub(in crate::plan) fn rewritten(
    ctx: &SessionContext,
    selected: Selected<'_>,
    scope: &Scope,
) -> Result<LogicalPlan, Refusal> {
    let plan = logical_plan(ctx, selected.sql, &scope.keys()).map_err(|error| unknown_relation(&error, scope))?;
    if !matches!(
        plan,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::EmptyRelation(_)
    ) {
        return Err(Refusal::new(Code::NotAQuery, "this statement is not a query").hint("a projection is one SELECT"));
    }
    rewrite::rewrite(name_scalar_subqueries(selected.told_apart(plan)?)?).map_err(Refusal::from)
}

pub(super) fn unknown_relation(error: &DataFusionError, scope: &Scope) -> Refusal {
    let refusal = Refusal::from_datafusion(error);
    if refusal.message.contains("not found") && refusal.message.contains("table") {
        let refusal = Refusal { code: Code::UnknownRelation, ..refusal };
        return refusal.hint(format!("there are {}", scope.names().join(", ")));
    }
    refusal
}

pub(super) fn distinct_names(schema: &SchemaRef) -> Result<(), Refusal> {
    for (index, field) in schema.fields().iter().enumerate() {
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return Err(Refusal::new(Code::SameColumn, format!("two columns are named `{}`", field.name()))
                .hint("rename one with AS"));
        }
    }
    Ok(())
}

fn unproven(schema: &SchemaRef) -> Refusal {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Refusal::new(Code::NoKey, "nothing in this query says which columns tell its rows apart")
        .hint(format!(
        "write `key: […]` with some of {}; `key: []` for a table of one row; `duplicates: {{count: copies}}` where equal \
         rows are meant",
        names.join(", ")
    ))
}

fn index_of(schema: &SchemaRef, column: &str) -> Result<usize, Refusal> {
    schema.index_of(column).map_err(|_| {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Refusal::new(Code::KeyNotSelected, format!("the key column `{column}` is not among the query's columns"))
            .hint(format!("the query gives {}", names.join(", ")))
    })
}
