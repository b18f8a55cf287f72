//! Chains of upcaster steps: compiled from the declared history, applied to decoded rows. How one step works on rows
//! is in `step`, what its SQL may say in `expression`.
//!
//! Arithmetic inside an expression is SQL's; what is guarded is the way to the declared type. A value that loses
//! digits there rejects its event, and so does a division set to a decimal column that does not come out.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use arrow::error::ArrowError;

use super::convert::Conversion;
use super::expression::{Mistake, Planner};
use super::schema::{EventType, SourceSchema, UpcastStep, VersionSchema};
use super::shape::type_name;
use super::step::{NextColumn, Origin, Step};
use super::types::{DataType, Field};

/// The steps of every type, by the version they lead from.
#[derive(Debug)]
pub struct Upcasters {
    types: Vec<BTreeMap<u32, Step>>,
}

/// Something wrong with a declared step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpcastProblem {
    pub event_type: String,
    pub from_version: u32,
    /// The column of the next version, if one is to blame.
    pub column: Option<String>,
    pub message: String,
    /// Line and column within the column's expression, both from 1.
    pub within: Option<(u64, u64)>,
    pub hint: Option<String>,
}

/// Rows at the current version, and those that did not get there.
#[derive(Debug)]
pub struct Upcast {
    pub rows: RecordBatch,
    /// The row of the input that each of `rows` comes from, ascending.
    pub kept: Vec<usize>,
    /// Rows in the input and what was wrong, ascending.
    pub rejected: BTreeMap<usize, String>,
}

impl Upcasters {
    /// Plans every step of every type. All problems are reported, not only the first.
    ///
    /// A version without a step goes to the next known one with nothing set.
    ///
    /// # Errors
    /// The problems of all steps.
    pub fn compile(schema: &SourceSchema) -> Result<Self, Vec<UpcastProblem>> {
        if schema.types.iter().all(|event_type| event_type.versions.len() < 2) {
            return Ok(Self { types: schema.types.iter().map(|_| BTreeMap::new()).collect() });
        }
        let planner = Planner::new().map_err(|error| {
            vec![UpcastProblem {
                event_type: String::new(),
                from_version: 0,
                column: None,
                message: error.strip_backtrace(),
                within: None,
                hint: None,
            }]
        })?;
        let mut problems = Vec::new();
        let types = schema.types.iter().map(|event_type| compile_type(&planner, event_type, &mut problems)).collect();
        if problems.is_empty() { Ok(Self { types }) } else { Err(problems) }
    }

    /// Brings rows of one version of a type (by its index in the schema) to its current version.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn upcast(&self, type_index: usize, version: u32, rows: RecordBatch) -> Result<Upcast, ArrowError> {
        let mut upcast = Upcast { kept: (0..rows.num_rows()).collect(), rows, rejected: BTreeMap::new() };
        let mut version = version;
        while let Some(step) = self.types[type_index].get(&version) {
            let mut stepped = step.apply(&upcast.rows)?;
            upcast.rows = stepped.rows;
            let input_rows = std::mem::take(&mut upcast.kept).into_iter().enumerate();
            for (row, input_row) in input_rows {
                match stepped.rejected.remove(&row) {
                    Some(detail) => {
                        upcast.rejected.insert(input_row, detail);
                    }
                    None => upcast.kept.push(input_row),
                }
            }
            version = step.to;
        }
        Ok(upcast)
    }
}

fn compile_type(planner: &Planner, event_type: &EventType, problems: &mut Vec<UpcastProblem>) -> BTreeMap<u32, Step> {
    let mut steps = BTreeMap::new();
    let known: Vec<u32> = event_type.versions.range(..=event_type.current).map(|(version, _)| *version).collect();
    for pair in known.windows(2) {
        let &[from, next] = pair else { continue };
        let declared = event_type.steps.get(&from);
        let to = declared.map_or(next, |step| step.to);
        let mut report = |column: Option<&str>, mistake: Mistake| {
            problems.push(UpcastProblem {
                event_type: event_type.name.clone(),
                from_version: from,
                column: column.map(str::to_owned),
                message: mistake.message,
                within: mistake.within,
                hint: mistake.hint,
            });
        };
        if to <= from || !known.contains(&to) {
            report(None, Mistake::new(format!("the step leads to version {to}, which is not a later known one")));
            continue;
        }
        let (version, next) = (&event_type.versions[&from], &event_type.versions[&to]);
        let columns = compile_step(planner, version, next, declared, &mut report);
        steps.insert(from, Step { from, to, schema: next.to_arrow(), columns });
    }
    steps
}

fn compile_step(
    planner: &Planner,
    version: &VersionSchema,
    next: &VersionSchema,
    declared: Option<&UpcastStep>,
    report: &mut impl FnMut(Option<&str>, Mistake),
) -> Vec<NextColumn> {
    let schema = version.to_arrow();
    let set = declared.map(|step| &step.set);
    for name in set.into_iter().flat_map(BTreeMap::keys) {
        if next.fields.iter().all(|field| field.name != *name) {
            report(Some(name), Mistake::new("the next version has no such column"));
        }
    }
    let mut columns = Vec::with_capacity(next.fields.len());
    for field in &next.fields {
        let origin = match set.and_then(|set| set.get(&field.name)) {
            Some(sql) => computed(planner, sql, &schema, field),
            None => carried(version, field),
        };
        match origin {
            Ok(origin) => {
                columns.push(NextColumn { name: field.name.clone(), required: field.field_type.required, origin })
            }
            Err(mistake) => report(Some(&field.name), mistake),
        }
    }
    columns
}

fn computed(planner: &Planner, sql: &str, schema: &SchemaRef, field: &Field) -> Result<Origin, Mistake> {
    let to = &field.field_type;
    let planned = planner.plan(sql, schema, matches!(to.data_type, DataType::Decimal { .. }))?;
    if to.required && planned.arrow == ArrowType::Null {
        return Err(Mistake::new("the column is required, and this is always NULL"));
    }
    let conversion = Conversion::new(&planned.arrow, to)
        .map_err(|error| Mistake { hint: Some(error.hint().into()), ..Mistake::new(error.to_string()) })?;
    Ok(Origin::Computed { value: planned.value, divides: planned.divides, conversion })
}

fn carried(version: &VersionSchema, field: &Field) -> Result<Origin, Mistake> {
    let set_it = |message: String| Mistake {
        hint: Some(format!("add `{}` to the step's `set`", field.name)),
        ..Mistake::new(message)
    };
    let to = &field.field_type;
    let Some(index) = version.fields.iter().position(|old| old.name == field.name) else {
        let missing = || set_it("the column is new and required, and nothing sets it".into());
        return if to.required { Err(missing()) } else { Ok(Origin::Absent) };
    };
    let from = &version.fields[index].field_type;
    // Arrow's type leaves out what concerns only the payload: formats and pointers. It knows JSON only by a mark.
    let is_json = |data_type: &DataType| *data_type == DataType::Json;
    if from.data_type.to_arrow() == to.data_type.to_arrow() && is_json(&from.data_type) == is_json(&to.data_type) {
        return Ok(Origin::Carried(index));
    }
    let (from, to) = (type_name(&from.data_type), type_name(&to.data_type));
    Err(set_it(format!("the column changes from {from} to {to}, and nothing sets it")))
}

#[cfg(test)]
mod tests;
