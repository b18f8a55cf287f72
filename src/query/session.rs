//! A read-only DataFusion session over one snapshot: views, declared queries, free SQL and filters all run in one.
//!
//! The snapshot's relations are tables; a view is expanded into its plan. Nothing can be created, changed, set or
//! reached outside of it: no files, no URLs, no sources.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
};
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, ParamValues, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement;

use super::QueryError;
use super::account::{Account, Stage, bounded, metered};
use super::apart::ViewApart;
use super::conditions::held;
use super::open_parameters::settle;
use super::plan_checks::{check_padding, check_params, interruptible, is_repeatable, read_only, reads_only};
use super::relations::{check_depth, is_information_schema, open, refused, relation_name};
use super::results::is_steady;
use super::sql_limits::{PARSER_RECURSION_MAX, check_statement, check_text};
use crate::plan::{numbered, readable, readers, rewrite_own_aggregates};
use crate::read_model::{ReadView, RelationRows};
use crate::sql::{RelationKeys, over_relations, parse_statement};

/// The catalog and schema that relations are in; neither need be written.
pub(super) const CATALOG: &str = "readside";
pub(super) const SCHEMA: &str = "public";

/// Makes sessions: what they have in common is prepared once.
pub(super) struct Sessions {
    template: SessionState,
    memory_bytes: usize,
    timeout: Duration,
    /// When `now()` is; none for the time of each request.
    clock: Option<DateTime<Utc>>,
    /// Parsed queries of the configuration, of views and of declared queries, by their text. As many as are declared.
    declared: RwLock<HashMap<String, Arc<ParsedQuery>>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("memory_bytes", &self.memory_bytes).finish_non_exhaustive()
    }
}

/// SQL that was parsed and is a query, with the names of the relations in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ParsedQuery {
    pub(super) text: Arc<str>,
    pub(super) statement: Arc<Statement>,
    pub(super) references: Arc<[TableReference]>,
    /// Whether no function is named in it that gives another value at another time.
    pub(super) is_steady: bool,
}

impl ParsedQuery {
    /// The same as one of a session that has all that it reads.
    pub(super) fn without_references(self) -> Self {
        Self { references: Arc::default(), ..self }
    }

    /// The names of the relations in it, each once.
    pub fn relations(&self) -> BTreeSet<&str> {
        self.references.iter().map(TableReference::table).collect()
    }
}

/// What a query needs and gives.
#[derive(Debug, Clone)]
pub struct DescribedQuery {
    /// The types of `$1` and so on; none where any type may be given.
    pub parameters: Vec<Option<DataType>>,
    pub schema: SchemaRef,
}

/// A query that may be run.
#[derive(Debug)]
pub(super) struct PlannedQuery {
    pub(super) plan: LogicalPlan,
    /// Whether the same cut gives the same rows: neither `now()` nor `random()` is in it.
    pub(super) repeatable: bool,
}

/// One request's view of one snapshot.
pub(super) struct Session {
    state: SessionState,
    view: ReadView,
    relations: Arc<MemorySchemaProvider>,
    account: Account,
    /// Whether the same cut gives the same rows of all views that are planned apart.
    repeatable: AtomicBool,
}

impl Sessions {
    /// `memory_bytes` and `timeout` limit each query.
    pub(super) fn new(
        memory_bytes: usize,
        timeout: Duration,
        clock: Option<DateTime<Utc>>,
    ) -> Result<Self, DataFusionError> {
        Ok(Sessions { template: template()?, memory_bytes, timeout, clock, declared: RwLock::default() })
    }

    /// Parses one query. Anything else than reading is refused here, before it is planned, and what would need too much
    /// stack or time to be planned.
    ///
    /// # Errors
    /// The text is no SQL, too large in some way, or asks for something else than reading.
    pub(super) fn parse(&self, sql: &str) -> Result<ParsedQuery, QueryError> {
        check_text(sql)?;
        let statement = parse_statement(&self.template, sql).map_err(QueryError::planning)?;
        if !reads_only(&statement) {
            return Err(read_only());
        }
        check_planned(&statement)?;
        let references = self.template.resolve_table_references(&statement).map_err(QueryError::planning)?;
        let is_steady = is_steady(&statement, &self.template);
        Ok(ParsedQuery { text: sql.into(), statement: Arc::new(statement), references: references.into(), is_steady })
    }

    /// Parses a query of the configuration, once.
    ///
    /// # Errors
    /// As [`Sessions::parse`].
    pub(super) fn parse_declared(&self, sql: &str) -> Result<Arc<ParsedQuery>, QueryError> {
        if let Some(known) = self.parsed(sql) {
            return Ok(known);
        }
        let parsed = Arc::new(self.parse(sql)?);
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        declared.insert(sql.to_owned(), parsed.clone());
        Ok(parsed)
    }

