//! One typed column under construction: reads values from their JSON text, and can be cut back to an earlier length,
//! so that an event that fails half way leaves no trace.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, MapArray, NullBufferBuilder, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType as ArrowType, Fields};
use arrow::error::ArrowError;

use super::Reason;
use super::decode::RowsBuilder;
use super::instant;
use super::json::{self, Fault, Read};
use super::number::{self, NumberFault};
use super::shape::{Shape, ShapeKind};
use super::types::TimestampFormat;

/// Powers of ten from a microsecond to a nanosecond.
const NANOSECONDS: i64 = 3;

/// Values of one shape.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    shape: Arc<Shape>,
    nulls: NullBufferBuilder,
    values: ColumnValues,
}

#[derive(Debug)]
enum ColumnValues {
    Text(Text),
    Json(Text),
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal {
        precision: u8,
        scale: i8,
        values: Vec<i128>,
    },
    Date(Vec<i32>),
    Timestamp {
        format: TimestampFormat,
        values: Vec<i64>,
    },
    /// `ends` holds where each list ends among the items.
    List {
        ends: Vec<usize>,
        items: Box<ColumnBuilder>,
    },
    Map {
        ends: Vec<usize>,
        keys: Text,
        values: Box<ColumnBuilder>,
    },
    Struct(Box<RowsBuilder>),
}

