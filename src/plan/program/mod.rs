//! All of a configuration's SQL, compiled: sources with their upcasters, projections in the order in which one step
//! runs them. All problems are found, not only the first.

mod batch;
mod compile;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{TableFactor, Visit, Visitor};

pub use self::batch::{Batch, batch};
use self::compile::view_schema;
pub use self::compile::{Compiled, compile};
use crate::circuit::share;
use crate::config::{self, Config, NodePath, OnStale, Problem, ProjectionKind, SearchKind};
use crate::event::{Decoder, UpcastProblem};
use crate::identity::Identity;
use crate::plan::datafusion::session;
use crate::plan::{ProjectionSchema, Refusal, Scope, ScopeSource};

/// What a daemon runs.
#[derive(Debug)]
pub struct Program {
    pub sources: Vec<ProgramSource>,
    /// Tables and search projections; each comes after those that it reads.
    pub projections: Vec<PlannedProjection>,
    pub views: Vec<PlannedView>,
}

#[derive(Debug)]
pub struct ProgramSource {
    pub config: config::Source,
    pub decoder: Decoder,
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

#[derive(Debug)]
pub struct PlannedView {
    pub config: config::Projection,
    pub schema: ProjectionSchema,
}

/// Compiles a checked configuration.
///
/// # Errors
/// The problems of all projections.
pub fn program(config: &Config) -> Result<Program, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut scope = Scope::default();
    let mut sources = Vec::new();
    for source in &config.sources {
        let schema = Arc::new(source.schema.clone());
        let identity = source.identity();
        scope.sources.insert(schema.source.clone(), ScopeSource { schema: schema.clone(), identity });
        match Decoder::new(schema.clone()) {
            Ok(decoder) => sources.push(ProgramSource { config: source.clone(), decoder, identity }),
            Err(steps) => problems.extend(steps.into_iter().map(|step| Problem {
                node: source.node.below(&step_pointer(&step)),
                within: step.within,
                message: step.message,
                hint: step.hint,
            })),
        }
    }
    let mut planning = Planning { scope, projections: Vec::new(), views: Vec::new() };
    problems.extend(planning.all(&config.projections));
    problems.extend(unused_policies(config));
    if problems.is_empty() {
        Ok(Program { sources, projections: planning.projections, views: planning.views })
    } else {
        Err(problems)
    }
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

