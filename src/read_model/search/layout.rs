//! The Tantivy schema that a `SearchSpec` asks for, checked once: which Tantivy field holds what of which column.
//!
//! Tantivy fields are named after the index of their column, because a column's name may hold characters that
//! Tantivy reads as a path.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field as ArrowField};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};

use super::beginnings::{self, Beginnings};
use super::order::{SortForm, is_key_type, is_text_type};
use super::spec::{FieldKind, FieldSpec, SearchSpec, Tokenizer, VectorSpec};
use super::tokenizers::{FOLDED, bounded};
use super::vectors::is_vector_type;
use super::vocabulary::Vocabulary;

/// The Tantivy field of the encoded key.
pub(super) const KEY: &str = "key";

#[derive(Debug, Clone)]
pub(super) struct IndexLayout {
    pub(super) spec: SearchSpec,
    pub(super) schema: Schema,
    pub(super) key: Field,
    pub(super) columns: Vec<IndexedColumn>,
    pub(super) vocabulary: Arc<Vocabulary>,
}

#[derive(Debug, Clone)]
pub(super) struct IndexedColumn {
    pub(super) name: String,
    /// Its index in the rows.
    pub(super) index: usize,
    /// The type of its values; of the items, if it is a list.
    pub(super) data_type: DataType,
    pub(super) is_list: bool,
    pub(super) kind: FieldKind,
    /// How much a match counts where no column is named.
    pub(super) weight: u8,
    /// Holds the searchable terms, unless the column is only stored or a vector.
    pub(super) terms: Option<Field>,
    /// Holds the words of whole values as people type them, where `terms` has the values as they are written.
    pub(super) typed: Option<Field>,
    /// Of the words that people type, unless the column cannot be searched.
    pub(super) beginnings: Option<Beginnings>,
    pub(super) sort: Option<(Field, SortForm)>,
    pub(super) facet: bool,
}

/// What is wrong with a specification.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("it has no key: declare one")]
    NoKey,
    #[error("it has no column {0}")]
    NoColumn(usize),
    #[error("key column `{name}` has type {data_type}: use a scalar type")]
    KeyType { name: String, data_type: DataType },
    #[error("column `{0}` is declared twice: remove one")]
    Twice(String),
    #[error("no column can be searched: declare one as text, keyword or vector")]
    NothingToSearch,
    #[error("column `{0}` cannot be a facet: only keywords are counted")]
    Facet(String),
    #[error("column `{name}` of type {data_type} is not text: declare it as a keyword")]
    NotText { name: String, data_type: DataType },
    #[error("column `{name}` of type {data_type} cannot be a keyword: use a scalar type")]
    Keyword { name: String, data_type: DataType },
    #[error("column `{name}` of type {data_type} cannot be a vector: use a list of floats")]
    NotVector { name: String, data_type: DataType },
    #[error("column `{name}` of type {data_type} cannot be sorted by")]
    Sort { name: String, data_type: DataType },
}

/// A name that no fitting column has.
pub(super) struct NoSuchColumn {
    /// Of the columns that fit.
    fitting: Vec<String>,
}

impl fmt::Display for NoSuchColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fitting.is_empty() { f.write_str("no field") } else { write!(f, "`{}`", self.fitting.join("`, `")) }
    }
}

impl IndexLayout {
    /// # Errors
    /// If the specification does not fit its schema, or nothing could be found by it.
    pub(super) fn new(spec: SearchSpec) -> Result<Self, LayoutError> {
        let mut builder = Schema::builder();
        let key = builder.add_bytes_field(KEY, BytesOptions::default().set_indexed().set_fast());
        if spec.key.is_empty() {
            return Err(LayoutError::NoKey);
        }
        for &index in &spec.key {
            let field = column(&spec, index)?;
            if !is_key_type(field.data_type()) {
                let (name, data_type) = (field.name().clone(), field.data_type().clone());
                return Err(LayoutError::KeyType { name, data_type });
            }
        }
        let mut columns: Vec<IndexedColumn> = Vec::with_capacity(spec.fields.len());
        for field in &spec.fields {
            if columns.iter().any(|other| other.index == field.column) {
                return Err(LayoutError::Twice(column(&spec, field.column)?.name().clone()));
            }
            columns.push(IndexedColumn::new(column(&spec, field.column)?, field, &mut builder)?);
        }
        let layout = Self { vocabulary: Arc::new(Vocabulary::new(&spec)), spec, schema: builder.build(), key, columns };
        match layout.searchable().next().is_some() || layout.vector_columns().next().is_some() {
            true => Ok(layout),
            false => Err(LayoutError::NothingToSearch),
        }
    }

