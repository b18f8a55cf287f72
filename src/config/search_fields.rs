//! How a search projection's columns are indexed, and what words mean in it.

use std::collections::BTreeMap;

use super::checked::{Distance, SearchField, SearchKind, StopWords};
use super::code::Code;
use super::reader::{Mapping, NodeReader};
use super::yaml::{Data, Entry};

/// Each is a tokenizer of the search index.
pub(crate) const TOKENIZERS: [&str; 23] = [
    "default",
    "cjk",
    "simple",
    "whitespace",
    "raw",
    "ar_stem",
    "da_stem",
    "de_stem",
    "el_stem",
    "en_stem",
    "es_stem",
    "fi_stem",
    "fr_stem",
    "hu_stem",
    "it_stem",
    "nl_stem",
    "no_stem",
    "pt_stem",
    "ro_stem",
    "ru_stem",
    "sv_stem",
    "ta_stem",
    "tr_stem",
];
/// Languages with a list of stop words.
pub(crate) const STOP_WORDS: [&str; 13] = [
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
];
/// How far apart vectors are, as the configuration calls it.
pub(super) const DISTANCES: [(&str, Distance); 3] =
    [("cosine", Distance::Cosine), ("l2", Distance::L2), ("dot", Distance::Dot)];
pub(super) const DIMENSIONS_MAX: u64 = 4_096;
const VECTOR_EXAMPLE: &str = "say how many numbers each has, as in `{type: vector, dimensions: 384}`";
pub(super) const WEIGHT_MAX: u64 = 100;
const SYNONYMS_MAX: usize = 10_000;
/// Synonyms of one meaning.
pub(super) const GROUP_MAX: usize = 32;
pub(super) const STOP_WORDS_MAX: usize = 1_000;

/// Keys of a field in its long form.
const KEYS: [&str; 7] = ["type", "tokenizer", "weight", "facet", "sort", "dimensions", "distance"];

pub(super) fn search_fields(map: &Mapping<'_>) -> BTreeMap<String, SearchField> {
    let entries = map.get("fields").and_then(|yaml| map.reader.entries(yaml, "`fields`")).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.name.clone(), search_field(map.reader, entry)?))).collect()
}

/// `notes: text`, or `notes: {type, tokenizer, weight, facet, sort}`, or `embedding: {type: vector, dimensions, distance}`.
fn search_field(reader: NodeReader<'_>, entry: &Entry) -> Option<SearchField> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Text,
        Keyword,
        Stored,
        Vector,
    }
    let types = [("text", Type::Text), ("keyword", Type::Keyword), ("stored", Type::Stored), ("vector", Type::Vector)];
    let tokenizers = TOKENIZERS.map(|name| (name, name));
    if !matches!(entry.value.data, Data::Mapping(_)) {
        let kind = match reader.choice(&entry.value, &format!("the type of `{}`", entry.name), &types)? {
            Type::Text => SearchKind::Text { tokenizer: "default".to_owned() },
            Type::Keyword => SearchKind::Keyword,
            Type::Stored => SearchKind::Stored,
            Type::Vector => {
                reader.error(Code::MissingKey, entry.value.mark, "a vector needs `dimensions`", VECTOR_EXAMPLE);
                return None;
            }
        };
        return Some(SearchField { kind, weight: 1, sort: false, facet: false });
    }
    let what = format!("the field `{}`", entry.name);
    let map = reader.map(&entry.value, &what, &KEYS, &[])?;
    let kind = match map.get("type") {
        Some(_) => map.choice("type", &types)?,
        None => Type::Stored,
    };
    if kind == Type::Vector {
        return vector(&map);
    }
    for key in ["dimensions", "distance"] {
        if map.get(key).is_some() {
            let message = format!("only `type: vector` has a `{key}`");
            map.error_at_key(Code::NotTogether, key, message, format!("add `type: vector`, or remove `{key}`"));
        }
    }
    let tokenizer = map.choice("tokenizer", &tokenizers).unwrap_or("default");
    let (facet, sort) = (map.flag("facet").unwrap_or(false), map.flag("sort").unwrap_or(false));
    let weight = map.integer("weight", 1..=WEIGHT_MAX).unwrap_or(1);
    if kind != Type::Text && map.get("tokenizer").is_some() {
        map.error_at_key(
            Code::NotTogether,
            "tokenizer",
            "only `type: text` has a tokenizer",
            "add `type: text`, or remove the tokenizer",
        );
    }
    if kind == Type::Stored && map.get("weight").is_some() {
        map.error_at_key(
            Code::NotTogether,
            "weight",
            "what is not searched has no weight",
            "add `type: text` or `type: keyword`, or remove the weight",
        );
    }
    if kind != Type::Keyword && facet {
        map.error_at_key(
            Code::NotTogether,
            "facet",
            "only `type: keyword` can be a facet",
            "facets count whole values: write `type: keyword`",
        );
    }
    if kind == Type::Text && sort {
        let hint = "text is split into words: select the column twice and sort by the other one";
        map.error_at_key(Code::NotTogether, "sort", "`type: text` cannot be sorted by", hint);
    }
    let kind = match kind {
        Type::Text => SearchKind::Text { tokenizer: tokenizer.to_owned() },
        Type::Keyword => SearchKind::Keyword,
        Type::Stored | Type::Vector => SearchKind::Stored,
    };
    Some(SearchField { kind, weight: weight as u8, sort, facet })
}

