//! Rows of typed samples, over which every expression is computed before it is accepted.
//!
//! DataFusion plans some expressions that it cannot compute of any row, or that give another type than they say. Each event
//! would be parked for one of them. What depends on values, such as a division by zero, is no reason to refuse: an error is one
//! of the expression if its kind says so, or if all samples give it in the same words.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions,
    StringArray, StructArray, new_empty_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;

use super::cause::cause;

/// Samples that each type has.
pub const SAMPLES: usize = 5;
const TEXTS: [&str; SAMPLES] = ["1", "", "abc", "2026-01-01T00:00:00Z", "{\"a\": 1}"];
const NUMBERS: [i64; SAMPLES] = [1, 0, 97, -53, 1_000_003];
/// In microseconds: around 1970, in 2026, 1938 and 2100.
const TIMES: [i64; SAMPLES] = [1, 0, 1_767_225_600_123_456, -1_000_000_000_000_000, 4_102_444_800_000_000];
const DAYS: [i32; SAMPLES] = [1, 0, 20_454, -11_574, 47_482];

/// Rows without NULLs: the samples of all columns side by side, and each with another one of the column beside it.
#[derive(Debug)]
pub struct Samples(Vec<RecordBatch>);

/// Why an expression can be computed of no row.
#[derive(Debug, PartialEq, Eq)]
pub enum NeverComputed {
    /// It gives another type than it is planned to give.
    OtherType {
        planned: DataType,
        given: DataType,
    },
    Fails(String),
}

impl Samples {
    /// Makes the rows of a schema.
    ///
    /// # Errors
    /// If a column's type has no sample.
    pub fn of(schema: &Schema) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let row = |sample: usize, step: usize| {
            let columns = schema.fields().iter().enumerate();
            let columns = columns.map(|(column, field)| one(field.data_type(), (sample + column * step) % SAMPLES));
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
            Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
        };
        let rows = (0..2 * SAMPLES).map(|number| row(number % SAMPLES, number / SAMPLES));
        Ok(Samples(rows.collect::<Result<_>>()?))
    }

    /// Computes an expression over the rows, until one of them shows that it can be.
    ///
    /// # Errors
    /// If the expression cannot be computed of any row, or does not give the type `planned`.
    pub fn check(&self, expression: &dyn PhysicalExpr, planned: &DataType) -> Result<(), NeverComputed> {
        self.check_with(planned, |row| expression.evaluate(row).and_then(|value| value.into_array(1)))
    }

    /// As [`Self::check`], of whatever gives one value of a row.
    ///
    /// # Errors
    /// If it gives one of no row, or not of the type `planned`.
    pub fn check_with(
        &self,
        planned: &DataType,
        compute: impl Fn(&RecordBatch) -> Result<ArrayRef>,
    ) -> Result<(), NeverComputed> {
        let mut always: Option<String> = None;
        for row in &self.0 {
            match compute(row) {
                Ok(value) if value.data_type() == planned => return Ok(()),
                Ok(value) => {
                    return Err(NeverComputed::OtherType {
                        planned: planned.clone(),
                        given: value.data_type().clone(),
                    });
                }
                Err(error) if is_of_types(&error) => return Err(NeverComputed::Fails(cause(&error))),
                Err(error) => {
                    let error = cause(&error);
                    if *always.get_or_insert_with(|| error.clone()) != error {
                        return Ok(());
                    }
                }
            }
        }
        always.map_or(Ok(()), |error| Err(NeverComputed::Fails(error)))
    }
}

/// Whether an error follows from the types, whatever the values are.
fn is_of_types(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) | DataFusionError::Plan(_) => true,
        DataFusionError::ArrowError(error, _) => {
            matches!(**error, ArrowError::NotYetImplemented(_) | ArrowError::SchemaError(_))
        }
        _ => false,
    }
}

/// The samples of a type, [`SAMPLES`] of them.
///
/// # Errors
/// If the type has none.
pub fn sample_values(data_type: &DataType) -> Result<Vec<ScalarValue>> {
    (0..SAMPLES).map(|sample| ScalarValue::try_from_array(&one(data_type, sample)?, 0)).collect()
}

/// A sample as an array of one value.
fn one(data_type: &DataType, sample: usize) -> Result<ArrayRef> {
    let number = |number| cast(&Int64Array::from(vec![number]), data_type);
    let value: ArrayRef = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            cast(&StringArray::from(vec![TEXTS[sample]]), data_type)?
        }
        DataType::Timestamp(..) | DataType::Duration(_) => number(TIMES[sample])?,
        DataType::Date32 => cast(&Int32Array::from(vec![DAYS[sample]]), data_type)?,
        of if of.is_numeric() || *of == DataType::Boolean => {
            let value = number(NUMBERS[sample])?;
            // NULL is what is too great for the type, and even 1 is for some decimals.
            let value = if value.is_valid(0) { value } else { number(1)? };
            if value.is_valid(0) { value } else { number(0)? }
        }
        DataType::List(item) => {
            let items = one(item.data_type(), sample)?;
            let length = usize::from(sample != 1);
            let offsets = OffsetBuffer::from_lengths([length]);
            Arc::new(ListArray::try_new(item.clone(), offsets, items.slice(0, length), None)?)
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            let children = fields.iter().map(|field| one(field.data_type(), sample)).collect::<Result<_>>()?;
            Arc::new(StructArray::try_new(fields.clone(), children, None)?)
        }
        DataType::Map(entry, is_sorted) => {
            let none = new_empty_array(entry.data_type()).as_struct().clone();
            Arc::new(MapArray::try_new(entry.clone(), OffsetBuffer::from_lengths([0]), none, None, *is_sorted)?)
        }
        other => ScalarValue::new_default(other)?.to_array()?,
    };
    Ok(value)
}

impl NeverComputed {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            NeverComputed::OtherType { .. } => "cast it to the type that is meant",
            NeverComputed::Fails(_) => "give the function or operator arguments that it takes, or cast them",
        }
    }
}

impl fmt::Display for NeverComputed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NeverComputed::OtherType { planned, given } => {
                write!(f, "gives {given} where it is planned to give {planned}")
            }
            NeverComputed::Fails(error) => write!(f, "cannot be computed of any row: {error}"),
        }
    }
}
