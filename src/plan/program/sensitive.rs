//! Columns of kept rows that are computed from fields which are declared as sensitive, and whether something hides them.
//!
//! Views and declared queries have no rows of their own: they read their relations as the caller does, so what hides those hides them.

use std::collections::BTreeMap;
use std::fmt::Write;

use datafusion::logical_expr::TableScan;

use super::checks::problem;
use super::compile::{scope_session, unknown_relation};
use super::{PlannedProjection, Program};
use crate::config::{self, Code, Config, Problem};
use crate::event::{DataType, Field, SourceRelation};
use crate::plan::datafusion::logical_plan;
use crate::plan::lineage::{Lineage, SensitiveField, Step, columns};
use crate::plan::scope::Scanned;
use crate::plan::{Refusal, Scope};

#[cfg(test)]
mod tests;

/// A column that is computed from sensitive fields.
#[derive(Debug, Clone)]
pub struct SensitiveColumn {
    pub column: String,
    pub fields: Vec<SensitiveField>,
}

/// The lineage of each column of a projection that has one, by its name.
type ByColumn = BTreeMap<String, Lineage>;

/// What every projection has of sensitive fields, by its name and in the order of its columns.
///
/// # Errors
/// Those that nothing hides, each as a problem.
pub(super) fn sensitive_columns(
    config: &Config,
    program: &Program,
) -> Result<BTreeMap<String, Vec<SensitiveColumn>>, Vec<Problem>> {
    let mut sensitive = BTreeMap::new();
    if config.sources.iter().all(|source| source.sensitive.is_empty()) {
        return Ok(sensitive);
    }
    let (scope, mut known, mut problems) = (program.scope(), BTreeMap::new(), Vec::new());
    // What is read comes before what reads it.
    for planned in &program.projections {
        let projection = &planned.config;
        let lineages = match lineages(&projection.sql, &scope, &config.sources, &known) {
            Ok(lineages) => lineages,
            Err(refusal) => {
                problems.push(problem(&projection.node, "/sql", refusal));
                continue;
            }
        };
        // A column that tells equal rows apart comes behind those of the query, and is a number.
        let fields = planned.compiled.schema.schema.fields().iter().map(|field| field.name().clone());
        let shown: Vec<(String, Lineage)> =
            fields.zip(lineages).filter(|(_, lineage)| !lineage.fields().is_empty()).collect();
        for (column, lineage) in shown.iter().filter(|(column, _)| !is_guarded(config, projection, column)) {
            problems.push(problem(&projection.node, below(projection), unguarded(planned, column, lineage)));
        }
        let told = shown.iter().map(|(column, lineage)| SensitiveColumn {
            column: column.clone(),
            fields: lineage.fields().into_keys().cloned().collect(),
        });
        let told: Vec<SensitiveColumn> = told.collect();
        if !told.is_empty() {
            sensitive.insert(projection.name.clone(), told);
        }
        known.insert(projection.name.clone(), shown.into_iter().collect());
    }
    if problems.is_empty() { Ok(sensitive) } else { Err(problems) }
}

/// The lineage of each column that the SQL of a projection gives.
fn lineages(
    sql: &str,
    scope: &Scope,
    sources: &[config::Source],
    known: &BTreeMap<String, ByColumn>,
) -> Result<Vec<Lineage>, Refusal> {
    let plan = logical_plan(&scope_session(scope)?, sql, &scope.keys());
    let plan = plan.map_err(|error| unknown_relation(&error, scope))?;
    let scan = |scan: &TableScan| {
        let of_column: ByColumn = match scope.find(&scan.table_name) {
            Some(Scanned::Projection { name, .. }) => {
                let of_projection = known.get(name).into_iter().flatten();
                of_projection.map(|(column, lineage)| (column.clone(), lineage.by_way_of(name))).collect()
            }
            Some(Scanned::Events { source, relation }) => {
                let source = sources.iter().find(|one| one.schema.source == source.schema.source);
                source.map(|source| of_events(source, relation)).unwrap_or_default()
            }
            None => ByColumn::new(),
        };
        let fields = scan.projected_schema.fields().iter();
        fields.map(|field| of_column.get(field.name()).cloned().unwrap_or_default()).collect()
    };
    Ok(columns(&plan, &scan)?)
}

/// The columns of a relation of a source. That of all its events has a struct for each type.
fn of_events(source: &config::Source, relation: SourceRelation) -> ByColumn {
    let mut columns = ByColumn::new();
    for (index, event_type) in source.schema.types.iter().enumerate() {
        for path in source.sensitive.get(&event_type.name).into_iter().flatten() {
            let mut steps = steps(event_type.current_fields(), path);
            match relation {
                SourceRelation::Events => steps.insert(0, Step::Field(event_type.table.clone())),
                SourceRelation::Type(of) if of == index => {}
                SourceRelation::Type(_) => continue,
            }
            let mut steps = steps.into_iter();
            let Some(Step::Field(column)) = steps.next() else { continue };
            let field = SensitiveField {
                source: source.schema.source.clone(),
                event_type: event_type.name.clone(),
                field: path.join("."),
            };
            columns.entry(column).or_default().add(Lineage::of(steps.collect(), field));
        }
    }
    columns
}

/// A path through fields, with the lists and maps that it passes.
fn steps(fields: &[Field], path: &[String]) -> Vec<Step> {
    let (mut steps, mut fields) = (Vec::new(), fields);
    for (place, name) in path.iter().enumerate() {
        steps.push(Step::Field(name.clone()));
        let field = fields.iter().find(|field| field.name == *name);
        let Some(mut of) = field.map(|field| &field.field_type.data_type).filter(|_| place + 1 < path.len()) else {
            break;
        };
        while let DataType::List(item) | DataType::Map(item) = of {
            steps.push(Step::Item);
            of = &item.data_type;
        }
        fields = if let DataType::Struct(within) = of { within } else { &[] };
    }
    steps
}

/// Whether not everybody sees the values of this column.
fn is_guarded(config: &Config, projection: &config::Projection, column: &str) -> bool {
    let has_policy = !projection.policies.is_empty() || !config.required_policies.is_empty();
    !projection.is_public && (has_policy || projection.masks.contains_key(column))
}

/// Where it is said that nothing is hidden.
fn below(projection: &config::Projection) -> &'static str {
    if projection.is_public { "/access" } else { "/projection" }
}

fn unguarded(planned: &PlannedProjection, column: &str, lineage: &Lineage) -> Refusal {
    let (name, schema) = (&planned.config.name, &planned.compiled.schema);
    let mut message = format!("nothing hides `{column}` of `{name}`, which is computed from the sensitive ");
    for (place, (field, way)) in lineage.fields().into_iter().enumerate() {
        let SensitiveField { source, event_type, field } = field;
        let and = if place == 0 { "" } else { ", and from " };
        // A text takes all that is written.
        let _ = write!(message, "{and}`{field}` of `{event_type}` in `{source}`");
        if !way.is_empty() {
            let _ = write!(message, " by way of `{}`", way.join("`, `"));
        }
    }
    let is_key = schema.key.iter().any(|&index| schema.schema.field(index).name() == column);
    let start = if planned.config.is_public { "in the place of `access: public` " } else { "" };
    let mask = if is_key { String::new() } else { format!("write `access: {{mask: {{{column}: 'NULL'}}}}`, ") };
    let hint = format!("{start}{mask}name a policy in `access.policies`, or leave the column out of the query");
    Refusal::new(Code::Unguarded, message).hint(hint)
}
