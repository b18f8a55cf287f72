//! A store's segment as bytes: its rows, then the dead addresses it records, each an Arrow IPC stream.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, UInt32Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;

use super::manifest::{Checksum, SegmentEntry};
use crate::state::{NewSegment, RowAddress};

/// An encoded segment that has no place yet.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) bytes: Bytes,
    /// `object` and `offset` are still to be given.
    pub(super) entry: SegmentEntry,
}

pub(super) fn encode(segment: &NewSegment) -> Result<Section, ArrowError> {
    let mut bytes = Vec::new();
    write_stream(&mut bytes, &compact(&segment.rows)?)?;
    let rows_length = bytes.len() as u64;
    if !segment.dead.is_empty() {
        write_stream(&mut bytes, &addresses(&segment.dead)?)?;
    }
    let entry = SegmentEntry {
        id: segment.id,
        object: String::new(),
        offset: 0,
        length: bytes.len() as u64,
        rows_length,
        rows: segment.rows.num_rows() as u64,
        dead: segment.dead.len() as u64,
        checksum: Checksum::of(&bytes),
    };
    Ok(Section { bytes: bytes.into(), entry })
}

/// How the bytes of a section differ from what the manifest says of them.
#[derive(Debug, thiserror::Error)]
pub(super) enum SectionError {
    #[error("checksum mismatch")]
    Checksum,
    #[error("its rows end after {expected} bytes, it has {length}")]
    TooShort { expected: u64, length: usize },
    #[error("{0}")]
    Arrow(#[from] ArrowError),
    #[error("it has {rows} rows and {dead} dead addresses, not {} and {}", expected.0, expected.1)]
    Counts { rows: u64, dead: u64, expected: (u64, u64) },
}

/// The rows and dead addresses of a section.
///
/// # Errors
/// If the bytes are not those that were written for `entry`.
pub(super) fn decode(entry: &SegmentEntry, bytes: &[u8]) -> Result<(RecordBatch, Vec<RowAddress>), SectionError> {
    if Checksum::of(bytes) != entry.checksum {
        return Err(SectionError::Checksum);
    }
    let Some((rows, dead)) = bytes.split_at_checked(entry.rows_length as usize) else {
        return Err(SectionError::TooShort { expected: entry.rows_length, length: bytes.len() });
    };
    let rows = read_stream(rows)?;
    let dead = if dead.is_empty() { Vec::new() } else { read_addresses(dead)? };
    let (row_count, dead_count) = (rows.num_rows() as u64, dead.len() as u64);
    let expected = (entry.rows, entry.dead);
    if (row_count, dead_count) != expected {
        return Err(SectionError::Counts { rows: row_count, dead: dead_count, expected });
    }
    Ok((rows, dead))
}

/// View columns refer to whole buffers, however few of their bytes these rows use; IPC would write all of them.
fn compact(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    });
    let columns: Vec<ArrayRef> = columns.collect();
    if columns.is_empty() { Ok(rows.clone()) } else { RecordBatch::try_new(rows.schema(), columns) }
}

fn addresses(dead: &[RowAddress]) -> Result<RecordBatch, ArrowError> {
    let segments: UInt64Array = dead.iter().map(|address| address.segment).collect::<Vec<_>>().into();
    let rows: UInt32Array = dead.iter().map(|address| address.row).collect::<Vec<_>>().into();
    RecordBatch::try_from_iter([("segment", Arc::new(segments) as ArrayRef), ("row", Arc::new(rows))])
}

fn read_addresses(bytes: &[u8]) -> Result<Vec<RowAddress>, ArrowError> {
    let batch = read_stream(bytes)?;
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no `{name}`")));
    let segments = column("segment")?.as_primitive_opt::<UInt64Type>();
    let rows = column("row")?.as_primitive_opt::<UInt32Type>();
    let (Some(segments), Some(rows)) = (segments, rows) else {
        return Err(ArrowError::SchemaError("dead addresses of another type".to_owned()));
    };
    let pairs = segments.values().iter().zip(rows.values());
    Ok(pairs.map(|(&segment, &row)| RowAddress { segment, row }).collect())
}

