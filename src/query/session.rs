//! A read-only DataFusion session over one snapshot.
//!
//! The snapshot's relations are tables; a view is expanded into its plan. Nothing can be created, changed, set or
//! reached outside of it: no files, no URLs, no sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
};
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::common::config::Dialect;
use datafusion::common::{DataFusionError, ParamValues, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry, SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;

use super::conditions::held;
use super::plan_checks::{check_padding, check_params, interruptible, is_repeatable, read_only, reads_only};
use super::{Kind, QueryError, did_you_mean};
use crate::plan::sound;
use crate::progress::Basis;
use crate::read_model::catalog::{ProjectionState, Relation, RelationData, Snapshot};

/// The catalog and schema that relations are in; neither need be written.
const CATALOG: &str = "readside";
const SCHEMA: &str = "public";

/// Longest SQL text of a reader.
const SQL_LENGTH_MAX: usize = 64 * 1024;

/// Views may read views, to this depth.
const VIEW_DEPTH_MAX: usize = 16;

/// Functions whose result is as long as an argument says: one call could fill the memory, unseen by its limit.
const UNBOUNDED: [&str; 8] =
    ["range", "generate_series", "gen_series", "repeat", "array_repeat", "list_repeat", "array_resize", "list_resize"];

/// Makes sessions: what they have in common is prepared once.
pub struct Sessions {
    template: SessionState,
    memory_bytes: usize,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("memory_bytes", &self.memory_bytes).finish_non_exhaustive()
    }
}

/// SQL that was parsed and is a query, with the names of the relations in it.
#[derive(Debug, Clone)]
pub struct Parsed {
    statement: Statement,
    references: Vec<TableReference>,
}

/// A query that may be run.
#[derive(Debug)]
pub struct Planned {
    pub plan: LogicalPlan,
    /// Whether the same cut gives the same rows: neither `now()` nor `random()` is in it.
    pub repeatable: bool,
}

/// One request's view of one snapshot.
pub struct Session {
    state: SessionState,
    snapshot: Arc<Snapshot>,
    relations: Arc<MemorySchemaProvider>,
    memory_bytes: usize,
}

