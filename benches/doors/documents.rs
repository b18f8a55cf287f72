//! Documents of words that are as frequent as those of a language, and what somebody types who looks for one.
//!
//! Made of numbers alone: a document's number gives the same texts in every run, so none has to be kept. The benchmark
//! `typeahead` searches the same documents.

/// Different words of all documents. The n-th most frequent one is about 1/n as frequent as the first.
pub(crate) const WORDS: usize = 60_000;
const SYLLABLES: [&str; 40] = [
    "ba", "be", "bro", "ca", "che", "cor", "da", "de", "dri", "el", "fa", "fin", "ga", "gre", "ha", "in", "ka", "la",
    "le", "li", "ma", "mo", "na", "ner", "on", "pa", "per", "qui", "ra", "re", "sa", "ser", "sto", "ta", "ti", "tor",
    "un", "va", "wi", "zo",
];

/// Random numbers from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a bound that is above 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The words that documents are made of.
pub(crate) struct Vocabulary(Vec<String>);

impl Vocabulary {
    /// Words of two to five syllables, no two alike.
    pub(crate) fn new() -> Self {
        let mut chance = Chance::of(13);
        let mut words = std::collections::BTreeSet::new();
        while words.len() < WORDS {
            let syllables = 2 + chance.below(4);
            words.insert((0..syllables).map(|_| SYLLABLES[chance.below(SYLLABLES.len())]).collect::<String>());
        }
        let mut words: Vec<String> = words.into_iter().collect();
        for place in (1..words.len()).rev() {
            words.swap(place, chance.below(place + 1));
        }
        Self(words)
    }

    /// Two to five words.
    pub(crate) fn title(&self, document: u64) -> String {
        let mut chance = Chance::of(document << 1);
        let length = 2 + chance.below(4);
        self.sentence(length, &mut chance)
    }

    /// Twelve words.
    pub(crate) fn body(&self, document: u64) -> String {
        self.sentence(12, &mut Chance::of((document << 1) | 1))
    }

    fn sentence(&self, length: usize, chance: &mut Chance) -> String {
        let Self(words) = self;
        let mut text = String::new();
        for _ in 0..length {
            // The logarithm of the rank is evenly distributed.
            let rank = (words.len() as f64).powf(chance.share()) as usize;
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&words[rank.min(words.len()) - 1]);
        }
        text
    }
}

/// Some words of a title as somebody types them, and whether there is an error in them.
pub(crate) fn typed(title: &str, chance: &mut Chance) -> (String, bool) {
    let words: Vec<&str> = title.split(' ').collect();
    let first = chance.below(words.len());
    let mut text = words[first..(first + 1 + chance.below(3)).min(words.len())].join(" ");
    let has_typo = chance.below(5) == 0 && text.len() > 6;
    if has_typo {
        text.remove(1 + chance.below(text.len() - 1));
    }
    (text, has_typo)
}
