//! One upcaster step at work: rows of a version become rows of the next one, or are rejected one by one.
//!
//! DataFusion's kernels fail a batch as a whole, so a failed batch is halved down to the rows that fail alone: a row
//! is rejected if and only if it is rejected alone, however rows were batched.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{concat_batches, filter};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use super::convert::Conversion;
use crate::sql::cause;

/// A step between two versions, planned.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    /// The columns of `to`.
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<NextColumn>,
}

/// A column of the next version.
#[derive(Debug)]
pub(super) struct NextColumn {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) origin: Origin,
}

#[derive(Debug)]
pub(super) enum Origin {
    /// The same column of this version, by its index.
    Carried(usize),
    /// It is new and optional.
    Absent,
    Computed {
        value: Arc<dyn PhysicalExpr>,
        /// False where a division leaves a remainder.
        divides: Option<Arc<dyn PhysicalExpr>>,
        conversion: Conversion,
    },
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) rows: RecordBatch,
    /// Rows of the input that are not in `rows`, with the reason.
    pub(super) rejected: BTreeMap<usize, String>,
}

/// A column that could not be computed for these rows together. It says which, and why.
struct ColumnFailed(String);

/// Columns of which the rows in `faults` must not be used.
struct Evaluated {
    columns: Vec<ArrayRef>,
    faults: BTreeMap<usize, String>,
}

impl Step {
    pub(super) fn apply(&self, rows: &RecordBatch) -> Result<Stepped, ArrowError> {
        let mut pieces = Vec::new();
        let mut rejected = BTreeMap::new();
        self.bisect(rows, 0, &mut pieces, &mut rejected)?;
        let rows = match pieces.len() {
            1 => pieces.swap_remove(0),
            _ => concat_batches(&self.schema, &pieces)?,
        };
        Ok(Stepped { rows, rejected })
    }

    fn bisect(
        &self,
        rows: &RecordBatch,
        start: usize,
        pieces: &mut Vec<RecordBatch>,
        rejected: &mut BTreeMap<usize, String>,
    ) -> Result<(), ArrowError> {
        let count = rows.num_rows();
        if count == 0 {
            return Ok(());
        }
        match self.evaluate(rows) {
            Ok(evaluated) => {
                pieces.push(self.keep_sound(&evaluated, count)?);
                rejected.extend(evaluated.faults.into_iter().map(|(row, detail)| (start + row, detail)));
            }
            Err(ColumnFailed(detail)) if count == 1 => {
                rejected.insert(start, detail);
            }
            Err(_) => {
                let half = count / 2;
                self.bisect(&rows.slice(0, half), start, pieces, rejected)?;
                self.bisect(&rows.slice(half, count - half), start + half, pieces, rejected)?;
            }
        }
        Ok(())
    }

    /// Computes all columns. For a single row the first column that rejects it decides, so that the reason does not
    /// depend on how rows were batched either.
    fn evaluate(&self, rows: &RecordBatch) -> Result<Evaluated, ColumnFailed> {
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut faults = BTreeMap::new();
        for (column, field) in self.columns.iter().zip(self.schema.fields()) {
            let outcome = match &column.origin {
                Origin::Carried(index) => Ok((rows.column(*index).clone(), Vec::new())),
                Origin::Absent => Ok((new_null_array(field.data_type(), rows.num_rows()), Vec::new())),
                Origin::Computed { value, divides, conversion } => {
                    compute(rows, value.as_ref(), divides.as_deref(), conversion)
                }
            };
            let (values, mut wrong) = match outcome {
                Ok(computed) => computed,
                Err(_) if rows.num_rows() == 1 && !faults.is_empty() => (new_null_array(field.data_type(), 1), vec![]),
                Err(error) => return Err(ColumnFailed(self.describe(column, &cause(&error)))),
            };
            if column.required && matches!(column.origin, Origin::Carried(_)) {
                let missing = (0..values.len()).filter(|&row| values.is_null(row));
                wrong.extend(missing.map(|row| (row, "is NULL but required".to_owned())));
            }
            for (row, detail) in wrong {
                faults.entry(row).or_insert_with(|| self.describe(column, &detail));
            }
            columns.push(values);
        }
        Ok(Evaluated { columns, faults })
    }

    fn keep_sound(&self, evaluated: &Evaluated, count: usize) -> Result<RecordBatch, ArrowError> {
        let kept = RecordBatchOptions::new().with_row_count(Some(count - evaluated.faults.len()));
        if evaluated.faults.is_empty() {
            return RecordBatch::try_new_with_options(self.schema.clone(), evaluated.columns.clone(), &kept);
        }
        let sound: BooleanArray = (0..count).map(|row| Some(!evaluated.faults.contains_key(&row))).collect();
        let columns = evaluated.columns.iter().map(|column| filter(column, &sound)).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &kept)
    }

    fn describe(&self, column: &NextColumn, detail: &str) -> String {
        format!("step from version {} to {}, column `{}`: {detail}", self.from, self.to, column.name)
    }
}

type Computed = (ArrayRef, Vec<(usize, String)>);

fn compute(
    rows: &RecordBatch,
    value: &dyn PhysicalExpr,
    divides: Option<&dyn PhysicalExpr>,
    conversion: &Conversion,
) -> Result<Computed, DataFusionError> {
    let values = value.evaluate(rows)?.into_array(rows.num_rows())?;
    let converted = conversion.apply(&values)?;
    let mut faults = converted.faults;
    if let Some(divides) = divides {
        let divides = divides.evaluate(rows)?.into_array(rows.num_rows())?;
        let remainders = divides.as_boolean().iter().enumerate().filter(|(_, divides)| *divides == Some(false));
        faults.extend(remainders.map(|(row, _)| (row, "the division leaves a remainder".to_owned())));
    }
    Ok((converted.values, faults))
}