impl Sessions {
    /// `memory_bytes` limits each query.
    pub fn new(memory_bytes: usize) -> Result<Self, DataFusionError> {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA);
        let options = config.options_mut();
        options.sql_parser.dialect = Dialect::DuckDB;
        options.execution.time_zone = Some("UTC".to_owned());
        options.execution.enable_recursive_ctes = false;
        let mut template = sound(config).build();
        datafusion_functions_json::register_all(&mut template)?;
        for name in UNBOUNDED {
            template.deregister_udtf(name)?;
            template.deregister_udf(name)?;
        }
        Ok(Sessions { template, memory_bytes })
    }

    /// Parses one query. Anything else than reading is refused here, before it is planned.
    pub fn parse(&self, sql: &str) -> Result<Parsed, QueryError> {
        if sql.len() > SQL_LENGTH_MAX {
            return Err(QueryError::invalid(format!("the SQL is longer than {SQL_LENGTH_MAX} bytes")));
        }
        let dialect = self.template.config_options().sql_parser.dialect;
        let statement = self.template.sql_to_statement(sql, &dialect).map_err(QueryError::planning)?;
        if !reads_only(&statement) {
            return Err(read_only());
        }
        let references = self.template.resolve_table_references(&statement).map_err(QueryError::planning)?;
        Ok(Parsed { statement, references })
    }

    /// A session over a snapshot.
    pub fn open(&self, snapshot: Arc<Snapshot>) -> Session {
        let relations = Arc::new(MemorySchemaProvider::new());
        let catalog = MemoryCatalogProvider::new();
        let list = MemoryCatalogProviderList::new();
        // Neither can fail: both kinds of provider accept every name, and these are new.
        let _ = catalog.register_schema(SCHEMA, relations.clone());
        list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let mut state = self.template.clone();
        state.register_catalog_list(Arc::new(list));
        // One instant for every now() of the request.
        state.mark_start_execution();
        Session { state, snapshot, relations, memory_bytes: self.memory_bytes }
    }

    /// What an answer from these relations is computed from: with `allow_mixed`, also where they stand at different
    /// cuts, of which the earliest then counts.
    pub fn basis(
        &self,
        snapshot: &Snapshot,
        references: &[TableReference],
        allow_mixed: bool,
    ) -> Result<Basis, QueryError> {
        let mut tables = BTreeMap::new();
        for reference in references {
            if !is_information_schema(reference) {
                self.tables_below(snapshot, relation_name(snapshot, reference)?, 0, &mut tables)?;
            }
        }
        let mut bases = tables.values().map(|relation| relation.basis());
        let Some(mut basis) = bases.next() else {
            return Ok(Basis { cut: snapshot.cut.clone(), live_at_us: 0, ..Basis::default() });
        };
        for other in bases {
            if other.cut != basis.cut && !allow_mixed {
                let cuts: Vec<String> = tables.iter().map(|(name, one)| format!("{name} at {}", one.cut)).collect();
                let detail = format!("the relations stand at different cuts: {}", cuts.join(", "));
                return Err(QueryError::new(Kind::MixedCuts, detail)
                    .hint("one of them has failed, or is a search index whose changes are not committed yet; say mixedCuts=allow to read them all the same"));
            }
            merge(&mut basis, other);
        }
        Ok(basis)
    }

    /// The tables that a relation is computed from at query time: itself, or those below a view.
    fn tables_below<'a>(
        &self,
        snapshot: &'a Snapshot,
        name: &str,
        depth: usize,
        found: &mut BTreeMap<String, &'a Relation>,
    ) -> Result<(), QueryError> {
        let relation = relation(snapshot, name)?;
        let RelationData::View { sql } = &relation.data else {
            found.insert(name.to_owned(), relation);
            return Ok(());
        };
        check_depth(name, depth)?;
        for reference in self.parse(sql)?.references {
            self.tables_below(snapshot, relation_name(snapshot, &reference)?, depth + 1, found)?;
        }
        Ok(())
    }

    /// [`Sessions::basis`] of what SQL reads.
    pub fn basis_of(&self, snapshot: &Snapshot, parsed: &Parsed, allow_mixed: bool) -> Result<Basis, QueryError> {
        self.basis(snapshot, &parsed.references, allow_mixed)
    }

    /// [`Sessions::basis`] of one relation.
    pub fn basis_of_relation(&self, snapshot: &Snapshot, name: &str) -> Result<Basis, QueryError> {
        self.basis(snapshot, &[TableReference::bare(name)], false)
    }
}

impl Session {
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Plans a parsed query with its parameters.
    pub async fn plan(&self, sessions: &Sessions, parsed: &Parsed, params: ParamValues) -> Result<Planned, QueryError> {
        if parsed.references.iter().any(is_information_schema) {
            for name in self.snapshot.relations.keys() {
                // A view that cannot be planned must not hide the others.
                if let Err(error) = self.register(sessions, name, 0).await {
                    tracing::debug!(%name, %error, "left out of information_schema");
                }
            }
        }
        for reference in &parsed.references {
            if !is_information_schema(reference) {
                self.register(sessions, relation_name(&self.snapshot, reference)?, 0).await?;
            }
        }
        let plan = self.state.statement_to_plan(parsed.statement.clone()).await.map_err(QueryError::planning)?;
        let forbidden = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        forbidden.verify_plan(&plan).map_err(|_| read_only())?;
        check_params(&plan, &params)?;
        let plan = plan.with_param_values(params).map_err(QueryError::planning)?;
        check_padding(&plan)?;
        let repeatable = is_repeatable(&plan).map_err(QueryError::planning)?;
        Ok(Planned { plan: held(plan).map_err(QueryError::planning)?, repeatable })
    }

    /// All rows of a relation, to be filtered and sorted by expressions.
    pub async fn scan(&self, sessions: &Sessions, name: &str) -> Result<LogicalPlanBuilder, QueryError> {
        self.register(sessions, name, 0).await?;
        let provider = self.relations.table(name).await.map_err(QueryError::planning)?;
        let provider = provider.ok_or_else(|| unknown(&self.snapshot, name))?;
        LogicalPlanBuilder::scan(TableReference::bare(name), provider_as_source(provider), None)
            .map_err(QueryError::planning)
    }