/// Strings end to end.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl ColumnBuilder {
    pub(super) fn new(shape: &Arc<Shape>) -> Self {
        let values = match &shape.kind {
            ShapeKind::String => ColumnValues::Text(Text::default()),
            ShapeKind::Json => ColumnValues::Json(Text::default()),
            ShapeKind::Bool => ColumnValues::Bool(Vec::new()),
            ShapeKind::Int32 => ColumnValues::Int32(Vec::new()),
            ShapeKind::Int64 => ColumnValues::Int64(Vec::new()),
            ShapeKind::Float32 => ColumnValues::Float32(Vec::new()),
            ShapeKind::Float64 => ColumnValues::Float64(Vec::new()),
            &ShapeKind::Decimal { precision, scale } => ColumnValues::Decimal { precision, scale, values: Vec::new() },
            ShapeKind::Date => ColumnValues::Date(Vec::new()),
            &ShapeKind::Timestamp(format) => ColumnValues::Timestamp { format, values: Vec::new() },
            ShapeKind::List(item) => ColumnValues::List { ends: Vec::new(), items: Box::new(ColumnBuilder::new(item)) },
            ShapeKind::Map(value) => ColumnValues::Map {
                ends: Vec::new(),
                keys: Text::default(),
                values: Box::new(ColumnBuilder::new(value)),
            },
            ShapeKind::Struct(layout) => ColumnValues::Struct(Box::new(RowsBuilder::new(layout))),
        };
        Self { shape: shape.clone(), nulls: NullBufferBuilder::new(0), values }
    }

    pub(super) fn required(&self) -> bool {
        self.shape.required
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Appends the value written as `raw`, which is JSON. After a fault the column must be cut back.
    pub(super) fn push(&mut self, raw: &str, undeclared: &mut u64) -> Read {
        if raw == "null" {
            if self.shape.required {
                return Err(Fault::new(Reason::MissingField, "is null but required"));
            }
            self.push_null();
            return Ok(());
        }
        let shape = self.shape.as_ref();
        match &mut self.values {
            ColumnValues::Text(text) => text.push(&json::string(raw)?.ok_or_else(|| shape.wrong_type(raw))?),
            ColumnValues::Json(text) => text.push_compact(raw),
            ColumnValues::Bool(values) => match raw {
                "true" => values.push(true),
                "false" => values.push(false),
                _ => return Err(shape.wrong_type(raw)),
            },
            ColumnValues::Int32(values) => {
                values.push(i32::try_from(shape.integer(raw)?).map_err(|_| shape.out_of_range(raw))?);
            }
            ColumnValues::Int64(values) => values.push(shape.integer(raw)?),
            ColumnValues::Float32(values) => values.push(shape.float32(raw)?),
            ColumnValues::Float64(values) => values.push(shape.float64(raw)?),
            ColumnValues::Decimal { precision, scale, values } => values.push(shape.decimal(raw, *precision, *scale)?),
            ColumnValues::Date(values) => {
                let text = json::string(raw)?.ok_or_else(|| shape.wrong_type(raw))?;
                values.push(instant::date_days(&text).ok_or_else(|| shape.unreadable(raw, "YYYY-MM-DD"))?);
            }
            ColumnValues::Timestamp { format: TimestampFormat::Rfc3339, values } => {
                let text = json::string(raw)?.ok_or_else(|| shape.wrong_type(raw))?;
                let time = instant::rfc3339_us(&text);
                values.push(time.ok_or_else(|| shape.unreadable(raw, "RFC 3339 with an offset"))?);
            }
            ColumnValues::Timestamp { format: TimestampFormat::Rfc1123, values } => {
                let text = json::string(raw)?.ok_or_else(|| shape.wrong_type(raw))?;
                let time = chrono::DateTime::parse_from_rfc2822(&text).ok().map(|time| time.timestamp_micros());
                values.push(time.ok_or_else(|| shape.unreadable(raw, "RFC 1123"))?);
            }
            ColumnValues::Timestamp { format, values } => values.push(shape.epoch(raw, format.scale().unwrap_or(0))?),
            ColumnValues::List { ends, items } => {
                if !raw.starts_with('[') {
                    return Err(shape.wrong_type(raw));
                }
                json::elements(raw, |index, raw| {
                    items.push(raw, undeclared).map_err(|fault| fault.below(&index.to_string()))
                })?;
                ends.push(items.len());
            }
            ColumnValues::Map { ends, keys, values } => {
                if !raw.starts_with('{') {
                    return Err(shape.wrong_type(raw));
                }
                // Ordered by key, so that equal maps are equal however they were written; the last value of a key wins.
                let mut entries = BTreeMap::new();
                json::members(raw, |key, raw| {
                    entries.insert(key, raw);
                    Ok(())
                })?;
                for (key, raw) in entries {
                    keys.push(&key);
                    values.push(raw, undeclared).map_err(|fault| fault.below(&key))?;
                }
                ends.push(values.len());
            }
            ColumnValues::Struct(rows) => rows.push(raw, undeclared)?,
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// Appends NULL, with everything below it NULL too.
    pub(super) fn push_null(&mut self) {
        self.nulls.append_null();
        match &mut self.values {
            ColumnValues::Text(text) | ColumnValues::Json(text) => text.push(""),
            ColumnValues::Bool(values) => values.push(false),
            ColumnValues::Int32(values) | ColumnValues::Date(values) => values.push(0),
            ColumnValues::Int64(values) | ColumnValues::Timestamp { values, .. } => values.push(0),
            ColumnValues::Float32(values) => values.push(0.0),
            ColumnValues::Float64(values) => values.push(0.0),
            ColumnValues::Decimal { values, .. } => values.push(0),
            ColumnValues::List { ends, items } => ends.push(items.len()),
            ColumnValues::Map { ends, values, .. } => ends.push(values.len()),
            ColumnValues::Struct(rows) => rows.push_null(),
        }
    }

    /// Cuts the column back to its first `length` values, also after a fault.
    pub(super) fn truncate(&mut self, length: usize) {
        self.nulls.truncate(length);
        match &mut self.values {
            ColumnValues::Text(text) | ColumnValues::Json(text) => text.truncate(length),
            ColumnValues::Bool(values) => values.truncate(length),
            ColumnValues::Int32(values) | ColumnValues::Date(values) => values.truncate(length),
            ColumnValues::Int64(values) | ColumnValues::Timestamp { values, .. } => values.truncate(length),
            ColumnValues::Float32(values) => values.truncate(length),
            ColumnValues::Float64(values) => values.truncate(length),
            ColumnValues::Decimal { values, .. } => values.truncate(length),
            ColumnValues::List { ends, items } => {
                ends.truncate(length);
                items.truncate(ends.last().copied().unwrap_or(0));
            }
            ColumnValues::Map { ends, keys, values } => {
                ends.truncate(length);
                let entries = ends.last().copied().unwrap_or(0);
                keys.truncate(entries);
                values.truncate(entries);
            }
            ColumnValues::Struct(rows) => rows.truncate(length),
        }
    }

    /// The Arrow array. Fails only if text or items outgrow 32-bit offsets.
    pub(super) fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        Ok(match self.values {
            ColumnValues::Text(text) | ColumnValues::Json(text) => Arc::new(text.finish(nulls)?),
            ColumnValues::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            ColumnValues::Int32(values) => Arc::new(Int32Array::new(values.into(), nulls)),
            ColumnValues::Int64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            ColumnValues::Float32(values) => Arc::new(Float32Array::new(values.into(), nulls)),
            ColumnValues::Float64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            ColumnValues::Decimal { precision, scale, values } => {
                Arc::new(Decimal128Array::new(values.into(), nulls).with_precision_and_scale(precision, scale)?)
            }
            ColumnValues::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            ColumnValues::Timestamp { values, .. } => {
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
            }
            ColumnValues::List { ends, items } => {
                let ArrowType::List(item) = &self.shape.arrow else { return Err(mismatch(&self.shape)) };
                Arc::new(ListArray::try_new(item.clone(), offsets(&ends)?, items.finish()?, nulls)?)
            }
            ColumnValues::Map { ends, keys, values } => {
                let ArrowType::Map(entry, _) = &self.shape.arrow else { return Err(mismatch(&self.shape)) };
                let fields = struct_fields(entry.data_type()).ok_or_else(|| mismatch(&self.shape))?;
                let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish(None)?), values.finish()?];
                let entries = StructArray::try_new(fields, columns, None)?;
                Arc::new(MapArray::try_new(entry.clone(), offsets(&ends)?, entries, nulls, false)?)
            }
            ColumnValues::Struct(rows) => {
                let fields = struct_fields(&self.shape.arrow).ok_or_else(|| mismatch(&self.shape))?;
                let length = rows.len();
                Arc::new(StructArray::try_new_with_length(fields, rows.finish()?, nulls, length)?)
            }
        })
    }
}

