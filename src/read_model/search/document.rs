//! Rows of a projection as Tantivy documents. NULLs are left out.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field as ArrowField};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};
use tantivy::schema::Field;
use tantivy::{TantivyDocument, Term};

use super::beginnings::Beginnings;
use super::layout::{IndexLayout, IndexedColumn};
use super::order::{KeyError, SortForm, encode_key, sort_bytes, sort_integer};
use super::spec::FieldKind;
use super::tokenizers::bounded;

/// The documents of one batch of rows.
pub(super) struct Documents<'a> {
    layout: &'a IndexLayout,
    key: Vec<&'a ArrayRef>,
    columns: Vec<DocumentColumn<'a>>,
}

struct DocumentColumn<'a> {
    terms: Option<(Field, Texts)>,
    typed: Option<Field>,
    beginnings: Option<Beginnings>,
    /// Whether a value is one term.
    is_keyword: bool,
    sort: Option<(Field, SortForm, &'a ArrayRef)>,
}

/// The text forms of a column's values.
enum Texts {
    One(StringArray),
    Several(ListArray),
}

/// What becomes of the document of one row.
pub(super) enum DocumentChange {
    Add(TantivyDocument),
    /// In the place of the one that the term finds.
    Replace(Term, TantivyDocument),
    Delete(Term),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Value(#[from] DataFusionError),
}

impl<'a> Documents<'a> {
    pub(super) fn new(layout: &'a IndexLayout, rows: &'a RecordBatch) -> Result<Self, ArrowError> {
        let columns =
            layout.columns.iter().map(|column| DocumentColumn::new(column, rows)).collect::<Result<_, _>>()?;
        Ok(Self { layout, key: layout.spec.key.iter().map(|index| rows.column(*index)).collect(), columns })
    }

    /// The document of one row, and the term that deletes its predecessor.
    pub(super) fn document(&self, row: usize) -> Result<(Term, TantivyDocument), DocumentError> {
        let key = encode_row(&self.key, row)?;
        let mut document = TantivyDocument::new();
        document.add_bytes(self.layout.key, &key);
        for column in &self.columns {
            match &column.terms {
                Some((field, Texts::One(texts))) if texts.is_valid(row) => {
                    column.add(&mut document, *field, texts.value(row));
                }
                Some((field, Texts::Several(lists))) if lists.is_valid(row) => {
                    column.add_items(&mut document, *field, &lists.value(row));
                }
                _ => {}
            }
            let Some((field, form, values)) = column.sort else { continue };
            if values.is_null(row) {
                continue;
            }
            let value = ScalarValue::try_from_array(values, row)?;
            match form {
                SortForm::Integer => sort_integer(&value).into_iter().for_each(|v| document.add_i64(field, v)),
                SortForm::Bytes => sort_bytes(&value).into_iter().for_each(|v| document.add_bytes(field, &v)),
            }
        }
        Ok((Term::from_field_bytes(self.layout.key, &key), document))
    }
}

/// The terms that delete documents by their key, from a batch of key columns alone.
pub(super) fn key_term(layout: &IndexLayout, keys: &RecordBatch, row: usize) -> Result<Term, DocumentError> {
    let columns: Vec<&ArrayRef> = keys.columns().iter().collect();
    Ok(Term::from_field_bytes(layout.key, &encode_row(&columns, row)?))
}

impl<'a> DocumentColumn<'a> {
    fn new(column: &IndexedColumn, rows: &'a RecordBatch) -> Result<Self, ArrowError> {
        let values = rows.column(column.index);
        let terms = match column.terms {
            None => None,
            Some(field) if column.is_list => {
                let item = ArrowField::new_list_field(DataType::Utf8, true);
                let lists = cast(values, &DataType::List(item.into()))?;
                Some((field, Texts::Several(lists.as_list::<i32>().clone())))
            }
            Some(field) => {
                let texts = cast(values, &DataType::Utf8)?;
                Some((field, Texts::One(texts.as_string::<i32>().clone())))
            }
        };
        Ok(Self {
            terms,
            typed: column.typed,
            beginnings: column.beginnings,
            is_keyword: column.kind == FieldKind::Keyword,
            sort: column.sort.map(|(field, form)| (field, form, values)),
        })
    }

    fn add(&self, document: &mut TantivyDocument, field: Field, text: &str) {
        match self.is_keyword {
            true => document.add_text(field, bounded(text)),
            false => document.add_text(field, text),
        }
        if let Some(typed) = self.typed {
            document.add_text(typed, text);
        }
        if let Some(beginnings) = self.beginnings {
            document.add_text(beginnings.field(), text);
        }
    }

    /// Each distinct item once, so that a facet counts documents.
    fn add_items(&self, document: &mut TantivyDocument, field: Field, items: &ArrayRef) {
        let mut seen = HashSet::new();
        for text in items.as_string::<i32>().iter().flatten() {
            if seen.insert(text) {
                self.add(document, field, text);
            }
        }
    }
}

/// The encoded key of a row, of these key columns.
pub(super) fn encode_row(columns: &[&ArrayRef], row: usize) -> Result<Vec<u8>, DocumentError> {
    let values = columns.iter().map(|c| ScalarValue::try_from_array(c, row)).collect::<Result<Vec<_>, _>>()?;
    Ok(encode_key(&values)?)
}
