//! A run of admitted events of one source at their current versions, in columns.
//!
//! Fields are stored densely, one record batch a type. The wide relation `events` (one struct column a type) is
//! made from them when a circuit asks for it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::schema::SourceSchema;
use super::types::timestamp;

/// The metadata columns that every relation of a source begins with.
pub mod metadata {
    /// Stream sequence, `Int64`.
    pub const SEQ: usize = 0;
    /// Part of a split event, `Int32`, 0 for a whole one.
    pub const ORD: usize = 1;
    /// Event type, `Utf8`.
    pub const TYPE: usize = 2;
    /// Version as stored, before upcasting, `Int32`.
    pub const VERSION: usize = 3;
    /// Event time, microseconds UTC.
    pub const TIME: usize = 6;
    /// True if the event came after the watermark had passed its event time.
    pub const LATE: usize = 9;
    /// Their names, in order.
    pub const NAMES: [&str; 10] =
        ["_seq", "_ord", "_type", "_version", "_id", "_key", "_time", "_published_at", "_subject", "_late"];
}

/// Which of a source's relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceRelation {
    /// `source.events`: all types.
    Events,
    /// `source.<type>`: one type, by its index in the schema.
    Type(usize),
}

/// Events of one source in stream order, decoded and upcast.
#[derive(Debug, Clone)]
pub struct EventBatch {
    /// The metadata columns, one row an event, ordered by `(seq, ord)`.
    pub metadata: RecordBatch,
    /// The fields of each type, by type index.
    pub types: Vec<TypeRows>,
}

/// The events of one type within a batch.
#[derive(Debug, Clone)]
pub struct TypeRows {
    /// Indices of these events in the metadata, ascending.
    pub rows: UInt32Array,
    /// Their fields at the current version, one row for each of `rows`.
    pub fields: RecordBatch,
}

impl SourceSchema {
    /// The Arrow schema of the metadata columns.
    pub fn metadata_schema() -> SchemaRef {
        Arc::new(Schema::new(metadata_fields()))
    }

    /// The Arrow schema of a relation, as SQL sees it.
    pub fn relation_schema(&self, relation: SourceRelation) -> SchemaRef {
        let mut fields = metadata_fields();
        match relation {
            SourceRelation::Type(index) => {
                fields.extend(self.types[index].current_fields().iter().map(|f| f.to_arrow()))
            }
            SourceRelation::Events => fields.extend(self.types.iter().map(|event_type| {
                Field::new(&event_type.table, ArrowType::Struct(struct_fields(&event_type.current_arrow())), true)
            })),
        }
        Arc::new(Schema::new(fields))
    }

    /// The relation with this SQL name, if there is one.
    pub fn relation(&self, table: &str) -> Option<SourceRelation> {
        if table == "events" {
            return Some(SourceRelation::Events);
        }
        self.types.iter().position(|event_type| event_type.table == table).map(SourceRelation::Type)
    }
}

impl super::EventType {
    /// The Arrow schema of the current version's fields.
    pub fn current_arrow(&self) -> SchemaRef {
        Schema::new(self.current_fields().iter().map(|f| f.to_arrow()).collect::<Vec<_>>()).into()
    }
}

impl EventBatch {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.metadata.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of a relation with only the columns that `projection` names, by their indices in
    /// [`SourceSchema::relation_schema`].
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn relation(
        &self,
        relation: SourceRelation,
        schema: &SchemaRef,
        projection: &[usize],
    ) -> Result<RecordBatch, ArrowError> {
        let columns = projection.iter().map(|&index| self.column(relation, schema, index));
        self.relation_of(relation, schema, projection, columns.collect::<Result<_, _>>()?)
    }