/// `{type: vector, dimensions: 384, distance: cosine}`
fn vector(map: &Mapping<'_>) -> Option<SearchField> {
    for key in ["tokenizer", "weight", "facet", "sort"] {
        if map.get(key).is_some() {
            let message = format!("`type: vector` has no `{key}`");
            let hint = format!("it is found by its distance alone: remove `{key}`");
            map.error_at_key(Code::NotTogether, key, message, hint);
        }
    }
    map.need("dimensions", VECTOR_EXAMPLE);
    let distance = if map.get("distance").is_some() { map.choice("distance", &DISTANCES)? } else { Distance::Cosine };
    let dimensions = map.integer("dimensions", 1..=DIMENSIONS_MAX)? as usize;
    Some(SearchField { kind: SearchKind::Vector { dimensions, distance }, weight: 1, sort: false, facet: false })
}

/// `synonyms: [[parcel, package], [tv, television, "tele vision"]]`
pub(super) fn synonyms(map: &Mapping<'_>) -> Vec<Vec<String>> {
    let Some(yaml) = map.get("synonyms") else { return Vec::new() };
    let example = "write words that mean the same together: `synonyms: [[parcel, package], [tv, television]]`";
    let Data::List(items) = &yaml.data else {
        map.error_at_key(Code::WrongKind, "synonyms", "`synonyms` must be a list of lists", example);
        return Vec::new();
    };
    let mut groups = Vec::new();
    let mut count = 0;
    for item in items {
        if !matches!(item.data, Data::List(_)) {
            map.reader.error(Code::WrongKind, item.mark, "synonyms must be a list of words", example);
            continue;
        }
        let words = map.reader.texts(item, "synonyms").unwrap_or_default();
        for (word, at) in &words {
            if !word.chars().any(char::is_alphanumeric) {
                map.reader.error(
                    Code::BadWords,
                    at.mark,
                    format!("`{word}` has no word in it"),
                    "write words with letters or digits",
                );
            }
        }
        if words.len() < 2 || words.len() > GROUP_MAX {
            let message =
                format!("a group of synonyms has 2 to {GROUP_MAX} words or phrases, and this one {}", words.len());
            map.reader.error(Code::BadWords, item.head(), message, example);
        }
        count += words.len();
        groups.push(words.into_iter().map(|(word, _)| word.to_owned()).collect());
    }
    if count > SYNONYMS_MAX {
        map.error_at_key(
            Code::BadWords,
            "synonyms",
            format!("these are {count} synonyms"),
            format!("at most {SYNONYMS_MAX} are possible"),
        );
    }
    groups
}

/// `stop_words: english`, or `stop_words: [the, of]`
pub(super) fn stop_words(map: &Mapping<'_>) -> StopWords {
    let Some(yaml) = map.get("stop_words") else { return StopWords::None };
    if !matches!(yaml.data, Data::List(_)) {
        let languages = STOP_WORDS.map(|name| (name, name));
        let language = map.reader.choice(yaml, "`stop_words`", &languages);
        return language.map_or(StopWords::None, |language| StopWords::Of(language.to_owned()));
    }
    let words = map.reader.texts(yaml, "`stop_words`").unwrap_or_default();
    for (word, at) in &words {
        if word.split_whitespace().count() != 1 || !word.chars().any(char::is_alphanumeric) {
            map.reader.error(
                Code::BadWords,
                at.mark,
                format!("the stop word `{word}` is not one word"),
                "write each word by itself",
            );
        }
    }
    if words.len() > STOP_WORDS_MAX {
        let hint = format!("at most {STOP_WORDS_MAX} are possible");
        map.error_at_key(Code::BadWords, "stop_words", format!("these are {} stop words", words.len()), hint);
    }
    StopWords::Words(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}
