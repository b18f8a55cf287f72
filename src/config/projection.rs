//! A projection document: a table, a search index or a view, with its contract and its access. Its SQL stays text.

use std::collections::BTreeMap;

use super::checked::{Duplicates, OnStale, Projection, ProjectionKind, Promotion};
use super::code::Code;
use super::fields::read_type;
use super::named_types::NamedTypes;
use super::names::{self, is_reserved};
use super::reader::{Mapping, NodeReader};
use super::search_fields::{search_fields, stop_words, synonyms};
use super::suggest::did_you_mean;
use super::yaml::{Data, Entry, Yaml};
use crate::event::FieldType;
use crate::progress::Slo;

const KEYS: &[&str] = &[
    "projection",
    "kind",
    "owner",
    "sql",
    "key",
    "duplicates",
    "indexes",
    "columns",
    "freshness",
    "fields",
    "synonyms",
    "stop_words",
    "access",
    "state_limit",
    "promotion",
    "keep",
];
/// Much for one projection, and less than a machine for it has.
const STATE_LIMIT: usize = 4 << 30;
/// Of the time, where a projection says only which lag it may have.
const OBJECTIVE: f64 = 0.99;

/// Reads a projection document. `policies` are the names that `access` may use.
pub(super) fn projection(
    reader: NodeReader<'_>,
    yaml: &Yaml,
    document: usize,
    policies: Option<&[String]>,
) -> Option<Projection> {
    let map = reader.map(yaml, "the projection", KEYS, &["late"])?;
    let name = name(&map);
    let kind = match map.get("kind") {
        Some(_) => map.choice(
            "kind",
            &[("table", ProjectionKind::Table), ("search", ProjectionKind::Search), ("view", ProjectionKind::View)],
        ),
        None => Some(ProjectionKind::Table),
    };
    map.need("sql", "write what it selects: `sql: SELECT … FROM orders.order_placed`");
    let sql = map.text("sql");
    let key = map.get("key").map(|yaml| distinct(map.reader, yaml, "key"));
    let duplicates = duplicates(&map);
    let indexes = indexes(&map);
    if let Some(kind) = kind {
        suits(&map, kind);
    }
    let Access { policies, masks, is_public } = access(&map, policies);
    let (on_stale, slo) = freshness(&map);
    let projection = Projection {
        name: name?,
        kind: kind?,
        owner: map.text("owner").map(str::to_owned),
        sql: sql?.to_owned(),
        key,
        duplicates,
        indexes,
        columns: contract(&map),
        on_stale,
        slo,
        fields: search_fields(&map),
        synonyms: synonyms(&map),
        stop_words: stop_words(&map),
        policies,
        masks,
        is_public,
        state_limit: map.bytes("state_limit").unwrap_or(STATE_LIMIT) as u64,
        promotion: promotion(&map),
        keep: map.duration("keep"),
        node: reader.node(document),
        text: None,
    };
    Some(projection)
}

fn name(map: &Mapping<'_>) -> Option<String> {
    let (name, mark) = (map.text("projection")?, map.get("projection")?.mark);
    if !names::check(map.reader, mark, "projection", name) {
        return None;
    }
    if is_reserved(name) {
        map.reader.error(
            Code::BadName,
            mark,
            format!("`{name}` is a reserved word in SQL"),
            "choose a name that needs no quotes",
        );
        return None;
    }
    Some(name.to_owned())
}

/// Keys, each with the hint that goes with it.
type Hints = &'static [(&'static str, &'static str)];