    /// What must be the same for an index on disk to be used again, beside the Tantivy schema.
    pub(super) fn fingerprint(&self) -> Vec<String> {
        let fields = self.spec.schema.fields();
        let key =
            self.spec.key.iter().map(|index| format!("key {}:{}", fields[*index].name(), fields[*index].data_type()));
        key.chain(self.columns.iter().map(|c| format!("{} {}:{}", c.index, c.name, c.data_type))).collect()
    }

    pub(super) fn key_types(&self) -> Vec<DataType> {
        self.spec.key.iter().map(|index| self.spec.schema.field(*index).data_type().clone()).collect()
    }

    /// As if some columns were in the rows alone.
    pub(super) fn without(&self, hidden: &BTreeSet<usize>) -> Self {
        let mut layout = self.clone();
        layout.columns.retain(|column| !hidden.contains(&column.index));
        layout
    }

    /// The greatest weight of a column that can be searched.
    pub(super) fn heaviest(&self) -> u8 {
        self.searchable().map(|column| column.weight).max().unwrap_or(1)
    }

    /// Columns that a query can name.
    pub(super) fn searchable(&self) -> impl Iterator<Item = &IndexedColumn> {
        self.columns.iter().filter(|column| column.terms.is_some())
    }

    /// Columns that are found by how near they are.
    pub(super) fn vector_columns(&self) -> impl Iterator<Item = (&IndexedColumn, VectorSpec)> {
        self.columns.iter().filter_map(|column| match column.kind {
            FieldKind::Vector(spec) => Some((column, spec)),
            _ => None,
        })
    }

    /// The column called `name` that satisfies `fits`.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn find(
        &self,
        name: &str,
        fits: impl Fn(&IndexedColumn) -> bool,
    ) -> Result<&IndexedColumn, NoSuchColumn> {
        let found = self.columns.iter().find(|column| column.name == name && fits(column));
        found.ok_or_else(|| NoSuchColumn {
            fitting: self.columns.iter().filter(|column| fits(column)).map(|column| column.name.clone()).collect(),
        })
    }
}

