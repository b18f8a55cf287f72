//! Declared types prepared for decoding: names as they are written in the payload, and Arrow types. Immutable, shared
//! by all batches.

use std::sync::Arc;

use arrow::datatypes::DataType as ArrowType;

use super::json;
use super::schema::Naming;
use super::tree::Tree;
use super::types::{DataType, Field, FieldType, TimestampFormat};

/// The members of an object that become columns: of an event version, or of a struct type.
#[derive(Debug)]
pub(super) struct ObjectLayout {
    /// Where each column is found. A slot is an index into `columns`; behind them come the slots of the envelope's facts.
    pub(super) tree: Tree,
    pub(super) columns: Vec<Member>,
}

/// What the envelope reads of the payload.
#[derive(Debug)]
pub(super) struct PayloadFact {
    pub(super) pointer: String,
    /// Where the envelope keeps it, if it can be read together with the columns.
    pub(super) slot: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Member {
    /// JSON pointer below the object.
    pub(super) pointer: String,
    pub(super) shape: Arc<Shape>,
}

/// A data type prepared for decoding.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) required: bool,
    pub(super) kind: ShapeKind,
    pub(super) arrow: ArrowType,
    /// As it is written in a declaration.
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) enum ShapeKind {
    String,
    Json,
    Bool,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal { precision: u8, scale: i8 },
    Date,
    Timestamp(TimestampFormat),
    List(Arc<Shape>),
    Map(Arc<Shape>),
    Struct(Arc<ObjectLayout>),
}

impl ObjectLayout {
    /// `facts` are pointers that the envelope reads: they are declared, though they are no columns.
    pub(super) fn new(fields: &[Field], naming: Naming, facts: &[PayloadFact]) -> Self {
        let mut tree = Tree::default();
        let mut columns = Vec::with_capacity(fields.len());
        for (slot, field) in fields.iter().enumerate() {
            let pointer = field.pointer(naming);
            tree.want(&pointer, slot);
            columns.push(Member { pointer, shape: Arc::new(Shape::new(&field.field_type, naming)) });
        }
        if fields.is_empty() {
            tree.expect_object();
        }
        for fact in facts {
            match fact.slot {
                Some(slot) => tree.want(&fact.pointer, columns.len() + slot),
                None => tree.know(&fact.pointer),
            }
        }
        Self { tree, columns }
    }
}

impl Shape {
    fn new(field_type: &FieldType, naming: Naming) -> Self {
        let nested = |inner: &FieldType| Arc::new(Shape::new(inner, naming));
        let kind = match &field_type.data_type {
            DataType::String => ShapeKind::String,
            DataType::Json => ShapeKind::Json,
            DataType::Bool => ShapeKind::Bool,
            DataType::Int32 => ShapeKind::Int32,
            DataType::Int64 => ShapeKind::Int64,
            DataType::Float32 => ShapeKind::Float32,
            DataType::Float64 => ShapeKind::Float64,
            &DataType::Decimal { precision, scale } => ShapeKind::Decimal { precision, scale },
            DataType::Date => ShapeKind::Date,
            DataType::Timestamp(format) => ShapeKind::Timestamp(*format),
            DataType::List(item) => ShapeKind::List(nested(item)),
            DataType::Map(value) => ShapeKind::Map(nested(value)),
            DataType::Struct(fields) => ShapeKind::Struct(Arc::new(ObjectLayout::new(fields, naming, &[]))),
        };
        Self {
            required: field_type.required,
            kind,
            arrow: field_type.data_type.to_arrow(),
            name: type_name(&field_type.data_type),
        }
    }
}

impl Field {
    /// Where the value is found below its object.
    fn pointer(&self, naming: Naming) -> String {
        let own = || format!("/{}", json::escape(&naming.written(&self.name)));
        self.from.clone().unwrap_or_else(own)
    }
}

impl Naming {
    /// The member of the payload that a column reads.
    pub fn written(self, column: &str) -> String {
        match self {
            Naming::AsWritten => column.to_owned(),
            Naming::CamelCase => camel_case(column),
        }
    }
}

/// A data type as it is written in a declaration; nested types in outline.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::String => "string".into(),
        DataType::Bool => "bool".into(),
        DataType::Int32 => "int32".into(),
        DataType::Int64 => "int64".into(),
        DataType::Float32 => "float32".into(),
        DataType::Float64 => "float64".into(),
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        DataType::Date => "date".into(),
        DataType::Timestamp(_) => "timestamp".into(),
        DataType::Json => "json".into(),
        DataType::List(item) => format!("list<{}>", type_name(&item.data_type)),
        DataType::Map(value) => format!("map<string,{}>", type_name(&value.data_type)),
        DataType::Struct(_) => "struct".into(),
    }
}

/// `customer_id` → `customerId`. Underscores at the front stay.
fn camel_case(name: &str) -> String {
    let bare = name.trim_start_matches('_');
    let mut written = name[..name.len() - bare.len()].to_owned();
    for (index, word) in bare.split('_').filter(|word| !word.is_empty()).enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if index > 0 => written.extend(first.to_uppercase()),
            Some(first) => written.push(first),
            None => {}
        }
        written.push_str(letters.as_str());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_camel_case() {
        let names = ["customer_id", "id", "_line_2_total", "already", "a__b"].map(camel_case);
        assert_eq!(names, ["customerId", "id", "_line2Total", "already", "aB"]);
    }
}
