//! What can be written at the cursor. It is read from the text as it stands, which need not parse, and from what was known last.

use std::collections::BTreeSet;

use ls_types::{
    CompletionItem, CompletionItemKind, Documentation, MarkupContent, MarkupKind, Position, Range, TextEdit,
};

use super::document::{DECLARATIONS, Document, FileKind, SqlText};
use super::known::{Known, KnownColumn};
use super::names::Names;
use super::position::Encoding;
use crate::config::{DocumentKind, Stands, cursor, offers};
use crate::plan::{FunctionKind, OfferedFunction};
use crate::sql::Wanted;

/// Words of SQL that are offered.
const KEYWORDS: [&str; 32] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "WITH",
    "AS",
    "JOIN",
    "LEFT JOIN",
    "ASOF JOIN",
    "ON",
    "USING",
    "UNION ALL",
    "DISTINCT",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS NULL",
    "IS NOT NULL",
    "BETWEEN",
    "CAST",
    "FILTER",
    "OVER",
    "PARTITION BY",
];

/// Words that a query begins with.
const BEGINNINGS: [&str; 3] = ["SELECT", "WITH", "FROM"];

/// Functions of tables, which stand in FROM alone.
const OF_TABLES: [&str; 4] = ["unnest", "TUMBLE", "HOP", "SESSION"];

/// Something that can be written, before its place is known.
struct Offer {
    name: String,
    kind: CompletionItemKind,
    detail: String,
    about: String,
    /// What is nearest comes first.
    rank: u8,
}

impl Offer {
    fn new(name: impl Into<String>, kind: CompletionItemKind, rank: u8) -> Self {
        Self { name: name.into(), kind, detail: String::new(), about: String::new(), rank }
    }

    fn column(column: &KnownColumn, rank: u8) -> Self {
        let kind = CompletionItemKind::FIELD;
        // What every event has comes behind what is its own.
        let rank = rank + u8::from(column.name.starts_with('_'));
        let (detail, about) = (column.type_name.clone(), column.about.clone());
        Self { detail, about, ..Self::new(&column.name, kind, rank) }
    }
}

/// What can be written at a position of a text.
pub(super) fn complete(
    text: &str,
    position: Position,
    encoding: Encoding,
    file: FileKind,
    known: &Known,
    functions: &[OfferedFunction],
) -> Vec<CompletionItem> {
    let (line, column) = encoding.place(text, position);
    let Some(cursor) = cursor(text, line, column) else { return Vec::new() };
    let document = Document::of(&cursor, file);
    let own: Vec<char> = text.split('\n').nth(line).unwrap_or_default().chars().collect();
    let (before, after) = own.split_at(column.min(own.len()));
    let is_part = |c: &&char| c.is_alphanumeric() || **c == '_';
    let start = column - before.iter().rev().take_while(is_part).count();
    let range = Range::new(encoding.position(text, line, start), encoding.position(text, line, column));
    let mut ending = "";
    let offered = match (document.sql(known), &cursor.stands) {
        (Some(sql), _) => in_sql(&sql, known, functions),
        (None, Stands::Key { siblings, .. }) => {
            // The rest of a key that is changed has its colon.
            let rest: String = after.iter().skip_while(|c| c.is_alphanumeric() || **c == '_').collect();
            ending = if rest.trim_start().starts_with(':') { "" } else { ": " };
            let mut keys = keys(&document, known);
            keys.retain(|key| !siblings.contains(&key.name));
            keys
        }
        (None, Stands::Value { .. }) => values(&document, known),
    };
    let mut seen = BTreeSet::new();
    let once = offered.into_iter().filter(|offer| seen.insert(offer.name.clone()));
    once.map(|offer| item(offer, range, ending)).collect()
}

fn item(offer: Offer, range: Range, ending: &str) -> CompletionItem {
    let new_text = format!("{}{ending}", offer.name);
    let about = MarkupContent { kind: MarkupKind::Markdown, value: offer.about };
    CompletionItem {
        kind: Some(offer.kind),
        detail: Some(offer.detail).filter(|detail| !detail.is_empty()),
        documentation: (!about.value.is_empty()).then_some(Documentation::MarkupContent(about)),
        sort_text: Some(format!("{}{}", offer.rank, offer.name)),
        text_edit: Some(TextEdit { range, new_text }.into()),
        label: offer.name,
        ..CompletionItem::default()
    }
}

/// The keys that the mapping of the cursor takes.
fn keys(document: &Document<'_>, known: &Known) -> Vec<Offer> {
    let key = |name: String, about: String| Offer { about, ..Offer::new(name, CompletionItemKind::PROPERTY, 0) };
    let path = &document.cursor.path;
    let Some(kind) = document.kind else {
        let about = |kind: DocumentKind| offers(kind, &[kind.name().to_owned()]).about.unwrap_or_default();
        let is_top = path.is_empty();
        return DECLARATIONS
            .into_iter()
            .filter(|_| is_top)
            .map(|kind| key(kind.name().to_owned(), about(kind)))
            .collect();
    };
    let offered = offers(kind, path);
    let mut keys: Vec<Offer> = offered.keys.into_iter().map(|(name, about)| key(name, about)).collect();
    keys.extend(offered.values.into_iter().map(|value| Offer::new(value, CompletionItemKind::ENUM_MEMBER, 1)));
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (kind, path.as_slice()) {
        (DocumentKind::Projection, ["columns" | "fields"]) => {
            keys.extend(document.given(known).iter().map(|column| Offer::column(column, 0)));
        }
        (DocumentKind::Case, ["then", "rows" | "search" | "freshness"]) => {
            let projections = known.relations.values().filter(|relation| relation.source.is_none());
            keys.extend(projections.map(|relation| key(relation.name.clone(), relation.about.clone())));
        }
        (DocumentKind::Case, ["then", "rows", name, _]) => {
            let columns = known.relation(None, name).map(|relation| relation.columns.as_slice()).unwrap_or_default();
            keys.extend(columns.iter().map(|column| Offer::column(column, 0)));
        }
        _ => {}
    }
    keys
}