/// Which keys a kind needs, and which mean nothing to it.
fn suits(map: &Mapping<'_>, kind: ProjectionKind) {
    let (what, needed, refused): (_, Hints, Hints) = match kind {
        ProjectionKind::Table => (
            "a table",
            &[],
            &[
                ("fields", "it is for `kind: search`; for faster filters use `indexes`"),
                ("synonyms", "they are for `kind: search`"),
                ("stop_words", "they are for `kind: search`"),
            ],
        ),
        ProjectionKind::Search => (
            "a search index",
            &[("fields", "say how columns are searched: `fields: {notes: {type: text}}`")],
            &[
                ("indexes", "every column of `fields` can be searched; remove it"),
                ("duplicates", "a document needs a key of its own: count its copies in the SQL, or use `kind: table`"),
            ],
        ),
        ProjectionKind::View => (
            "a view",
            &[],
            &[
                ("key", "a view is computed for each query and stores no rows: remove it, or use `kind: table`"),
                ("duplicates", "a view gives equal rows as often as they are there: remove it"),
                ("indexes", "a view is computed for each query and stores no rows: remove it, or use `kind: table`"),
                ("fields", "it is for `kind: search`"),
                ("synonyms", "they are for `kind: search`"),
                ("stop_words", "they are for `kind: search`"),
                ("state_limit", "a view is computed for each query and keeps nothing: remove it"),
                ("promotion", "a view changes with what it reads, and nothing is built for it: remove it"),
                ("keep", "a view is computed for each query and keeps nothing: remove it"),
            ],
        ),
    };
    for (key, hint) in needed {
        need(map, what, key, hint);
    }
    let is_empty = |yaml: &Yaml| matches!(&yaml.data, Data::List(items) if items.is_empty());
    if kind == ProjectionKind::Search && map.get("key").is_some_and(is_empty) {
        let hint = "name the columns that tell its documents apart: `key: [order_id]`";
        map.error_at_key(Code::NotTogether, "key", "a search index of one document is no index", hint);
    }
    for (key, hint) in refused {
        if map.get(key).is_some() {
            map.error_at_key(Code::NotTogether, key, format!("{what} takes no `{key}`"), *hint);
        }
    }
}

fn need(map: &Mapping<'_>, what: &str, key: &str, hint: &str) {
    match map.get(key).map(|yaml| &yaml.data) {
        None => map.error(Code::MissingKey, format!("{what} needs `{key}`"), hint),
        Some(Data::List(items)) if items.is_empty() => {
            map.error_at_key(Code::EmptyValue, key, format!("`{key}` is empty"), hint)
        }
        Some(Data::Mapping(entries)) if entries.is_empty() => {
            map.error_at_key(Code::EmptyValue, key, format!("`{key}` is empty"), hint)
        }
        Some(_) => {}
    }
}

/// Names of columns, each once.
fn distinct(reader: NodeReader<'_>, yaml: &Yaml, key: &str) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (column, at) in reader.texts(yaml, &format!("`{key}`")).unwrap_or_default() {
        if columns.iter().any(|known| known == column) {
            reader.error(Code::Repeated, at.mark, format!("`{key}` names `{column}` twice"), "remove one of them");
        }
        columns.push(column.to_owned());
    }
    columns
}

/// What becomes of equal rows: the one key says how they are kept, and its value names the column.
fn duplicates(map: &Mapping<'_>) -> Option<Duplicates> {
    let written = map.map("duplicates", &["count", "number"], &[])?;
    if map.get("key").is_some() {
        let hint = "remove one of them: the key of such a table is all that the query selects";
        map.error_at_key(Code::NotTogether, "duplicates", "`duplicates` is for a table without a `key`", hint);
    }
    match (written.text("count"), written.text("number")) {
        (Some(column), None) => Some(Duplicates::Count(column.to_owned())),
        (None, Some(column)) => Some(Duplicates::Number(column.to_owned())),
        _ => {
            let hint = "write `duplicates: {count: copies}` for one row with how many there are, or \
                        `duplicates: {number: copy}` for all of them, numbered";
            map.error_at_key(Code::NotTogether, "duplicates", "`duplicates` is either `count` or `number`", hint);
            None
        }
    }
}

/// A list of lists of columns; a plain name is an index of one column.
fn indexes(map: &Mapping<'_>) -> Vec<Vec<String>> {
    let Some(yaml) = map.get("indexes") else {
        return Vec::new();
    };
    let Data::List(items) = &yaml.data else {
        map.error_at_key(
            Code::WrongKind,
            "indexes",
            "`indexes` must be a list",
            "one list of columns an index: `indexes: [[tenant_id, revenue]]`",
        );
        return Vec::new();
    };
    let mut indexes: Vec<Vec<String>> = Vec::new();
    for item in items {
        let columns = distinct(map.reader, item, "indexes");
        if matches!(&item.data, Data::List(columns) if columns.is_empty()) {
            map.reader.error(Code::EmptyValue, item.mark, "an index has no column", "name its columns, or remove it");
        } else if !columns.is_empty() && indexes.contains(&columns) {
            map.reader.error(Code::Repeated, item.mark, "this index is declared twice", "remove one of them");
        }
        indexes.push(columns);
    }
    indexes
}