    /// Lets projections share what they compute alike, as they do where all of them begin together.
    pub fn share(&mut self) {
        let circuits = self.projections.iter_mut();
        share(&mut circuits.map(|one| (one.config.name.as_str(), &mut one.compiled.circuit)).collect::<Vec<_>>());
    }
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
            let refusal = Refusal::new(format!("`{}` and `{inputs}` read each other in a circle", projection.name));
            problems.push(problem(
                &projection.node,
                "/sql",
                refusal.hint("a projection may only read others that do not depend on it"),
            ));
        }
        problems
    }

    fn one(&mut self, projection: &config::Projection) -> Result<(), Vec<Problem>> {
        let unkept = unkept(projection);
        if !unkept.is_empty() {
            return Err(unkept);
        }
        let name = projection.name.clone();
        if projection.kind == ProjectionKind::View {
            let schema = view_schema(&projection.sql, &self.scope)
                .map_err(|refusal| vec![problem(&projection.node, "/sql", refusal)])?;
            let problems = contract(projection, &schema);
            if !problems.is_empty() {
                return Err(problems);
            }
            self.scope.projections.insert(name, schema.clone());
            self.views.push(PlannedView { config: projection.clone(), schema });
            return Ok(());
        }
        let compiled = compile(&projection.sql, &projection.key, &self.scope)
            .map_err(|refusal| vec![problem(&projection.node, "/sql", refusal)])?;
        if let Some(view) =
            compiled.upstream.iter().find(|name| self.views.iter().any(|view| view.config.name == **name))
        {
            let refusal =
                Refusal::new(format!("`{view}` is a view, which is computed at query time and cannot be kept from"));
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

/// Stops at the first sampled table.
struct Samples;

impl Visitor for Samples {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        if matches!(table, TableFactor::Table { sample: Some(_), .. }) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// The tables that a query names.
fn inputs(sql: &str) -> Result<Vec<String>, Refusal> {
    let state = session()?.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement: Statement = state.sql_to_statement(sql, &dialect)?;
    if let Statement::Statement(statement) = &statement
        && statement.visit(&mut Samples).is_break()
    {
        // DataFusion would read the whole table and say nothing.
        return Err(Refusal::new("TABLESAMPLE is not kept: it picks other rows each time")
            .hint("pick by the event, as in `WHERE _seq % 10 = 0`"));
    }
    let tables = state.resolve_table_references(&statement)?;
    Ok(tables.into_iter().filter(|table| table.schema().is_none()).map(|table| table.table().to_owned()).collect())
}

/// Promises that no room keeps yet. To accept them would serve rows to whom they are denied.
fn unkept(projection: &config::Projection) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !projection.policies.is_empty() || !projection.masks.is_empty() {
        let refusal = Refusal::new("policies and masks are not enforced yet: everybody would see every row")
            .hint("write `access: public` and keep the listener where only those may reach it who may see everything");
        problems.push(problem(&projection.node, "/access", refusal));
    }
    if projection.on_stale == OnStale::Refuse {
        let refusal = Refusal::new("stale answers are marked, but not refused yet")
            .hint("write `on_stale: mark`; a reader can demand a position with `minPosition`");
        problems.push(problem(&projection.node, "/freshness/on_stale", refusal));
    }
    problems
}

/// Policies that no projection names. One that names a policy is refused itself.
fn unused_policies(config: &Config) -> Vec<Problem> {
    let is_named = |name: &String| config.projections.iter().any(|projection| projection.policies.contains(name));
    let unused = config.policies.iter().filter(|policy| !is_named(&policy.name));
    let refused = |policy: &config::Policy| {
        let refusal = Refusal::new(format!("policies are not enforced yet: `{}` hides no row", policy.name))
            .hint("remove it, and keep the listener where only those may reach it who may see everything");
        problem(&policy.node, "/policy", refusal)
    };
    unused.map(refused).collect()
}

/// The declared columns must come out with exactly the declared types.
fn contract(projection: &config::Projection, schema: &ProjectionSchema) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, declared) in &projection.columns {
        let refusal = match schema.schema.field_with_name(name) {
            Err(_) => Refusal::new(format!("the column `{name}` does not come out of the query")).hint(gives(schema)),
            Ok(field) if *field.data_type() != declared.data_type.to_arrow() => {
                let wanted = declared.data_type.to_arrow();
                Refusal::new(format!("the column `{name}` comes out as {}, not as {wanted}", field.data_type()))
                    .hint("cast it in the query, or declare what comes out")
            }
            Ok(field) if declared.required && field.is_nullable() => {
                Refusal::new(format!("the column `{name}` can be NULL")).hint("use coalesce, or drop the `!`")
            }
            Ok(_) => continue,
        };
        problems.push(problem(&projection.node, &format!("/columns/{name}"), refusal));
    }
    problems
}

fn search_fields(projection: &config::Projection, compiled: &Compiled) -> Vec<Problem> {
    use arrow::datatypes::DataType;
    let mut problems = Vec::new();
    for (name, field) in &projection.fields {
        let refusal = match compiled.schema.schema.field_with_name(name) {
            Err(_) => Refusal::new(format!("the column `{name}` does not come out of the query"))
                .hint(gives(&compiled.schema)),
            Ok(column) => {
                let strings = match column.data_type() {
                    DataType::List(item) => item.data_type() == &DataType::Utf8,
                    data_type => data_type == &DataType::Utf8,
                };
                if strings || !matches!(field.kind, SearchKind::Text { .. }) {
                    continue;
                }
                Refusal::new(format!("the column `{name}` is {}, and only strings are text", column.data_type()))
                    .hint("use `type: keyword`, or cast it to a string in the query")
            }
        };
        problems.push(problem(&projection.node, &format!("/fields/{name}"), refusal));
    }
    problems
}

fn index_columns(projection: &config::Projection, compiled: &Compiled, problems: &mut Vec<Problem>) -> Vec<Vec<usize>> {
    let mut indexes = Vec::new();
    for (number, columns) in projection.indexes.iter().enumerate() {
        let mut index_columns = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            match compiled.schema.schema.index_of(column) {
                Ok(index) => index_columns.push(index),
                Err(_) => {
                    let refusal = Refusal::new(format!("the column `{column}` does not come out of the query"));
                    let pointer = format!("/indexes/{number}/{at}");
                    problems.push(problem(&projection.node, &pointer, refusal.hint(gives(&compiled.schema))));
                }
            }
        }
        indexes.push(index_columns);
    }
    indexes
}

