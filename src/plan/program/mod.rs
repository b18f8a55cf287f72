//! All of a configuration's SQL, compiled: sources with their upcasters, projections in the order in which one step
//! runs them. All problems are found, not only the first.

mod batch;
mod checks;
mod compile;
mod key_proof;
mod policies;
mod queries;
mod restriction;
mod selected;
mod sensitive;
mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

pub use self::batch::{Batch, batch};
use self::checks::{contract, index_columns, problem, search_fields};
#[cfg(test)]
pub(in crate::plan) use self::compile::planned;
pub use self::compile::{Compiled, compile};
pub use self::key_proof::KeyProof;
use self::policies::policies;
use self::queries::{check_query, view_schema};
pub use self::restriction::{Needed, RelationName};
pub use self::selected::Selected;
pub use self::sensitive::SensitiveColumn;
use self::sensitive::sensitive_columns;
use crate::access::Policies;
use crate::circuit::{CircuitError, share};
use crate::config::{self, Code, Config, Duplicates, Problem, ProjectionKind};
use crate::event::{Decoder, UpcastProblem};
use crate::identity::Identity;
use crate::plan::datafusion::session;
use crate::plan::{ProjectionSchema, Refusal, Scope, ScopeSource};
use crate::sql::parse_statement;

/// The column that numbers equal rows where nobody has said how they are told apart.
pub const COPY: &str = "__copy";

/// What a daemon runs.
#[derive(Debug)]
pub struct Program {
    pub sources: Vec<ProgramSource>,
    /// Tables and search projections; each comes after those that it reads.
    pub projections: Vec<PlannedProjection>,
    pub views: Vec<PlannedView>,
    /// What is hidden of them from whom; nothing in a program of other times, for which that of today counts.
    pub policies: Policies,
    /// Columns of projections that are computed from sensitive fields, by projection. As with policies, only in a program of today.
    pub sensitive: BTreeMap<String, Vec<SensitiveColumn>>,
}

#[derive(Debug, Clone)]
pub struct ProgramSource {
    pub config: config::Source,
    pub decoder: Arc<Decoder>,
    /// Of everything that decides which events are admitted, with which values.
    pub identity: Identity,
}

/// A projection ready to be kept.
#[derive(Debug)]
pub struct PlannedProjection {
    pub config: config::Projection,
    pub compiled: Compiled,
    /// Index_columns of the columns of each secondary index.
    pub indexes: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
pub struct PlannedView {
    pub config: config::Projection,
    pub schema: ProjectionSchema,
    /// Projections and other views that it reads.
    pub upstream: Vec<String>,
}

/// Compiles a checked configuration.
///
/// # Errors
/// The problems of all projections.
pub fn program(config: &Config) -> Result<Program, Vec<Problem>> {
    let (program, problems) = program_so_far(config);
    if problems.is_empty() { Ok(program) } else { Err(problems) }
}

/// The same over sources that are taken for others: their identities by name. It hides nothing from anybody.
///
/// # Errors
/// As [`program`].
pub fn program_over(config: &Config, identities: &BTreeMap<String, Identity>) -> Result<Program, Vec<Problem>> {
    let (program, problems) = so_far(config, identities);
    if problems.is_empty() { Ok(program) } else { Err(problems) }
}

/// Compiles a configuration that is being written: what can be compiled, and the problems of the rest.
pub fn program_so_far(config: &Config) -> (Program, Vec<Problem>) {
    let (mut program, mut problems) = so_far(config, &BTreeMap::new());
    match policies(config, &program.scope_with_views()) {
        Ok(policies) => program.policies = policies,
        Err(found) => problems.extend(found),
    }
    match sensitive_columns(config, &program) {
        Ok(sensitive) => program.sensitive = sensitive,
        Err(found) => problems.extend(found),
    }
    (program, problems)
}

fn so_far(config: &Config, identities: &BTreeMap<String, Identity>) -> (Program, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut scope = Scope::default();
    let mut sources = Vec::new();
    for source in &config.sources {
        let schema = Arc::new(source.schema.clone());
        let known = identities.get(&source.schema.source);
        let identity = known.copied().unwrap_or_else(|| source.identity());
        scope.sources.insert(schema.source.clone(), ScopeSource { schema: schema.clone(), identity });
        match Decoder::new(schema.clone()) {
            Ok(decoder) => {
                sources.push(ProgramSource { config: source.clone(), decoder: Arc::new(decoder), identity });
            }
            Err(steps) => problems.extend(steps.into_iter().map(|step| Problem {
                code: Code::BadStep,
                node: source.node.below(&step_pointer(&step)),
                within: step.within,
                message: step.message,
                hint: step.hint,
            })),
        }
    }
    let mut planning = Planning { scope, projections: Vec::new(), views: Vec::new() };
    problems.extend(planning.all(&config.projections));
    if problems.is_empty() {
        problems.extend(config.queries.iter().flat_map(|query| check_query(query, &planning.scope)));
    }
    let (projections, views) = (planning.projections, planning.views);
    let (policies, sensitive) = (Policies::default(), BTreeMap::new());
    (Program { sources, projections, views, policies, sensitive }, problems)
}

impl Program {
    /// The relations that SQL over this program may name.
    pub fn scope(&self) -> Scope {
        let source = |source: &ProgramSource| {
            let schema = source.decoder.schema().clone();
            (schema.source.clone(), ScopeSource { schema, identity: source.identity })
        };
        let projection = |planned: &PlannedProjection| (planned.config.name.clone(), planned.compiled.schema.clone());
        Scope {
            sources: self.sources.iter().map(source).collect(),
            projections: self.projections.iter().map(projection).collect(),
        }
    }

