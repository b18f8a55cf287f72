//! A search read model: full text over Tantivy, and vectors that are compared with those of the rows.
//!
//! The index holds what is searched, sorted and counted, and each document's key; never the rows. Those stay in a
//! `Table` of the same projection, and a [`SearchSnapshot`] pairs the searcher of one cut with the table of that
//! cut, so that a hit and its row agree (DESIGN: P3). Who may see which document is decided elsewhere and given in
//! as [`PermittedKeys`]. Tantivy has its own threads; it writes through `directory.rs`, and its commits run in `background.rs`.

mod background;
mod beginnings;
mod comparison;
mod digest;
mod directory;
mod document;
mod facets;
mod folding;
mod highlight;
mod hybrid;
mod index;
mod indexed_table;
mod layout;
mod like;
mod matching;
mod merging;
mod needle;
mod order;
mod permitted;
mod pin;
mod query;
mod ranges;
mod ranking;
mod request;
mod seen;
mod snapshot;
mod sorting;
mod spec;
mod statistics;
mod tokenizers;
mod typed;
mod values;
mod vectors;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use comparison::{IndexComparison, IndexFault};
pub use index::{IndexError, SearchIndex, WriterSettings};
pub use indexed_table::IndexedTable;
pub use order::{KeyError, decode_key, encode_key};
pub use permitted::PermittedKeys;
pub use pin::{PinHold, PinnedFiles};
pub use request::{
    Condition, Cuts, Fusion, Highlight, Hit, Nearest, Parts, RangeCount, SearchAnswer, SearchError, SearchFilter,
    SearchRequest, Snippet, VectorPart, WordsPart,
};
pub use snapshot::SearchSnapshot;
pub use spec::{Distance, FieldKind, FieldSpec, SearchSpec, StopWords, Tokenizer, VectorSpec, language_named};
