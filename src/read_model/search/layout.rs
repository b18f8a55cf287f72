//! The Tantivy schema that a `SearchSpec` asks for, checked once: which Tantivy field holds what of which column.
//!
//! Tantivy fields are named after the place of their column, because a column's name may hold characters that
//! Tantivy reads as a path.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field as ArrowField};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{SimpleTokenizer, TextAnalyzer, TokenizerManager};

use super::order::{SortForm, is_key_type, is_text_type};
use super::spec::{FieldKind, FieldSpec, SearchSpec, Tokenizer};

/// The Tantivy field of the encoded key.
pub(super) const KEY: &str = "key";

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) spec: SearchSpec,
    pub(super) schema: Schema,
    pub(super) key: Field,
    pub(super) columns: Vec<IndexedColumn>,
}

#[derive(Debug)]
pub(super) struct IndexedColumn {
    pub(super) name: String,
    /// Its place in the rows.
    pub(super) place: usize,
    /// The type of its values; of the items, if it is a list.
    pub(super) data_type: DataType,
    pub(super) is_list: bool,
    pub(super) kind: FieldKind,
    /// Holds the searchable terms, unless the column is only stored.
    pub(super) terms: Option<Field>,
    pub(super) sort: Option<(Field, SortForm)>,
    pub(super) facet: bool,
}

impl Layout {
    pub(super) fn new(spec: SearchSpec) -> Result<Self, String> {
        let mut builder = Schema::builder();
        let key = builder.add_bytes_field(KEY, BytesOptions::default().set_indexed().set_fast());
        if spec.key.is_empty() {
            return Err("it has no key: declare one".to_owned());
        }
        for &place in &spec.key {
            let field = column(&spec, place)?;
            if !is_key_type(field.data_type()) {
                let (name, data_type) = (field.name(), field.data_type());
                return Err(format!("key column `{name}` has type {data_type}: use a scalar type"));
            }
        }
        let mut columns: Vec<IndexedColumn> = Vec::with_capacity(spec.fields.len());
        for field in &spec.fields {
            if columns.iter().any(|other| other.place == field.column) {
                return Err(format!("column `{}` is declared twice: remove one", column(&spec, field.column)?.name()));
            }
            columns.push(IndexedColumn::new(column(&spec, field.column)?, field, &mut builder)?);
        }
        if columns.iter().all(|column| column.terms.is_none()) {
            return Err("no column can be searched: declare one as text or keyword".to_owned());
        }
        Ok(Self { spec, schema: builder.build(), key, columns })
    }

    /// What must be the same for an index on disk to be used again, beside the Tantivy schema.
    pub(super) fn fingerprint(&self) -> Vec<String> {
        let fields = self.spec.schema.fields();
        let key =
            self.spec.key.iter().map(|place| format!("key {}:{}", fields[*place].name(), fields[*place].data_type()));
        key.chain(self.columns.iter().map(|c| format!("{} {}:{}", c.place, c.name, c.data_type))).collect()
    }

    pub(super) fn key_types(&self) -> Vec<DataType> {
        self.spec.key.iter().map(|place| self.spec.schema.field(*place).data_type().clone()).collect()
    }

    /// Columns that a query can name.
    pub(super) fn searchable(&self) -> impl Iterator<Item = &IndexedColumn> {
        self.columns.iter().filter(|column| column.terms.is_some())
    }

    /// The column called `name` if it satisfies `fits`, else the names of those that do.
    pub(super) fn find(&self, name: &str, fits: impl Fn(&IndexedColumn) -> bool) -> Result<&IndexedColumn, String> {
        self.columns.iter().find(|column| column.name == name && fits(column)).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().filter(|c| fits(c)).map(|c| c.name.as_str()).collect();
            if names.is_empty() { "no field".to_owned() } else { format!("`{}`", names.join("`, `")) }
        })
    }
}

impl IndexedColumn {
    fn new(field: &ArrowField, spec: &FieldSpec, builder: &mut SchemaBuilder) -> Result<Self, String> {
        let name = field.name();
        let (data_type, is_list) = match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) => (item.data_type().clone(), true),
            other => (other.clone(), false),
        };
        if spec.facet && spec.kind != FieldKind::Keyword {
            return Err(format!("column `{name}` cannot be a facet: only keywords are counted"));
        }
        let terms = match spec.kind {
            FieldKind::Stored => None,
            FieldKind::Text { .. } if !is_text_type(&data_type) => {
                return Err(format!("column `{name}` of type {data_type} is not text: declare it as a keyword"));
            }
            FieldKind::Keyword if data_type.is_nested() || !can_cast_types(&data_type, &DataType::Utf8) => {
                return Err(format!("column `{name}` of type {data_type} cannot be a keyword: use a scalar type"));
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
                return Err(format!("column `{name}` of type {} cannot be sorted by", field.data_type()));
            }
        };
        Ok(Self {
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
            place: spec.column,
            data_type,
            is_list,
            kind: spec.kind,
            facet: spec.facet,
        })
    }

    /// The Tantivy name of the field that holds the terms.
    pub(super) fn terms_name(&self) -> String {
        terms_name(self.place)
    }

    pub(super) fn sort_name(&self) -> String {
        sort_name(self.place)
    }

    /// A keyword as it is written in the index: `1.2` becomes `1.20` for a `decimal(18,2)`. None if it is no value of
    /// the column's type.
    pub(super) fn canonical_keyword(&self, written: &str) -> Option<String> {
        if is_text_type(&self.data_type) {
            return Some(written.to_owned());
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let value = cast_with_options(&StringArray::from(vec![written]), &self.data_type, &strict).ok()?;
        let text = cast_with_options(&value, &DataType::Utf8, &strict).ok()?;
        let text = text.as_any().downcast_ref::<StringArray>()?;
        text.is_valid(0).then(|| text.value(0).to_owned())
    }
}

/// All tokenizers that a column may name.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(Tokenizer::Simple.name(), TextAnalyzer::builder(SimpleTokenizer::default()).build());
    tokenizers
}

fn column(spec: &SearchSpec, place: usize) -> Result<&Arc<ArrowField>, String> {
    spec.schema.fields().get(place).ok_or_else(|| format!("it has no column {place}"))
}

fn terms_name(place: usize) -> String {
    format!("c{place}")
}

fn sort_name(place: usize) -> String {
    format!("s{place}")
}