    /// The columns of a projection or a view.
    pub fn columns(&self, relation: &str) -> Option<SchemaRef> {
        let kept = self.projections.iter().map(|one| (&one.config.name, &one.compiled.schema));
        let views = self.views.iter().map(|one| (&one.config.name, &one.schema));
        kept.chain(views).find(|(name, _)| *name == relation).map(|(_, schema)| schema.schema.clone())
    }

    fn scope_with_views(&self) -> Scope {
        let mut scope = self.scope();
        scope.projections.extend(self.views.iter().map(|view| (view.config.name.clone(), view.schema.clone())));
        scope
    }

    /// Plans one more projection over all that is there. A table that names no key gets the fewest columns that are proven to
    /// tell its rows apart. Where none are, its equal rows are numbered in a last column, [`COPY`]; where they cannot be, its key is all columns.
    ///
    /// # Errors
    /// The problems of the projection; the program is then as it was.
    pub fn add(&mut self, projection: &config::Projection) -> Result<(), Vec<Problem>> {
        let scope = self.scope_with_views();
        let mut projection = projection.clone();
        if projection.key.is_none() && projection.duplicates.is_none() && projection.kind == ProjectionKind::Table {
            tell_apart(&mut projection, &scope).map_err(|refusal| vec![problem(&projection.node, "/sql", refusal)])?;
        }
        let (projections, views) = (std::mem::take(&mut self.projections), std::mem::take(&mut self.views));
        let mut planning = Planning { scope, projections, views };
        let added = planning.one(&projection);
        (self.projections, self.views) = (planning.projections, planning.views);
        added
    }

    /// Leaves only these projections and views, with all others that they read.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = String>) -> Self {
        let mut needed: BTreeSet<String> = names.into_iter().collect();
        // What is read comes before what reads it. A table reads no view.
        for view in self.views.iter().rev() {
            if needed.contains(&view.config.name) {
                needed.extend(view.upstream.iter().cloned());
            }
        }
        for planned in self.projections.iter().rev() {
            if needed.contains(&planned.config.name) {
                needed.extend(planned.compiled.upstream.iter().cloned());
            }
        }
        self.projections.retain(|planned| needed.contains(&planned.config.name));
        self.views.retain(|view| needed.contains(&view.config.name));
        self
    }

    /// The sources that its projections read, by name.
    pub fn reads(&self) -> BTreeSet<String> {
        let reads = self.projections.iter().flat_map(|planned| planned.compiled.schema.reads.keys());
        reads.map(ToString::to_string).collect()
    }

    /// The same program with operators that have taken nothing yet.
    ///
    /// # Errors
    /// An operator cannot be made, which no accepted plan leads to.
    pub fn afresh(&self) -> Result<Self, CircuitError> {
        let afresh = |planned: &PlannedProjection| {
            let Compiled { circuit, schema, upstream, unique, key_proof } = &planned.compiled;
            let (schema, upstream, unique) = (schema.clone(), upstream.clone(), unique.clone());
            let compiled = Compiled { circuit: circuit.afresh()?, schema, upstream, unique, key_proof: *key_proof };
            Ok(PlannedProjection { config: planned.config.clone(), compiled, indexes: planned.indexes.clone() })
        };
        let projections = self.projections.iter().map(afresh).collect::<Result<_, CircuitError>>()?;
        let (sources, views, policies) = (self.sources.clone(), self.views.clone(), self.policies.clone());
        Ok(Self { sources, projections, views, policies, sensitive: self.sensitive.clone() })
    }

    /// Lets projections share what they compute alike, as they do where all of them begin together.
    pub fn share(&mut self) {
        let circuits = self.projections.iter_mut();
        share(&mut circuits.map(|one| (one.config.name.as_str(), &mut one.compiled.circuit)).collect::<Vec<_>>());
    }
}

/// Decides how the rows of a table that names no key are told apart.
fn tell_apart(projection: &mut config::Projection, scope: &Scope) -> Result<(), Refusal> {
    let compiled = compile(&*projection, Some(&[]), scope)?;
    let schema = &compiled.schema.schema;
    let names = |columns: Vec<usize>| columns.into_iter().map(|column| schema.field(column).name().clone()).collect();
    if let Some(columns) = compiled.unique {
        projection.key = Some(names(columns));
        return Ok(());
    }
    projection.duplicates = Some(Duplicates::Number(COPY.to_owned()));
    if compile(&*projection, None, scope).is_err() {
        projection.duplicates = None;
        projection.key = Some(names((0..schema.fields().len()).collect()));
    }
    Ok(())
}