/// The output contract.
fn contract(map: &Mapping<'_>) -> BTreeMap<String, FieldType> {
    let types = NamedTypes::default();
    let entries = map.get("columns").and_then(|yaml| map.reader.entries(yaml, "`columns`")).unwrap_or_default();
    let column = |entry: &Entry| {
        let field_type = read_type(map.reader, &entry.value, &format!("the type of `{}`", entry.name), &types)?;
        Some((entry.name.clone(), field_type))
    };
    entries.iter().filter_map(column).collect()
}

/// What becomes of stale answers, and what is promised of their freshness.
fn freshness(map: &Mapping<'_>) -> (OnStale, Option<Slo>) {
    let Some(freshness) = map.map("freshness", &["on_stale", "slo", "objective"], &[]) else {
        return (OnStale::Mark, None);
    };
    let choices = [("mark", OnStale::Mark), ("refuse", OnStale::Refuse)];
    let on_stale = freshness.choice("on_stale", &choices).unwrap_or(OnStale::Mark);
    let lag = freshness.interval("slo");
    let objective = freshness.get("objective").and_then(|yaml| objective(&freshness, yaml));
    if freshness.get("objective").is_some() && freshness.get("slo").is_none() {
        let hint = "add `slo`, the longest that something may be missing, such as `slo: 3s`";
        freshness.error_at_key(Code::NotTogether, "objective", "`objective` has no meaning without `slo`", hint);
    }
    (on_stale, lag.map(|lag| Slo { lag, objective: objective.unwrap_or(OBJECTIVE) }))
}

/// A percentage below 100, as a share.
fn objective(freshness: &Mapping<'_>, yaml: &Yaml) -> Option<f64> {
    let text = freshness.reader.text(yaml, "`objective`")?;
    let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    // Rounded, so that 99.9 % is 0.999 as it is written.
    let share = percent.map(|percent| (percent * 1e10).round() / 1e12).filter(|share| *share > 0.0 && *share < 1.0);
    if share.is_none() {
        let hint = "write the share of the time in which `slo` is kept, above 0% and below 100%: 99%, 99.9%";
        let message = format!("`objective` must be a percentage, not `{text}`");
        freshness.reader.error(Code::NotANumber, yaml.mark, message, hint);
    }
    share
}

/// When what is built takes the place of what serves.
pub(super) fn promotion(map: &Mapping<'_>) -> Option<Promotion> {
    map.choice("promotion", &Promotion::ALL)
}

/// What is hidden of a projection, and from whom.
#[derive(Default)]
struct Access {
    policies: Vec<String>,
    masks: BTreeMap<String, String>,
    is_public: bool,
}

/// `known` are the policies that exist.
fn access(map: &Mapping<'_>, known: Option<&[String]>) -> Access {
    match map.get("access").map(|yaml| &yaml.data) {
        Some(Data::Scalar(scalar)) if scalar.text == "public" => {
            return Access { is_public: true, ..Access::default() };
        }
        _ => {}
    }
    let Some(access) = map.map("access", &["policies", "mask"], &[]) else {
        return Access::default();
    };
    let policies = access.texts("policies");
    for (policy, yaml) in &policies {
        let Some(known) = known.filter(|known| known.iter().all(|name| name != policy)) else {
            continue;
        };
        let hint = did_you_mean(policy, known)
            .unwrap_or_else(|| format!("declare it: `policy: {policy}` with a `row_filter`"));
        map.reader.error(Code::UnknownPolicy, yaml.mark, format!("there is no policy `{policy}`"), hint);
    }
    let masks = access.get("mask").and_then(|yaml| map.reader.entries(yaml, "`mask`")).unwrap_or_default();
    let mask = |entry: &Entry| {
        let sql = map.reader.text(&entry.value, &format!("the mask of `{}`", entry.name))?;
        Some((entry.name.clone(), sql.to_owned()))
    };
    let policies = policies.into_iter().map(|(policy, _)| policy.to_owned()).collect();
    Access { policies, masks: masks.iter().filter_map(mask).collect(), is_public: false }
}