    /// Starts a plan; the stream may be dropped at any time.
    pub async fn execute(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream, QueryError> {
        let physical = self.state.create_physical_plan(plan).await.map_err(QueryError::planning)?;
        let physical = interruptible(physical).map_err(QueryError::planning)?;
        // Memory is this query's own, and there is no spilling to disk: a sidecar's disk belongs to the checkpoints.
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(self.memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(QueryError::running)?;
        let context = TaskContext::from(&self.state).with_runtime(runtime);
        execute_stream(physical, Arc::new(context)).map_err(QueryError::running)
    }

    /// Makes a relation known to the session, a view with everything below it.
    async fn register(&self, sessions: &Sessions, name: &str, depth: usize) -> Result<(), QueryError> {
        if self.relations.table_exist(name) {
            return Ok(());
        }
        let provider: Arc<dyn TableProvider> = match &relation(&self.snapshot, name)?.data {
            RelationData::Search(search) => search.table().provider().map_err(QueryError::running)?,
            RelationData::Table(table) => table.provider().map_err(QueryError::running)?,
            RelationData::View { sql } => {
                check_depth(name, depth)?;
                let parsed = sessions.parse(sql)?;
                for reference in &parsed.references {
                    let below = relation_name(&self.snapshot, reference)?;
                    Box::pin(self.register(sessions, below, depth + 1)).await?;
                }
                let plan = self.state.statement_to_plan(parsed.statement).await.map_err(QueryError::planning)?;
                let plan = held(plan).map_err(QueryError::planning)?;
                Arc::new(ViewTable::new(plan, Some(sql.clone())))
            }
        };
        self.relations.register_table(name.to_owned(), provider).map_err(QueryError::running)?;
        Ok(())
    }
}

/// A relation of the snapshot, or why there is none.
pub(super) fn relation<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Relation, QueryError> {
    snapshot.relations.get(name).map(AsRef::as_ref).ok_or_else(|| unknown(snapshot, name))
}

fn unknown(snapshot: &Snapshot, name: &str) -> QueryError {
    match snapshot.projections.get(name) {
        Some(status) if status.state == ProjectionState::Failed => {
            let reason = status.error.as_deref().unwrap_or("the log has the reason");
            QueryError::new(Kind::Unavailable, format!("`{name}` has failed: {reason}"))
        }
        Some(_) => QueryError::new(Kind::Unavailable, format!("`{name}` is being built and has nothing to serve yet")),
        None => QueryError::new(Kind::UnknownRelation, format!("there is no relation `{name}`"))
            .near(did_you_mean(name, snapshot.relations.keys().map(String::as_str))),
    }
}

/// The relation that a reference in SQL means.
fn relation_name<'a>(snapshot: &Snapshot, reference: &'a TableReference) -> Result<&'a str, QueryError> {
    match reference.schema() {
        None | Some(SCHEMA) if reference.catalog().is_none_or(|catalog| catalog == CATALOG) => Ok(reference.table()),
        Some(schema) if snapshot.sources.contains_key(schema) => Err(QueryError::new(
            Kind::UnknownRelation,
            format!("`{reference}` is a source's relation; events are not kept to be queried"),
        )
        .hint("query a projection; declare one whose SQL reads it")),
        _ => Err(QueryError::new(Kind::UnknownRelation, format!("there is no relation `{reference}`"))
            .hint("relations are named without a schema")),
    }
}

fn is_information_schema(reference: &TableReference) -> bool {
    reference.schema() == Some("information_schema")
}

fn check_depth(name: &str, depth: usize) -> Result<(), QueryError> {
    if depth < VIEW_DEPTH_MAX {
        return Ok(());
    }
    Err(QueryError::invalid(format!("views are nested more than {VIEW_DEPTH_MAX} deep at `{name}`")))
}

/// Both together: the earliest of each position, and everything that either reads.
fn merge(basis: &mut Basis, other: Basis) {
    for (source, position) in &mut basis.cut.positions {
        *position = (*position).min(other.cut.position(source));
    }
    basis.cut.revision = basis.cut.revision.min(other.cut.revision);
    basis.live_at_us = basis.live_at_us.min(other.live_at_us);
    for (source, types) in other.reads {
        match basis.reads.get_mut(&source) {
            // No types means all of them.
            Some(known) if known.is_empty() || types.is_empty() => known.clear(),
            Some(known) => *known = known.drain(..).chain(types).collect::<BTreeSet<_>>().into_iter().collect(),
            None => drop(basis.reads.insert(source, types)),
        }
    }
}
