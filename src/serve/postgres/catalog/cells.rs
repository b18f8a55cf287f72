//! How the catalog's tables are written down: a line that names the columns, and rows of cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::super::types::Marked;

/// A value of a table.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bool(bool),
    Ints(Vec<i64>),
}

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// Tables as they are made, by name.
#[derive(Debug, Default)]
pub(super) struct Tables {
    made: Vec<(String, RecordBatch)>,
    /// The types of columns, by name, that numbers alone do not tell; None where two columns of a name have different ones.
    marks: BTreeMap<String, Option<Marked>>,
}

impl Tables {
    /// Adds `name: column type …`, with `i` for numbers, `o` for numbers of what has one, `t` for texts, `b` for truth values, `l` for lists
    /// of numbers, `v` and `w` for such lists that begin at 0, of plain numbers and of those of what has one, and `s` for lists of texts.
    pub(super) fn add(&mut self, spec: &str, rows: &[Vec<Cell>]) -> Result<(), ArrowError> {
        let (name, columns) = spec.split_once(": ").unwrap_or((spec, ""));
        let words: Vec<&str> = columns.split_whitespace().collect();
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (place, column) in words.chunks(2).enumerate() {
            let [name, of] = column else { return Err(ArrowError::SchemaError(format!("`{spec}` has half a column"))) };
            let array = array(of, place, rows);
            let mark = match *of {
                "o" => Some(Marked::Oid),
                "v" => Some(Marked::Int2Vector),
                "w" => Some(Marked::OidVector),
                _ => None,
            };
            let known = self.marks.entry((*name).to_owned()).or_insert(mark);
            if *known != mark {
                *known = None;
            }
            fields.push(Field::new(*name, array.data_type().clone(), true));
            arrays.push(array);
        }
        debug_assert!(rows.iter().all(|row| row.len() == fields.len()), "{spec}");
        self.made.push((name.to_owned(), RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?));
        Ok(())
    }

    pub(super) fn into_parts(self) -> (Vec<(String, RecordBatch)>, BTreeMap<String, Marked>) {
        let marks = self.marks.into_iter().filter_map(|(name, mark)| Some((name, mark?)));
        (self.made, marks.collect())
    }
}

fn array(of: &str, place: usize, rows: &[Vec<Cell>]) -> ArrayRef {
    let cells = || rows.iter().map(|row| row.get(place));
    match of {
        "i" | "o" => Arc::new(cells().map(number).collect::<Int64Array>()),
        "b" => Arc::new(cells().map(truth).collect::<BooleanArray>()),
        "l" | "v" | "w" => {
            let mut lists = ListBuilder::new(Int64Builder::new());
            for cell in cells() {
                match cell {
                    Some(Cell::Ints(numbers)) => lists.append_value(numbers.iter().copied().map(Some)),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
        "s" => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            rows.iter().for_each(|_| lists.append_null());
            Arc::new(lists.finish())
        }
        _ => {
            debug_assert_eq!(of, "t");
            Arc::new(cells().map(written).collect::<StringArray>())
        }
    }
}

fn number(cell: Option<&Cell>) -> Option<i64> {
    if let Some(Cell::Int(number)) = cell { Some(*number) } else { None }
}

fn truth(cell: Option<&Cell>) -> Option<bool> {
    if let Some(Cell::Bool(value)) = cell { Some(*value) } else { None }
}

fn written(cell: Option<&Cell>) -> Option<&str> {
    if let Some(Cell::Text(text)) = cell { Some(text) } else { None }
}

/// The type of lists of numbers.
pub(super) fn numbers_type() -> DataType {
    DataType::List(Field::new_list_field(DataType::Int64, true).into())
}