/// The values that can stand at the cursor.
fn values(document: &Document<'_>, known: &Known) -> Vec<Offer> {
    let Some(kind) = document.kind else { return Vec::new() };
    let path: Vec<&str> = document.cursor.path.iter().map(String::as_str).collect();
    let offered = offers(kind, &document.cursor.path).values.into_iter();
    let mut values: Vec<Offer> = offered.map(|value| Offer::new(value, CompletionItemKind::ENUM_MEMBER, 0)).collect();
    match (kind, path.as_slice()) {
        (DocumentKind::Projection, ["key" | "indexes", ..]) | (DocumentKind::Query, ["sort", ..]) => {
            values.extend(document.given(known).iter().map(|column| Offer::column(column, 0)));
        }
        (DocumentKind::Case, ["given", _, "source"]) => {
            let sources: BTreeSet<&String> = known.relations.keys().filter_map(|(source, _)| source.as_ref()).collect();
            values.extend(sources.into_iter().map(|source| Offer::new(source, CompletionItemKind::MODULE, 0)));
        }
        _ => {}
    }
    values
}

fn in_sql(sql: &SqlText, known: &Known, functions: &[OfferedFunction]) -> Vec<Offer> {
    let spot = &sql.spot;
    let names = Names::over(known);
    match (spot.wanted, spot.before.as_slice()) {
        (Wanted::Name, _) => Vec::new(),
        (Wanted::Relation, []) => {
            let mut offered = relations(sql, known);
            let with = spot.named.iter().map(|name| Offer::new(name, CompletionItemKind::CLASS, 0));
            offered.extend(with);
            offered.extend(OF_TABLES.map(|name| Offer::new(name, CompletionItemKind::FUNCTION, 3)));
            offered
        }
        (Wanted::Relation, [source]) => {
            let own = known.relations.values().filter(|relation| relation.source.as_ref() == Some(source));
            own.map(|relation| {
                let about = relation.about.clone();
                Offer { about, ..Offer::new(&relation.name, CompletionItemKind::CLASS, 1) }
            })
            .collect()
        }
        (Wanted::Begin, _) => BEGINNINGS.map(|word| Offer::new(word, CompletionItemKind::KEYWORD, 0)).into(),
        (Wanted::Keyword, _) => keywords(),
        (_, []) => {
            let mut offered: Vec<Offer> = sql.columns.iter().map(|column| Offer::column(column, 1)).collect();
            for (depth, query) in spot.queries.iter().enumerate() {
                let rank = if depth == 0 { 1 } else { 3 };
                offered.extend(names.columns(query).iter().map(|(_, column)| Offer::column(column, rank)));
                let aliases = query.tables.iter().filter_map(|table| table.name.as_ref());
                offered.extend(aliases.map(|alias| Offer::new(alias, CompletionItemKind::VARIABLE, rank + 1)));
            }
            // What the list of the SELECT names can be grouped and ordered by.
            let given = spot.queries.first().map(|query| names.given(query)).unwrap_or_default();
            offered
                .extend(given.iter().filter(|column| column.name != spot.word).map(|column| Offer::column(column, 3)));
            let callable = functions.iter().filter(|one| !sql.is_expression || one.kind == FunctionKind::Scalar);
            offered.extend(callable.map(function));
            offered.extend(keywords());
            offered
        }
        (_, before) => {
            let mut below = names.below(before, &spot.queries);
            if let ([name], true) = (before, below.is_empty()) {
                let own = sql.columns.iter().find(|column| column.name == *name);
                below = own.map(|column| column.fields.clone()).unwrap_or_default();
            }
            below.iter().map(|column| Offer::column(column, 1)).collect()
        }
    }
}

/// The relations that the SQL may read: what is kept reads events and no views, all else projections alone.
fn relations(sql: &SqlText, known: &Known) -> Vec<Offer> {
    let readable = known.relations.values().filter(|relation| match sql.reads_events {
        true => !relation.is_view,
        false => relation.source.is_none(),
    });
    let offers = readable.map(|relation| {
        let name = match &relation.source {
            Some(source) => format!("{source}.{}", relation.name),
            None => relation.name.clone(),
        };
        Offer { about: relation.about.clone(), ..Offer::new(name, CompletionItemKind::CLASS, 1) }
    });
    offers.collect()
}

fn function(function: &OfferedFunction) -> Offer {
    Offer {
        detail: function.syntax.clone().unwrap_or_default(),
        about: function.about.clone().unwrap_or_default(),
        ..Offer::new(&function.name, CompletionItemKind::FUNCTION, 5)
    }
}

fn keywords() -> Vec<Offer> {
    KEYWORDS.map(|word| Offer::new(word, CompletionItemKind::KEYWORD, 6)).into()
}
