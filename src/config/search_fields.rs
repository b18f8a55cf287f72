//! How a search projection's columns are indexed, and what words mean in it.

use std::collections::BTreeMap;

use super::checked::{SearchField, SearchKind, StopWords};
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
pub(super) const WEIGHT_MAX: u64 = 100;
const SYNONYMS_MAX: usize = 10_000;
/// Synonyms of one meaning.
pub(super) const GROUP_MAX: usize = 32;
pub(super) const STOP_WORDS_MAX: usize = 1_000;

pub(super) fn search_fields(map: &Mapping<'_>) -> BTreeMap<String, SearchField> {
    let entries = map.get("fields").and_then(|yaml| map.reader.entries(yaml, "`fields`")).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.name.clone(), search_field(map.reader, entry)?))).collect()
}

/// `notes: text`, or `notes: {type, tokenizer, weight, facet, sort}`.
fn search_field(reader: NodeReader<'_>, entry: &Entry) -> Option<SearchField> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Text,
        Keyword,
        Stored,
    }
    let types = [("text", Type::Text), ("keyword", Type::Keyword), ("stored", Type::Stored)];
    let tokenizers = TOKENIZERS.map(|name| (name, name));
    if !matches!(entry.value.data, Data::Mapping(_)) {
        let kind = match reader.choice(&entry.value, &format!("the type of `{}`", entry.name), &types)? {
            Type::Text => SearchKind::Text { tokenizer: "default".to_owned() },
            Type::Keyword => SearchKind::Keyword,
            Type::Stored => SearchKind::Stored,
        };
        return Some(SearchField { kind, weight: 1, sort: false, facet: false });
    }
    let what = format!("the field `{}`", entry.name);
    let map = reader.map(&entry.value, &what, &["type", "tokenizer", "weight", "facet", "sort"], &[])?;
    let kind = match map.get("type") {
        Some(_) => map.choice("type", &types)?,
        None => Type::Stored,
    };
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
        Type::Stored => SearchKind::Stored,
    };
    Some(SearchField { kind, weight: weight as u8, sort, facet })
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
