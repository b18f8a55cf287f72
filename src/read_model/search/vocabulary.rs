//! Words that mean the same, and words that need not be found, in free text.

use std::collections::{HashMap, HashSet};

use tantivy::tokenizer::{RawTokenizer, StopWordFilter, TextAnalyzer};

use super::folding::lowered;
use super::spec::{SearchSpec, StopWords, Tokenizer};
use super::tokenizers::tokenizers;

/// Made once of a specification. Words are compared folded.
pub(super) struct Vocabulary {
    /// Synonyms, each as it is written.
    groups: Vec<Vec<String>>,
    /// By words.
    places: HashMap<Vec<String>, Vec<usize>>,
    /// Words of the longest synonym.
    longest: usize,
    stop_words: HashSet<String>,
    /// Leaves out the stop words of a language.
    of_language: Option<TextAnalyzer>,
}

impl Vocabulary {
    pub(super) fn new(spec: &SearchSpec) -> Self {
        let mut places: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
        for (place, group) in spec.synonyms.iter().enumerate() {
            for synonym in group {
                places.entry(folded(synonym)).or_default().push(place);
            }
        }
        let (words, of_language) = match &spec.stop_words {
            StopWords::None => (&[][..], None),
            StopWords::Of(language) => (&[][..], StopWordFilter::new(*language)),
            StopWords::Words(words) => (words.as_slice(), None),
        };
        let whole = |filter| TextAnalyzer::builder(RawTokenizer::default()).filter(filter).build();
        Self {
            longest: places.keys().map(Vec::len).max().unwrap_or_default(),
            places,
            groups: spec.synonyms.clone(),
            stop_words: words.iter().flat_map(|word| folded(word)).collect(),
            of_language: of_language.map(whole),
        }
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// What means the same as these words of a text, without what they are themselves.
    pub(super) fn synonyms(&self, words: &[&str]) -> Vec<&str> {
        let words: Vec<String> = words.iter().flat_map(|word| folded(word)).collect();
        let groups = self.places.get(&words).into_iter().flatten();
        let synonyms = groups.flat_map(|place| &self.groups[*place]);
        synonyms.filter(|synonym| folded(synonym) != words).map(String::as_str).collect()
    }

    /// Whether a word of a text need not be found.
    pub(super) fn is_stop_word(&self, word: &str) -> bool {
        if self.stop_words.is_empty() && self.of_language.is_none() {
            return false;
        }
        if let [word] = folded(word).as_slice()
            && self.stop_words.contains(word)
        {
            return true;
        }
        let word = lowered(word.trim_matches(|letter: char| !letter.is_alphanumeric()));
        self.of_language.clone().is_some_and(|mut left| !word.is_empty() && !left.token_stream(&word).advance())
    }
}

/// The words of a text.
fn folded(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(mut analyzer) = tokenizers().get(Tokenizer::Default.name()) {
        analyzer.token_stream(text).process(&mut |token| words.push(token.text.clone()));
    }
    words
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("groups", &self.groups).finish_non_exhaustive()
    }
}
