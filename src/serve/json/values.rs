//! Values of Arrow arrays as JSON.
//!
//! How values look, and why:
//! - integers are numbers, 64-bit ones too: every digit is written, and a reader that keeps numbers in doubles loses
//!   some beyond 2^53 (cast such a column to string if that reader is yours);
//! - decimals are strings, because most readers would make them floats: `"19.90"` keeps its scale;
//! - floats are numbers; `NaN`, `Infinity` and `-Infinity` are strings, for JSON has no such numbers;
//! - timestamps are RFC 3339 in UTC, dates `YYYY-MM-DD`, binary base64, durations ISO 8601;
//! - columns marked as JSON come as JSON; text in them that is not JSON comes as a string;
//! - lists are arrays, structs and maps are objects.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch, UnionArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, FieldRef, Fields, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion_functions_json::JSON_UNION_DATA_TYPE;
use serde_json::value::RawValue;

use crate::event::JSON_MARK;
use crate::query::{format_date, format_timestamp};

/// One column: its name, already quoted, and its values.
pub(super) struct JsonColumn {
    name: Vec<u8>,
    values: JsonValues,
}

/// Each row as an object.
///
/// # Errors
/// If a value cannot be written as JSON.
pub(crate) fn objects(rows: &RecordBatch) -> Result<Vec<Box<RawValue>>, ArrowError> {
    let columns = columns(rows.schema().fields(), rows.columns())?;
    let object = |row| {
        let mut text = Vec::new();
        write_object(&mut text, &columns, row)?;
        serde_json::from_slice(&text).map_err(|error| ArrowError::JsonError(error.to_string()))
    };
    (0..rows.num_rows()).map(object).collect()
}

pub(super) fn columns(fields: &Fields, arrays: &[ArrayRef]) -> Result<Vec<JsonColumn>, ArrowError> {
    fields.iter().zip(arrays).map(|(field, array)| column(field, array)).collect()
}

fn column(field: &FieldRef, array: &ArrayRef) -> Result<JsonColumn, ArrowError> {
    let mut name = Vec::new();
    write_string(&mut name, field.name());
    name.push(b':');
    Ok(JsonColumn { name, values: JsonValues::new(field, array)? })
}

pub(super) fn write_object(out: &mut Vec<u8>, columns: &[JsonColumn], row: usize) -> Result<(), ArrowError> {
    out.push(b'{');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&column.name);
        column.values.write(out, row)?;
    }
    out.push(b'}');
    Ok(())
}

/// An array with what is known about it once for all rows.
pub(in crate::serve) struct JsonValues {
    array: ArrayRef,
    form: ValueForm,
}

/// Appends a text, in quotes where its format wants them.
type WriteText = fn(&mut Vec<u8>, &str);

enum ValueForm {
    /// Decided by the array's type at each row.
    Plain,
    Json,
    /// What `json_get` returns: a union of the kinds of JSON values.
    JsonUnion(Vec<(i8, JsonValues)>),
    List(Box<JsonValues>),
    Struct(Vec<JsonColumn>),
    Map {
        keys: Box<JsonValues>,
        values: Box<JsonValues>,
    },
}

impl JsonValues {
    /// # Errors
    /// If the values cannot be written as JSON.
    pub(in crate::serve) fn new(field: &Field, array: &ArrayRef) -> Result<Self, ArrowError> {
        let mut array = array.clone();
        let form = match field.data_type() {
            DataType::Utf8 if field.metadata().contains_key(JSON_MARK) => ValueForm::Json,
            DataType::List(item) => ValueForm::List(Box::new(JsonValues::new(item, array.as_list::<i32>().values())?)),
            DataType::LargeList(item) => {
                ValueForm::List(Box::new(JsonValues::new(item, array.as_list::<i64>().values())?))
            }
            DataType::FixedSizeList(item, _) => {
                ValueForm::List(Box::new(JsonValues::new(item, array.as_fixed_size_list().values())?))
            }
            DataType::Struct(fields) => ValueForm::Struct(columns(fields, array.as_struct().columns())?),
            DataType::Map(..) => {
                let map = array.as_map();
                let (keys, values) = map.entries_fields();
                ValueForm::Map {
                    keys: Box::new(JsonValues::new(keys, map.keys())?),
                    values: Box::new(JsonValues::new(values, map.values())?),
                }
            }
            union if *union == *JSON_UNION_DATA_TYPE => ValueForm::JsonUnion(json_union(array.as_union(), union)?),
            DataType::Dictionary(_, value_type) => {
                array = arrow::compute::cast(&array, value_type)?;
                return JsonValues::new(&Field::new(field.name(), value_type.as_ref().clone(), true), &array);
            }
            _ => ValueForm::Plain,
        };
        Ok(JsonValues { array, form })
    }

    /// Whether values are texts, numbers and the like, and not made of others.
    pub(in crate::serve) fn is_plain(&self) -> bool {
        matches!(self.form, ValueForm::Plain)
    }