    /// A query of the configuration that was parsed before.
    pub(super) fn parsed(&self, sql: &str) -> Option<Arc<ParsedQuery>> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    /// A session over a view of a snapshot.
    pub(super) fn open(&self, view: ReadView) -> Session {
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
        if self.clock.is_some() {
            state.execution_props_mut().query_execution_start_time = self.clock;
        }
        let account = Account::new(self.memory_bytes, self.timeout);
        Session { state, view, relations, account, repeatable: AtomicBool::new(true) }
    }
}

/// What all readers' sessions start as a copy of.
fn template() -> Result<SessionState, DataFusionError> {
    let mut template = readers(|config| {
        config
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
    })?;
    // The text is limited before it is parsed. Where the parser hits a limit of its own, it tries its other readings.
    let options = template.config_mut().options_mut();
    options.set("datafusion.sql_parser.recursion_limit", &PARSER_RECURSION_MAX.to_string())?;
    Ok(template)
}

fn check_planned(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => check_statement(statement),
        Statement::Explain(explain) => check_planned(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

impl Session {
    /// Makes a schema known beside that of the relations.
    pub(super) fn add_schema(&self, name: &str, tables: Arc<dyn SchemaProvider>) -> Result<(), DataFusionError> {
        let catalog = self.state.catalog_list().catalog(CATALOG);
        catalog.map(|catalog| catalog.register_schema(name, tables)).transpose().map(drop)
    }

    /// The same session without the engine's own tables of what there is: a schema of that name is one like others.
    pub(super) fn without_information_schema(mut self) -> Self {
        self.state.config_mut().options_mut().catalog.information_schema = false;
        self
    }

    /// The same session with more functions, in which names without a schema are of this one.
    pub(super) fn with_functions(
        mut self,
        schema: &str,
        functions: &[Arc<ScalarUDF>],
    ) -> Result<Self, DataFusionError> {
        for function in functions {
            self.state.register_udf(function.clone())?;
        }
        self.state.config_mut().options_mut().catalog.default_schema = schema.to_owned();
        Ok(self)
    }

    pub(super) fn view(&self) -> &ReadView {
        &self.view
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// What computes a condition on rows with these columns.
    pub(super) fn physical(&self, condition: Expr, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        self.state.create_physical_expr(condition, &DFSchema::try_from(schema.clone())?)
    }

    /// Plans a parsed query with its parameters.
    pub(super) async fn plan(
        &self,
        sessions: &Sessions,
        parsed: &ParsedQuery,
        params: ParamValues,
    ) -> Result<PlannedQuery, QueryError> {
        self.register_all(sessions, parsed).await?;
        let plan = self.planned(parsed).await?;
        let forbidden = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        forbidden.verify_plan(&plan).map_err(|_| read_only())?;
        check_params(&plan, &params)?;
        let plan = plan.with_param_values(params).map_err(QueryError::planning)?;
        let plan = self.readable(plan)?;
        check_padding(&plan)?;
        let repeatable = self.is_repeatable(&plan)?;
        Ok(PlannedQuery { plan: self.metered(plan)?, repeatable })
    }

    /// Whether the same cut gives the same rows of a plan over relations of this session.
    pub(super) fn is_repeatable(&self, plan: &LogicalPlan) -> Result<bool, QueryError> {
        let repeatable = is_repeatable(plan).map_err(QueryError::planning)?;
        Ok(repeatable && self.repeatable.load(Ordering::Relaxed))
    }

    /// What a parsed query needs and gives, without its parameters' values.
    pub(super) async fn describe(
        &self,
        sessions: &Sessions,
        parsed: &ParsedQuery,
    ) -> Result<DescribedQuery, QueryError> {
        self.register_all(sessions, parsed).await?;
        let plan = self.planned(parsed).await?;
        let mut of_parameters = plan.get_parameter_types().map_err(QueryError::planning)?;
        settle(&plan, &mut of_parameters).map_err(QueryError::planning)?;
        let number = |name: &str| name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let count = of_parameters.keys().map(|name| number(name)).collect::<Option<Vec<_>>>();
        let count = count.ok_or_else(|| QueryError::invalid("parameters are named by numbers here: `$1`"))?;
        let count = count.into_iter().max().unwrap_or_default();
        if count > of_parameters.len() {
            return Err(QueryError::invalid(format!("there is a parameter ${count}, and not all before it")));
        }
        let parameters = (1..=count).map(|number| of_parameters.get(&format!("${number}")).cloned().flatten());
        let parameters = parameters.collect();
        let plan = self.readable(plan)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Ok(DescribedQuery { parameters, schema })
    }

    /// Makes all relations of a query known to the session.
    async fn register_all(&self, sessions: &Sessions, parsed: &ParsedQuery) -> Result<(), QueryError> {
        if parsed.references.iter().any(is_information_schema) {
            for name in self.view.names() {
                // A view that cannot be planned must not hide the others.
                if let Err(error) = self.register(sessions, name, 0).await {
                    tracing::debug!(%name, %error, "left out of information_schema");
                }
            }
        }
        for reference in parsed.references.iter() {
            if !is_information_schema(reference) {
                self.register(sessions, relation_name(&self.view, reference)?, 0).await?;
            }
        }
        Ok(())
    }

    /// The plan of a query whose relations are registered.
    async fn planned(&self, parsed: &ParsedQuery) -> Result<LogicalPlan, QueryError> {
        let references = parsed.references.iter().filter(|reference| !is_information_schema(reference));
        let key = |reference: &TableReference| {
            let spec = self.view.open(reference.table()).ok()?.table()?.spec();
            let columns = spec.key.iter().map(|&column| spec.schema.field(column).name().clone());
            (!spec.key.is_empty()).then(|| (reference.table().to_owned(), columns.collect()))
        };
        let keys = RelationKeys(references.filter_map(key).collect());
        let mut statement = Statement::clone(&parsed.statement);
        over_relations(&mut statement, &self.state, &keys).map_err(QueryError::planning)?;
        self.state.statement_to_plan(statement).await.map_err(QueryError::planning)
    }

    /// The plan without this crate's own aggregates and without subqueries that DataFusion cannot run.
    fn readable(&self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        let plan = rewrite_own_aggregates(plan).map_err(QueryError::refused)?;
        let plan = readable(plan, &self.state).map_err(QueryError::refused)?;
        numbered(plan).map_err(QueryError::planning)
    }

    /// The plan as it may be optimised: conditions held in their places, functions metered.
    fn metered(&self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        let metered = held(plan).and_then(|plan| metered(plan, &self.account, Stage::Planned));
        metered.map_err(QueryError::planning)
    }

    /// All rows of a relation, to be filtered and sorted by expressions.
    pub(super) async fn scan(&self, sessions: &Sessions, name: &str) -> Result<LogicalPlanBuilder, QueryError> {
        let provider = self.register(sessions, name, 0).await?;
        LogicalPlanBuilder::scan(TableReference::bare(name), provider_as_source(provider), None)
            .map_err(QueryError::planning)
    }

    /// Starts a plan; the stream may be dropped at any time.
    pub(super) async fn execute(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream, QueryError> {
        let plan = self.state.optimize(plan).map_err(QueryError::planning)?;
        let plan = metered(plan, &self.account, Stage::Optimised).map_err(QueryError::planning)?;
        let planner = self.state.query_planner();
        let physical = planner.create_physical_plan(&plan, &self.state).await.map_err(QueryError::planning)?;
        let physical = bounded(physical, &self.account).and_then(interruptible).map_err(QueryError::planning)?;
        // Memory is this query's own, and there is no spilling to disk: a sidecar's disk belongs to the checkpoints.
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(self.account.memory())
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(QueryError::running)?;
        let context = TaskContext::from(&self.state).with_runtime(runtime);
        execute_stream(physical, Arc::new(context)).map_err(QueryError::running)
    }

    /// All rows of a plan.
    pub(super) async fn collect(&self, plan: &LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        let stream = self.execute(plan).await?;
        self.account.collect(stream).await.map_err(QueryError::running)
    }

    /// Makes a relation known to the session, a view with everything below it.
    pub(super) async fn register(
        &self,
        sessions: &Sessions,
        name: &str,
        depth: usize,
    ) -> Result<Arc<dyn TableProvider>, QueryError> {
        if let Some(known) = self.relations.table(name).await.map_err(QueryError::running)? {
            return Ok(known);
        }
        let relation = open(&self.view, name)?;
        let provider: Arc<dyn TableProvider> = match relation.rows() {
            RelationRows::Kept(table) => table.provider().map_err(QueryError::running)?,
            RelationRows::Computed { sql } => {
                check_depth(name, depth)?;
                let parsed = sessions.parse_declared(sql)?;
                for reference in parsed.references.iter() {
                    let below = relation_name(&self.view, reference)?;
                    Box::pin(self.register(sessions, below, depth + 1)).await?;
                }
                let plan = self.readable(self.planned(&parsed).await?)?;
                if relation.is_guarded() {
                    check_padding(&plan)?;
                    let repeatable = is_repeatable(&plan).map_err(QueryError::planning)?;
                    self.repeatable.fetch_and(repeatable, Ordering::Relaxed);
                    let apart = ViewApart::new(self.metered(plan)?, self.state.clone(), self.account.clone());
                    relation.seen(Arc::new(apart)).map_err(|error| refused(&self.view, name, error))?
                } else {
                    Arc::new(ViewTable::new(self.metered(plan)?, Some(sql.to_owned())))
                }
            }
        };
        self.relations.register_table(name.to_owned(), provider.clone()).map_err(QueryError::running)?;
        Ok(provider)
    }
}