fn write_stream(bytes: &mut Vec<u8>, batch: &RecordBatch) -> Result<(), ArrowError> {
    let mut writer = StreamWriter::try_new(bytes, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()
}

/// The one batch of a stream.
fn read_stream(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let mut batches = StreamReader::try_new(Cursor::new(bytes), None)?;
    match (batches.next().transpose()?, batches.next()) {
        (Some(batch), None) => Ok(batch),
        _ => Err(ArrowError::IpcError("not exactly one batch".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{
        ListArray, MapBuilder, StringBuilder, StringViewArray, StructArray, UInt64Builder, new_null_array,
    };
    use arrow::compute::concat;
    use arrow::datatypes::{Field, Int32Type, Schema};

    use super::*;
    use crate::event::{self, FieldType, TimestampFormat};

    fn segment(rows: RecordBatch, dead: Vec<RowAddress>) -> NewSegment {
        NewSegment { id: 3, rows, dead }
    }

    fn round_trip(segment: &NewSegment) -> (RecordBatch, Vec<RowAddress>) {
        let section = encode(segment).unwrap();
        decode(&section.entry, &section.bytes).unwrap()
    }

    /// One column of each declared type, NULL and not.
    fn all_types() -> RecordBatch {
        use event::DataType as Type;
        let optional = |data_type| FieldType { data_type, required: false };
        let inner = vec![event::Field { name: "x".into(), field_type: optional(Type::String), from: None }];
        let types = [
            Type::String,
            Type::Bool,
            Type::Int32,
            Type::Int64,
            Type::Float32,
            Type::Float64,
            Type::Decimal { precision: 18, scale: 2 },
            Type::Date,
            Type::Timestamp(TimestampFormat::Rfc3339),
            Type::Json,
            Type::List(Box::new(optional(Type::Decimal { precision: 38, scale: 4 }))),
            Type::Map(Box::new(optional(Type::Int64))),
            Type::Struct(inner),
        ];
        let fields: Vec<Field> =
            types.into_iter().enumerate().map(|(place, t)| optional(t).to_arrow(&format!("c{place}"))).collect();
        let values = |field: &Field| -> ArrayRef {
            let null = new_null_array(field.data_type(), 1);
            let some: ArrayRef = match field.data_type() {
                DataType::List(_) => {
                    let list =
                        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![])]);
                    arrow::compute::cast(&list, field.data_type()).unwrap()
                }
                DataType::Map(entries, _) => {
                    let names = arrow::array::MapFieldNames {
                        entry: entries.name().clone(),
                        key: "key".to_owned(),
                        value: "value".to_owned(),
                    };
                    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), UInt64Builder::new());
                    map.keys().append_value("k");
                    map.values().append_value(7);
                    map.append(true).unwrap();
                    arrow::compute::cast(&map.finish(), field.data_type()).unwrap()
                }
                DataType::Struct(fields) => {
                    let x: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![Some("é"), None]));
                    Arc::new(StructArray::try_new(fields.clone(), vec![x], None).unwrap())
                }
                other => arrow::compute::cast(&arrow::array::StringArray::from(vec![text(other)]), other).unwrap(),
            };
            concat(&[&null, &some.slice(0, 1), &null]).unwrap()
        };
        let columns = fields.iter().map(values).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn text(data_type: &DataType) -> &'static str {
        match data_type {
            DataType::Boolean => "true",
            DataType::Date32 => "2026-11-21",
            DataType::Timestamp(..) => "2026-11-21T10:00:00.000001Z",
            _ => "12",
        }
    }

    #[test]
    fn every_type_reads_back_as_it_was() {
        let rows = all_types();
        let dead = vec![RowAddress { segment: 1, row: 4 }, RowAddress { segment: u64::MAX, row: u32::MAX }];
        for part in [rows.clone(), rows.slice(1, 1), rows.slice(0, 0)] {
            assert_eq!(round_trip(&segment(part.clone(), dead.clone())), (part, dead.clone()));
        }
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(5));
        let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(round_trip(&segment(rows, vec![])).0.num_rows(), 5);
    }

    #[test]
    fn a_view_column_takes_only_its_own_bytes_along() {
        let long: StringViewArray = (0..1000).map(|row| Some(format!("a string of some length {row}"))).collect();
        let rows = RecordBatch::try_from_iter([("view", Arc::new(long) as ArrayRef)]).unwrap().slice(500, 2);
        let section = encode(&segment(rows.clone(), vec![])).unwrap();
        assert!(section.bytes.len() < 1500, "{} bytes", section.bytes.len());
        assert_eq!(decode(&section.entry, &section.bytes).unwrap().0, rows);
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let section = encode(&segment(all_types(), vec![RowAddress { segment: 1, row: 4 }])).unwrap();
        for index in (0..section.bytes.len()).step_by(7) {
            let mut bytes = section.bytes.to_vec();
            bytes[index] ^= 1;
            assert!(matches!(decode(&section.entry, &bytes), Err(SectionError::Checksum)));
        }
    }
}
