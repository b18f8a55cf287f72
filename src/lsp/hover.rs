//! What is said of the word at the cursor, and where that is declared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ls_types::Position;

use super::document::{Document, FileKind, SqlText};
use super::known::{Known, KnownColumn, KnownRelation};
use super::names::Names;
use super::position::Encoding;
use crate::config::{DocumentKind, Place, Stands, cursor, offers};
use crate::plan::OfferedFunction;

/// What a word of SQL is.
enum Meaning<'a> {
    Relation(&'a KnownRelation),
    Column(KnownColumn),
    Function(&'a OfferedFunction),
}

/// What explains a text.
#[derive(Clone, Copy)]
pub(super) struct Explained<'a> {
    pub(super) known: &'a Known,
    pub(super) functions: &'a [OfferedFunction],
    /// What is known of each projection, as of the last time when nothing was wrong.
    pub(super) cards: &'a BTreeMap<String, String>,
}

impl Explained<'_> {
    /// What is said at a position of a text, in Markdown.
    pub(super) fn hover(self, text: &str, position: Position, encoding: Encoding, file: FileKind) -> Option<String> {
        let (line, column) = encoding.place(text, position);
        let cursor = cursor(text, line, column)?;
        let document = Document::of(&cursor, file);
        if let Some(sql) = document.sql(self.known) {
            return match self.meaning(&sql)? {
                Meaning::Relation(relation) => Some(self.relation(relation)),
                Meaning::Column(column) => Some(of_column(&column)),
                Meaning::Function(function) => Some(of_function(function)),
            };
        }
        let kind = document.kind?;
        let mut path = cursor.path.clone();
        if let Stands::Key { name, .. } = &cursor.stands {
            path.push(name.clone());
        }
        let about = offers(kind, &path).about;
        let has_card =
            kind == DocumentKind::Projection && matches!(path.as_slice(), [key] if key == "projection" || key == "sql");
        let card = document.top("projection").filter(|_| has_card).and_then(|name| self.card(name));
        match (about, card) {
            (Some(about), Some(card)) => Some(format!("{card}\n\n{about}")),
            (about, card) => card.or(about),
        }
    }

    /// Where what stands at a position is declared.
    pub(super) fn definition(
        self,
        text: &str,
        position: Position,
        encoding: Encoding,
        file: FileKind,
    ) -> Option<Place> {
        let (line, column) = encoding.place(text, position);
        let cursor = cursor(text, line, column)?;
        match self.meaning(&Document::of(&cursor, file).sql(self.known)?)? {
            Meaning::Relation(relation) => relation.place.clone(),
            Meaning::Column(column) => column.place,
            Meaning::Function(_) => None,
        }
    }

    fn meaning(&self, sql: &SqlText) -> Option<Meaning<'_>> {
        let spot = &sql.spot;
        let word = if spot.is_called { spot.word.to_lowercase() } else { spot.word.clone() };
        if word.is_empty() {
            return None;
        }
        if spot.is_called && spot.before.is_empty() {
            return self.functions.iter().find(|function| function.name == word).map(Meaning::Function);
        }
        let names = Names::over(self.known);
        if let [source] = spot.before.as_slice()
            && let Some(relation) = self.known.relation(Some(source), &word)
        {
            return Some(Meaning::Relation(relation));
        }
        let path: Vec<String> = spot.before.iter().chain([&word]).cloned().collect();
        let own = sql.columns.iter().find(|column| spot.before.is_empty() && column.name == word).cloned();
        if let Some(column) = own.or_else(|| names.column(&path, &spot.queries)) {
            return Some(Meaning::Column(column));
        }
        if !spot.before.is_empty() {
            return None;
        }
        let called =
            spot.queries.iter().flat_map(|query| &query.tables).find(|table| table.name.as_ref() == Some(&word));
        let relation = called.and_then(|table| names.relation(table)).or_else(|| self.known.relation(None, &word));
        // The name of a source stands for all of its events.
        relation.or_else(|| self.known.relation(Some(&word), "events")).map(Meaning::Relation)
    }

    fn relation(&self, relation: &KnownRelation) -> String {
        let name = match &relation.source {
            Some(source) => format!("{source}.{}", relation.name),
            None => relation.name.clone(),
        };
        let mut text = format!("**{name}**\n\n{}\n\n", relation.about);
        for column in &relation.columns {
            let _ = writeln!(text, "- `{}` {}", column.name, column.type_name);
        }
        if let Some(card) = self.card(&name) {
            let _ = write!(text, "\n{card}");
        }
        text
    }

    fn card(&self, name: &str) -> Option<String> {
        self.cards.get(name).map(|card| format!("```text\n{card}\n```"))
    }
}

fn of_column(column: &KnownColumn) -> String {
    let mut text = format!("`{}`", column.name);
    if !column.type_name.is_empty() {
        let nulls = if column.type_name.ends_with('!') { "never NULL" } else { "can be NULL" };
        let _ = write!(text, " `{}`, {nulls}", column.type_name);
    }
    if !column.about.is_empty() {
        let _ = write!(text, "\n\n{}", column.about);
    }
    if !column.fields.is_empty() {
        text.push_str("\n\n");
        for field in &column.fields {
            let _ = writeln!(text, "- `{}` {}", field.name, field.type_name);
        }
    }
    text
}

fn of_function(function: &OfferedFunction) -> String {
    let call = function.syntax.as_ref().unwrap_or(&function.name);
    format!("```sql\n{call}\n```\n{}", function.about.as_deref().unwrap_or_default())
}