impl IndexedColumn {
    fn new(field: &ArrowField, spec: &FieldSpec, builder: &mut SchemaBuilder) -> Result<Self, LayoutError> {
        let name = field.name();
        let (data_type, is_list) = match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) => (item.data_type().clone(), true),
            other => (other.clone(), false),
        };
        if spec.facet && spec.kind != FieldKind::Keyword {
            return Err(LayoutError::Facet(name.clone()));
        }
        let terms = match spec.kind {
            FieldKind::Vector(_) if !is_vector_type(field.data_type()) => {
                return Err(LayoutError::NotVector { name: name.clone(), data_type: field.data_type().clone() });
            }
            FieldKind::Stored | FieldKind::Vector(_) => None,
            FieldKind::Text { .. } if !is_text_type(&data_type) => {
                return Err(LayoutError::NotText { name: name.clone(), data_type });
            }
            FieldKind::Keyword if data_type.is_nested() || !can_cast_types(&data_type, &DataType::Utf8) => {
                return Err(LayoutError::Keyword { name: name.clone(), data_type });
            }
            FieldKind::Text { tokenizer } => {
                let indexing = TextFieldIndexing::default()
                    .set_tokenizer(tokenizer.name())
                    .set_index_option(IndexRecordOption::WithFreqsAndPositions);
                Some(TextOptions::default().set_indexing_options(indexing))
            }
            FieldKind::Keyword => {
                let indexing = TextFieldIndexing::default()
                    .set_tokenizer(Tokenizer::Raw.name())
                    .set_fieldnorms(false)
                    .set_index_option(IndexRecordOption::Basic);
                let options = TextOptions::default().set_indexing_options(indexing);
                Some(if spec.facet { options.set_fast(Tokenizer::Raw.name()) } else { options })
            }
        };
        let sort = match (spec.sort, is_list, SortForm::of(&data_type)) {
            (false, ..) => None,
            (true, false, Some(form)) => Some(form),
            (true, ..) => {
                return Err(LayoutError::Sort { name: name.clone(), data_type: field.data_type().clone() });
            }
        };
        let splits = match spec.kind {
            FieldKind::Text { tokenizer } => Some(tokenizer),
            FieldKind::Keyword => Some(Tokenizer::Raw),
            FieldKind::Stored | FieldKind::Vector(_) => None,
        };
        let is_whole = splits == Some(Tokenizer::Raw);
        let typed = TextFieldIndexing::default()
            .set_tokenizer(FOLDED)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic);
        let typed = is_whole.then(|| TextOptions::default().set_indexing_options(typed));
        Ok(Self {
            typed: typed.map(|options| builder.add_text_field(&typed_name(spec.column), options)),
            beginnings: splits.map(|tokenizer| {
                let options = beginnings::options(tokenizer);
                Beginnings::new(tokenizer, builder.add_text_field(&beginnings_name(spec.column), options))
            }),
            terms: terms.map(|options| builder.add_text_field(&terms_name(spec.column), options)),
            sort: sort.map(|form| {
                let sort_name = sort_name(spec.column);
                let field = match form {
                    SortForm::Integer => builder.add_i64_field(&sort_name, NumericOptions::default().set_fast()),
                    SortForm::Bytes => builder.add_bytes_field(&sort_name, BytesOptions::default().set_fast()),
                };
                (field, form)
            }),
            name: name.clone(),
            index: spec.column,
            data_type,
            is_list,
            kind: spec.kind,
            weight: spec.weight,
            facet: spec.facet,
        })
    }

    /// The Tantivy name of the field that holds the terms.
    pub(super) fn terms_name(&self) -> String {
        terms_name(self.index)
    }

    /// The tokenizer of its terms, if it is text.
    pub(super) fn tokenizer(&self) -> Option<&'static str> {
        match self.kind {
            FieldKind::Text { tokenizer } => Some(tokenizer.name()),
            FieldKind::Keyword | FieldKind::Stored | FieldKind::Vector(_) => None,
        }
    }

    /// Where the beginnings of its terms are. Those of whole values are of the words in them.
    pub(super) fn beginnings_of_terms(&self) -> Option<Beginnings> {
        self.beginnings.filter(|_| self.typed.is_none())
    }

    pub(super) fn sort_name(&self) -> String {
        sort_name(self.index)
    }

    /// A keyword as it is written in the index: `1.2` becomes `1.20` for a `decimal(18,2)`. None if it is no value of
    /// the column's type.
    pub(super) fn canonical_keyword(&self, written: &str) -> Option<String> {
        if is_text_type(&self.data_type) {
            return Some(bounded(written));
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let value = cast_with_options(&StringArray::from(vec![written]), &self.data_type, &strict).ok()?;
        let text = cast_with_options(&value, &DataType::Utf8, &strict).ok()?;
        let text = text.as_any().downcast_ref::<StringArray>()?;
        text.is_valid(0).then(|| text.value(0).to_owned())
    }
}

fn column(spec: &SearchSpec, index: usize) -> Result<&Arc<ArrowField>, LayoutError> {
    spec.schema.fields().get(index).ok_or(LayoutError::NoColumn(index))
}

fn terms_name(index: usize) -> String {
    format!("c{index}")
}

fn typed_name(index: usize) -> String {
    format!("t{index}")
}

fn beginnings_name(index: usize) -> String {
    format!("b{index}")
}

fn sort_name(index: usize) -> String {
    format!("s{index}")
}
