//! From a search projection's declared fields to the index's.

use crate::config::{self, Projection, ProjectionKind, SearchKind};
use crate::plan::ProjectionSchema;
use crate::read_model::search::{
    Distance, FieldKind, FieldSpec, SearchSpec, StopWords, Tokenizer, VectorSpec, language_named,
};

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
                SearchKind::Vector { dimensions, distance } => FieldKind::Vector(VectorSpec {
                    dimensions: *dimensions,
                    distance: match distance {
                        config::Distance::Cosine => Distance::Cosine,
                        config::Distance::L2 => Distance::L2,
                        config::Distance::Dot => Distance::Dot,
                    },
                }),
            },
            weight: field.weight,
            sort: field.sort,
            facet: field.facet,
        })
    });
    Some(SearchSpec {
        name: config.name.clone(),
        schema: schema.schema.clone(),
        key: schema.key.clone(),
        fields: fields.collect(),
        synonyms: config.synonyms.clone(),
        stop_words: match &config.stop_words {
            config::StopWords::None => StopWords::None,
            config::StopWords::Of(language) => language_named(language).map_or(StopWords::None, StopWords::Of),
            config::StopWords::Words(words) => StopWords::Words(words.clone()),
        },
    })
}

#[cfg(test)]
mod tests {
    use tantivy::tokenizer::StopWordFilter;

    use super::*;
    use crate::config::search_fields::{STOP_WORDS, TOKENIZERS};

    #[test]
    fn what_the_configuration_may_name_is_there() {
        for name in TOKENIZERS {
            assert!(Tokenizer::named(name).is_some(), "{name}");
        }
        assert_eq!(TOKENIZERS.len(), Tokenizer::all().count());
        for name in STOP_WORDS {
            assert!(language_named(name).and_then(StopWordFilter::new).is_some(), "{name}");
        }
    }
}
