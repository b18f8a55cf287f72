//! From a search projection's declared fields to the index's.

use crate::config::{Projection, ProjectionKind, SearchKind};
use crate::plan::ProjectionSchema;
use crate::read_model::search::{FieldKind, FieldSpec, SearchSpec, Tokenizer};

/// None for what is not a search projection.
pub(super) fn search_spec(config: &Projection, schema: &ProjectionSchema) -> Option<SearchSpec> {
    if config.kind != ProjectionKind::Search {
        return None;
    }
    let fields = config.fields.iter().filter_map(|(name, field)| {
        Some(FieldSpec {
            column: schema.schema.index_of(name).ok()?,
            kind: match &field.kind {
                SearchKind::Text { tokenizer } => {
                    FieldKind::Text { tokenizer: Tokenizer::named(tokenizer).unwrap_or(Tokenizer::Default) }
                }
                SearchKind::Keyword => FieldKind::Keyword,
                SearchKind::Stored => FieldKind::Stored,
            },
            sort: field.sort,
            facet: field.facet,
        })
    });
    Some(SearchSpec {
        name: config.name.clone(),
        schema: schema.schema.clone(),
        key: schema.key.clone(),
        fields: fields.collect(),
    })
}