struct Planning {
    scope: Scope,
    projections: Vec<PlannedProjection>,
    views: Vec<PlannedView>,
}

impl Planning {
    /// Plans every projection whose inputs are planned, until none is left or none can go on.
    fn all(&mut self, projections: &[config::Projection]) -> Vec<Problem> {
        let names: BTreeSet<&str> = projections.iter().map(|projection| projection.name.as_str()).collect();
        let mut problems = Vec::new();
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut waiting = Vec::new();
        for projection in projections {
            match inputs(&projection.sql) {
                Ok(tables) => {
                    let tables: Vec<String> =
                        tables.into_iter().filter(|table| names.contains(table.as_str())).collect();
                    waiting.push((projection, tables));
                }
                Err(refusal) => {
                    failed.insert(&projection.name);
                    problems.push(problem(&projection.node, "/sql", refusal));
                }
            }
        }
        loop {
            let before = waiting.len();
            let (ready, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|(_, tables)| tables.iter().all(|table| self.scope.projections.contains_key(table)));
            waiting = later;
            for (projection, _) in ready {
                if let Err(found) = self.one(projection) {
                    failed.insert(&projection.name);
                    problems.extend(found);
                }
            }
            if waiting.len() == before {
                break;
            }
        }
        // A projection over a broken one is not itself to blame.
        let circular = waiting.iter().filter(|(_, tables)| tables.iter().all(|table| !failed.contains(table.as_str())));
        for (projection, tables) in circular {
            let inputs = tables.join("`, `");
            let refusal =
                Refusal::new(Code::Circle, format!("`{}` and `{inputs}` read each other in a circle", projection.name));
            problems.push(problem(
                &projection.node,
                "/sql",
                refusal.hint("a projection may only read others that do not depend on it"),
            ));
        }
        problems
    }

    fn one(&mut self, projection: &config::Projection) -> Result<(), Vec<Problem>> {
        let name = projection.name.clone();
        if projection.kind == ProjectionKind::View {
            let schema = view_schema(&projection.sql, &self.scope)
                .map_err(|refusal| vec![problem(&projection.node, "/sql", refusal)])?;
            let problems = contract(projection, &schema);
            if !problems.is_empty() {
                return Err(problems);
            }
            let mut upstream = inputs(&projection.sql).unwrap_or_default();
            upstream.retain(|table| self.scope.projections.contains_key(table));
            self.scope.projections.insert(name, schema.clone());
            self.views.push(PlannedView { config: projection.clone(), schema, upstream });
            return Ok(());
        }
        let compiled = compile(projection, projection.key.as_deref(), &self.scope)
            .map_err(|refusal| vec![problem(&projection.node, "/sql", refusal)])?;
        if let Some(view) =
            compiled.upstream.iter().find(|name| self.views.iter().any(|view| view.config.name == **name))
        {
            let refusal = Refusal::new(
                Code::OverAView,
                format!("`{view}` is a view, which is computed at query time and cannot be kept from"),
            );
            return Err(vec![problem(
                &projection.node,
                "/sql",
                refusal.hint("make it a table, or write its SQL here"),
            )]);
        }
        let mut problems = contract(projection, &compiled.schema);
        problems.extend(search_fields(projection, &compiled));
        let indexes = index_columns(projection, &compiled, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        self.scope.projections.insert(name, compiled.schema.clone());
        self.projections.push(PlannedProjection { config: projection.clone(), compiled, indexes });
        Ok(())
    }
}

/// Where a step's expression is written, below its source's node.
fn step_pointer(step: &UpcastProblem) -> String {
    let history = format!("/events/{}/history/{}", step.event_type, step.from_version);
    step.column.as_ref().map_or(history.clone(), |column| format!("{history}/to_next/set/{column}"))
}

/// The projections and views that a query names, whether or not there are any of these names.
///
/// # Errors
/// If the SQL cannot be parsed.
pub fn inputs(sql: &str) -> Result<Vec<String>, Refusal> {
    let relations = relations(sql)?.into_iter();
    Ok(relations.filter_map(|(source, name)| source.is_none().then_some(name)).collect())
}

/// The relations that a query names, whether or not they are there: the source, if it is one of a source, and the name.
///
/// # Errors
/// If the SQL cannot be parsed.
pub fn relations(sql: &str) -> Result<Vec<(Option<String>, String)>, Refusal> {
    let state = session()?.state();
    let statement = parse_statement(&state, sql)?;
    let tables = state.resolve_table_references(&statement)?;
    Ok(tables.iter().map(|table| (table.schema().map(str::to_owned), table.table().to_owned())).collect())
}

#[cfg(test)]
mod tests;