fn gives(schema: &ProjectionSchema) -> String {
    let names: Vec<&str> = schema.schema.fields().iter().map(|field| field.name().as_str()).collect();
    format!("the query gives {}", names.join(", "))
}

fn problem(node: &NodePath, below: &str, refusal: Refusal) -> Problem {
    Problem { node: node.below(below), within: refusal.span, message: refusal.message, hint: refusal.hint }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use expect_test::{Expect, expect};

    use super::*;
    use crate::config::{Files, load};

    /// The problems of a projection of this SQL with these lines beside it.
    fn check(sql: &str, lines: &str, expected: Expect) {
        let text = format!(
            "sources: []\n---\nsource: s\njetstream: {{stream: S}}\nenvelope: {{type: body:/t}}\nevents: {{A: {{fields: {{}}}}}}\n\
             ---\nprojection: p\nsql: {sql}\nkey: id\n{lines}\n"
        );
        let files = Files { list: &|_| Ok(Vec::new()), read: &|_| Ok(text.clone()) };
        let loaded = load("readside.yaml", &files, &|_| None).unwrap();
        let problems = program(&loaded.config).err().unwrap_or_default();
        let shown: Vec<String> = problems.iter().map(|problem| loaded.places.diagnostic(problem).to_string()).collect();
        expected.assert_eq(&shown.join("\n"));
    }

    const PLAIN: &str = "SELECT _seq AS id FROM s.a";

    #[test]
    fn what_would_be_quietly_wrong_is_refused() {
        check(
            "SELECT _seq AS id FROM s.a TABLESAMPLE (10)",
            "",
            expect![[r#"
                error: TABLESAMPLE is not kept: it picks other rows each time
                 --> readside.yaml:9:6
                  |
                9 | sql: SELECT _seq AS id FROM s.a TABLESAMPLE (10)
                  |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                hint: pick by the event, as in `WHERE _seq % 10 = 0`
            "#]],
        );
    }

    #[test]
    fn what_nobody_enforces_is_refused() {
        check(
            PLAIN,
            "access: {policies: [own]}\n---\npolicy: own\nrow_filter: id = 1",
            expect![[r#"
                error: policies and masks are not enforced yet: everybody would see every row
                  --> readside.yaml:11:1
                   |
                11 | access: {policies: [own]}
                   | ^^^^^^
                hint: write `access: public` and keep the listener where only those may reach it who may see everything
            "#]],
        );
        check(
            PLAIN,
            "access: {mask: {id: '0'}}",
            expect![[r#"
                error: policies and masks are not enforced yet: everybody would see every row
                  --> readside.yaml:11:1
                   |
                11 | access: {mask: {id: '0'}}
                   | ^^^^^^
                hint: write `access: public` and keep the listener where only those may reach it who may see everything
            "#]],
        );
        check(
            PLAIN,
            "freshness: {on_stale: refuse}",
            expect![[r#"
                error: stale answers are marked, but not refused yet
                  --> readside.yaml:11:23
                   |
                11 | freshness: {on_stale: refuse}
                   |                       ^^^^^^
                hint: write `on_stale: mark`; a reader can demand a position with `minPosition`
            "#]],
        );
        check(
            PLAIN,
            "---\npolicy: own\nrow_filter: id = 1",
            expect![[r#"
            error: policies are not enforced yet: `own` hides no row
              --> readside.yaml:12:9
               |
            12 | policy: own
               |         ^^^
            hint: remove it, and keep the listener where only those may reach it who may see everything
        "#]],
        );
    }

    #[test]
    fn the_columns_of_a_view_are_held_to_its_contract() {
        let view = |columns: &str| format!("---\nprojection: v\nkind: view\nsql: SELECT id FROM p\ncolumns: {columns}");
        check(PLAIN, &view("{id: int64}"), expect![""]);
        check(
            PLAIN,
            &view("{id: string, total: int64}"),
            expect![[r#"
            error: the column `id` comes out as Int64, not as Utf8
              --> readside.yaml:15:15
               |
            15 | columns: {id: string, total: int64}
               |               ^^^^^^
            hint: cast it in the query, or declare what comes out

            error: the column `total` does not come out of the query
              --> readside.yaml:15:30
               |
            15 | columns: {id: string, total: int64}
               |                              ^^^^^
            hint: the query gives id
        "#]],
        );
    }

    #[test]
    fn what_is_kept_is_accepted() {
        check(PLAIN, "access: public", expect![""]);
        check(PLAIN, "freshness: {on_stale: mark}", expect![""]);
    }
}