    /// The same of columns that [`EventBatch::column`] gave.
    ///
    /// # Errors
    /// If the columns are not those of the relation.
    pub fn relation_of(
        &self,
        relation: SourceRelation,
        schema: &SchemaRef,
        projection: &[usize],
        columns: Vec<ArrayRef>,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = match relation {
            SourceRelation::Events => self.len(),
            SourceRelation::Type(index) => self.types[index].rows.len(),
        };
        let projected = Arc::new(schema.project(projection)?);
        RecordBatch::try_new_with_options(projected, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
    }

    /// One column of a relation, by its index in [`SourceSchema::relation_schema`].
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn column(&self, relation: SourceRelation, schema: &SchemaRef, index: usize) -> Result<ArrayRef, ArrowError> {
        let base = metadata::NAMES.len();
        match relation {
            SourceRelation::Events if index < base => Ok(self.metadata.column(index).clone()),
            SourceRelation::Events => self.spread(index - base, schema.field(index)),
            SourceRelation::Type(of) if index < base => self.metadata_of(of, index),
            SourceRelation::Type(of) => Ok(self.types[of].fields.column(index - base).clone()),
        }
    }

    /// The events of `range`, by index in the metadata; for bisecting.
    pub fn slice(&self, start: usize, length: usize) -> EventBatch {
        let end = (start + length) as u32;
        let types = self.types.iter().map(|rows| {
            let rows_in_batch = rows.rows.values();
            let from = rows_in_batch.partition_point(|&row| row < start as u32);
            let to = rows_in_batch.partition_point(|&row| row < end);
            TypeRows {
                rows: rows_in_batch[from..to].iter().map(|row| row - start as u32).collect(),
                fields: rows.fields.slice(from, to - from),
            }
        });
        EventBatch { metadata: self.metadata.slice(start, length), types: types.collect() }
    }

    /// One metadata column for the events of one type.
    fn metadata_of(&self, of: usize, index: usize) -> Result<ArrayRef, ArrowError> {
        let rows_in_batch = &self.types[of].rows;
        let values = self.metadata.column(index);
        if rows_in_batch.len() == self.len() { Ok(values.clone()) } else { take(values, rows_in_batch, None) }
    }

    /// A type's fields as a struct column over all events, NULL on the other types with its children NULL too.
    fn spread(&self, index: usize, field: &Field) -> Result<ArrayRef, ArrowError> {
        let TypeRows { rows, fields } = &self.types[index];
        if rows.is_empty() {
            return Ok(new_null_array(field.data_type(), self.len()));
        }
        let ArrowType::Struct(children) = field.data_type() else {
            return Err(ArrowError::SchemaError(format!("`{}` is not a struct", field.name())));
        };
        if children.is_empty() {
            let mut present = vec![false; self.len()];
            rows.values().iter().for_each(|&row| present[row as usize] = true);
            return Ok(Arc::new(StructArray::new_empty_fields(self.len(), Some(present.into()))));
        }
        if rows.len() == self.len() {
            return Ok(Arc::new(StructArray::try_new(children.clone(), fields.columns().to_vec(), None)?));
        }
        let mut own_rows: Vec<Option<u32>> = vec![None; self.len()];
        rows.values().iter().enumerate().for_each(|(own, &row)| own_rows[row as usize] = Some(own as u32));
        let own_rows = UInt32Array::from(own_rows);
        let columns = fields.columns().iter().map(|c| take(c, &own_rows, None)).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new(children.clone(), columns, own_rows.nulls().cloned())?))
    }
}

/// Children of a type's struct column: nullable, because they are NULL on the events of other types.
fn struct_fields(schema: &Schema) -> Fields {
    schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect()
}

fn metadata_fields() -> Vec<Field> {
    let [seq, ord, event_type, version, id, key, time, published_at, subject, late] = metadata::NAMES;
    vec![
        Field::new(seq, ArrowType::Int64, false),
        Field::new(ord, ArrowType::Int32, false),
        Field::new(event_type, ArrowType::Utf8, false),
        Field::new(version, ArrowType::Int32, false),
        Field::new(id, ArrowType::Utf8, true),
        Field::new(key, ArrowType::Utf8, true),
        Field::new(time, timestamp(), false),
        Field::new(published_at, timestamp(), false),
        Field::new(subject, ArrowType::Utf8, false),
        Field::new(late, ArrowType::Boolean, false),
    ]
}