    pub(in crate::serve) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row) || *self.array.data_type() == DataType::Null
    }

    /// Appends a plain value that is not NULL as another format has it: what JSON has as a string goes through `text`.
    pub(in crate::serve) fn write_as(&self, out: &mut Vec<u8>, row: usize, text: WriteText) -> Result<(), ArrowError> {
        write_plain(out, &self.array, row, text)
    }

    /// Appends a value; `null` is one of them.
    pub(in crate::serve) fn write(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.form {
            ValueForm::Plain => write_plain(out, &self.array, row, write_string)?,
            ValueForm::Json => write_json(out, self.array.as_string::<i32>().value(row)),
            ValueForm::JsonUnion(kinds) => {
                let kind = self.array.as_union().type_id(row);
                match kinds.iter().find(|(id, _)| *id == kind) {
                    Some((_, values)) => values.write(out, row)?,
                    None => out.extend_from_slice(b"null"),
                }
            }
            ValueForm::List(items) => {
                let range = match self.array.data_type() {
                    DataType::List(_) => list_range::<i32>(&self.array, row),
                    DataType::LargeList(_) => list_range::<i64>(&self.array, row),
                    _ => {
                        let list = self.array.as_fixed_size_list();
                        let length = list.value_length() as usize;
                        let start = list.value_offset(row) as usize;
                        start..start + length
                    }
                };
                out.push(b'[');
                for (index, item) in range.enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    items.write(out, item)?;
                }
                out.push(b']');
            }
            ValueForm::Struct(columns) => write_object(out, columns, row)?,
            ValueForm::Map { keys, values } => {
                let offsets = self.array.as_map().value_offsets();
                out.push(b'{');
                for (index, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_map_key(out, keys, entry)?;
                    out.push(b':');
                    values.write(out, entry)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

fn list_range<O: OffsetSizeTrait>(array: &ArrayRef, row: usize) -> std::ops::Range<usize> {
    let offsets = array.as_list::<O>().value_offsets();
    offsets[row].as_usize()..offsets[row + 1].as_usize()
}

/// A key of an object has to be a string, whatever the map's keys are.
fn write_map_key(out: &mut Vec<u8>, keys: &JsonValues, entry: usize) -> Result<(), ArrowError> {
    let mut key = Vec::new();
    keys.write(&mut key, entry)?;
    if key.first() == Some(&b'"') {
        out.extend_from_slice(&key);
    } else {
        write_string(out, &String::from_utf8_lossy(&key));
    }
    Ok(())
}

/// The members of the union by type id; arrays and objects are JSON text. JSON null has no member that is not null.
fn json_union(union: &UnionArray, data_type: &DataType) -> Result<Vec<(i8, JsonValues)>, ArrowError> {
    let DataType::Union(fields, _) = data_type else { return Ok(Vec::new()) };
    let member = |(id, field): (i8, &FieldRef)| {
        let is_text = matches!(field.name().as_str(), "array" | "object");
        let mut values = JsonValues::new(field, union.child(id))?;
        if is_text && *field.data_type() == DataType::Utf8 {
            values.form = ValueForm::Json;
        }
        Ok((id, values))
    };
    fields.iter().map(member).collect()
}

/// Appends a value that is made of no others; `text` writes one that is no number and no truth value.
fn write_plain(out: &mut Vec<u8>, array: &ArrayRef, row: usize, text: WriteText) -> Result<(), ArrowError> {
    macro_rules! number {
        ($type:ty) => {
            out.extend_from_slice(array.as_primitive::<$type>().value(row).to_string().as_bytes())
        };
    }
    macro_rules! time {
        ($type:ty, $unit:ident, $zone:expr) => {
            format_timestamp(Some(array.as_primitive::<$type>().value(row)), TimeUnit::$unit, $zone.is_some())
        };
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true".as_slice() } else { b"false" })
        }
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => write_float(out, text, array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => write_float(out, text, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => text(out, &array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => text(out, &array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => text(out, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(out, array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(out, array.as_string_view().value(row)),
        DataType::Binary => text(out, &STANDARD.encode(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => text(out, &STANDARD.encode(array.as_binary::<i64>().value(row))),
        DataType::BinaryView => text(out, &STANDARD.encode(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => text(out, &STANDARD.encode(array.as_fixed_size_binary().value(row))),
        DataType::Date32 => text(out, &format_date(array.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(unit, zone) => {
            let instant = match unit {
                TimeUnit::Second => time!(TimestampSecondType, Second, zone),
                TimeUnit::Millisecond => time!(TimestampMillisecondType, Millisecond, zone),
                TimeUnit::Microsecond => time!(TimestampMicrosecondType, Microsecond, zone),
                TimeUnit::Nanosecond => time!(TimestampNanosecondType, Nanosecond, zone),
            };
            text(out, &instant.unwrap_or_default());
        }
        _ => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
            text(out, &formatter.value(row).try_to_string()?);
        }
    }
    Ok(())
}

/// Through the float's own width, so that 0.1 as a 32-bit float stays 0.1.
fn write_float<F: Into<f64> + serde::Serialize + Copy>(out: &mut Vec<u8>, text: WriteText, value: F) {
    let wide: f64 = value.into();
    if !wide.is_finite() {
        let name = if wide.is_nan() {
            "NaN"
        } else if wide > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return text(out, name);
    }
    // Writing a number to a vector cannot fail.
    let _ = serde_json::to_writer(out, &value);
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn write_json(out: &mut Vec<u8>, text: &str) {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => out.extend_from_slice(json.get().as_bytes()),
        Err(_) => write_string(out, text),
    }
}