impl Shape {
    fn wrong_type(&self, raw: &str) -> Box<Fault> {
        Fault::wrong_type(&self.name, raw)
    }

    fn out_of_range(&self, raw: &str) -> Box<Fault> {
        Fault::new(Reason::OutOfRange, format!("{} does not fit {}", excerpt(raw), self.name))
    }

    fn unreadable(&self, raw: &str, form: &str) -> Box<Fault> {
        Fault::new(Reason::WrongType, format!("{} is not a {} ({form})", excerpt(raw), self.name))
    }

    fn number<T>(&self, raw: &str, outcome: Result<T, NumberFault>) -> Read<T> {
        outcome.map_err(|fault| match fault {
            NumberFault::NotANumber => self.wrong_type(raw),
            NumberFault::TooLarge => self.out_of_range(raw),
            NumberFault::Inexact => Fault::new(
                Reason::OutOfRange,
                format!("{} has more decimal places than {} keeps", excerpt(raw), self.name),
            ),
        })
    }

    #[inline]
    fn integer(&self, raw: &str) -> Read<i64> {
        self.number(raw, number::integer(raw))
    }

    fn decimal(&self, raw: &str, precision: u8, scale: i8) -> Read<i128> {
        let Some(text) = json::string(raw)? else {
            return self.number(raw, number::decimal(raw, precision, scale));
        };
        match number::decimal(&text, precision, scale) {
            Err(NumberFault::NotANumber) => Err(self.unreadable(raw, "digits with a point")),
            outcome => self.number(raw, outcome),
        }
    }

    /// A float column is a float by declaration. Minus zero becomes zero, so that equal values are the same.
    fn float64(&self, raw: &str) -> Read<f64> {
        let value: f64 = self.float(raw)?;
        if value.is_finite() { Ok(value + 0.0) } else { Err(self.out_of_range(raw)) }
    }

    /// The nearest one of four bytes, read from the text itself, so that it is rounded once.
    fn float32(&self, raw: &str) -> Read<f32> {
        let value: f32 = self.float(raw)?;
        if value.is_finite() { Ok(value + 0.0) } else { Err(self.out_of_range(raw)) }
    }

    fn float<T: FromStr>(&self, raw: &str) -> Read<T> {
        if !raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(self.wrong_type(raw));
        }
        raw.parse().map_err(|_| self.wrong_type(raw))
    }

    /// Microseconds, exactly.
    /// Microseconds of a number that is `scale` powers of ten coarser. Digits below a microsecond are cut off, towards the
    /// past.
    fn epoch(&self, raw: &str, scale: i64) -> Read<i64> {
        let finer = self.number(raw, number::scaled(raw, scale + NANOSECONDS))?;
        i64::try_from(finer.div_euclid(1_000)).map_err(|_| self.out_of_range(raw))
    }
}

impl Text {
    #[inline]
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// JSON as written, without the white space between tokens.
    fn push_compact(&mut self, raw: &str) {
        let (mut quoted, mut escaped) = (false, false);
        self.bytes.extend(raw.bytes().filter(|byte| {
            if quoted {
                quoted = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
                return true;
            }
            quoted = *byte == b'"';
            !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
        }));
        self.ends.push(self.bytes.len());
    }

    fn truncate(&mut self, length: usize) {
        self.ends.truncate(length);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    fn finish(self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        StringArray::try_new(offsets(&self.ends)?, Buffer::from_vec(self.bytes), nulls)
    }
}

fn offsets(ends: &[usize]) -> Result<OffsetBuffer<i32>, ArrowError> {
    let total = ends.last().copied().unwrap_or(0);
    if i32::try_from(total).is_err() {
        return Err(ArrowError::OffsetOverflowError(total));
    }
    // The last end is the greatest, so all of them fit.
    let offsets: Vec<i32> = std::iter::once(0).chain(ends.iter().map(|&end| end as i32)).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

fn struct_fields(arrow: &ArrowType) -> Option<Fields> {
    match arrow {
        ArrowType::Struct(fields) => Some(fields.clone()),
        _ => None,
    }
}

fn mismatch(shape: &Shape) -> ArrowError {
    ArrowError::SchemaError(format!("the values of a {} do not match its Arrow type", shape.name))
}

/// A value short enough for a message.
fn excerpt(raw: &str) -> String {
    if raw.chars().count() <= 60 { raw.to_owned() } else { raw.chars().take(60).chain(['…']).collect() }
}
