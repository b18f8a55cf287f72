//! What a query that is being written reads: its tables with their aliases, and the queries that are tables of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::groups::{Groups, Unit};
use super::items::{Item, UNNEST, elements, items};

/// A query, or one of several between UNION and its like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Select {
    pub tables: Vec<Table>,
    pub items: Vec<Item>,
}

/// A table that a query reads, by the name that it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// None where it has no name, as a subquery may have none.
    pub name: Option<String>,
    pub relation: Relation,
    /// Names for its first columns, as in `AS t(a, b)`.
    pub columns: Vec<String>,
    /// Columns that a function of tables adds to it.
    pub added: &'static [&'static str],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    Named {
        source: Option<String>,
        name: String,
    },
    Query(Arc<Select>),
    /// The elements of a list, one column of the table's name.
    Elements(Vec<String>),
    /// What a function gives, or what is not written yet.
    Unknown,
}

/// Queries by the names that WITH gives them.
pub(super) type Named = BTreeMap<String, Arc<Select>>;

/// Functions in FROM that take a table and add columns to it.
pub(super) const OVER_TABLES: [&str; 3] = ["tumble", "hop", "session"];
const ADDED: &[&str] = &["window_start", "window_end"];

/// How deep queries within queries are read.
const DEPTH_MAX: usize = 32;

/// Words that end what FROM names.
pub(super) const CLAUSES: [Keyword; 12] = [
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::QUALIFY,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::SELECT,
    Keyword::ON,
    Keyword::USING,
];

/// Words before JOIN, which name no table.
const KINDS_OF_JOIN: [Keyword; 14] = [
    Keyword::INNER,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::FULL,
    Keyword::OUTER,
    Keyword::CROSS,
    Keyword::NATURAL,
    Keyword::SEMI,
    Keyword::ANTI,
    Keyword::ASOF,
    Keyword::LATERAL,
    Keyword::MATCH_CONDITION,
    Keyword::FOR,
    Keyword::STRAIGHT_JOIN,
];

/// What stands at the end of a run of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// Before anything, or in WITH.
    Begin,
    Items,
    /// Where FROM or JOIN wants a table.
    Table,
    /// Behind a table.
    AfterTable,
    Condition,
    Rest,
}

/// The queries of a group between UNION and its like, as ranges of its units.
pub(super) fn arms(groups: &Groups, units: &[Unit]) -> Vec<std::ops::Range<usize>> {
    let mut arms = Vec::new();
    let mut begin = 0;
    for (place, &unit) in units.iter().enumerate() {
        let is_set = match groups.keyword(unit) {
            Keyword::UNION | Keyword::INTERSECT | Keyword::MINUS => true,
            // `* EXCEPT (a)` leaves out a column.
            Keyword::EXCEPT => !place.checked_sub(1).is_some_and(|before| is(groups, units[before], &Token::Mul)),
            _ => false,
        };
        if is_set {
            arms.push(begin..place);
            begin = place + 1;
        }
    }
    arms.push(begin..units.len());
    arms
}

/// The query of a group: the first of several, which names the columns.
pub(super) fn query(groups: &Groups, group: usize, named: &Named, depth: usize) -> Select {
    let units = &groups.groups[group].units;
    if depth > DEPTH_MAX {
        return Select::default();
    }
    if let [Unit::Group(inner), ..] = units.as_slice() {
        return query(groups, *inner, named, depth + 1);
    }
    let mut named = named.clone();
    named.extend(with(groups, units, &named, depth));
    let first = arms(groups, units).into_iter().next().unwrap_or_default();
    select(groups, &units[first], &named, depth)
}

/// The queries that WITH names.
pub(super) fn with(groups: &Groups, units: &[Unit], outer: &Named, depth: usize) -> Named {
    let mut named = outer.clone();
    if units.first().is_none_or(|&first| groups.keyword(first) != Keyword::WITH) {
        return named;
    }
    let mut name = None;
    for &unit in &units[1..] {
        match (unit, groups.keyword(unit)) {
            (_, Keyword::SELECT | Keyword::FROM) => break,
            (_, Keyword::AS | Keyword::RECURSIVE | Keyword::MATERIALIZED | Keyword::NOT) => {}
            (Unit::Group(group), _) if groups.is_query(group) => {
                if let Some(name) = name.take() {
                    let select = Arc::new(query(groups, group, &named, depth + 1));
                    named.insert(name, select);
                }
            }
            _ => name = word(groups, unit).or(name),
        }
    }
    named
}

/// One query without UNION and its like.
pub(super) fn select(groups: &Groups, units: &[Unit], named: &Named, depth: usize) -> Select {
    let mut tables = Vec::new();
    walk(groups, units, named, depth, &mut tables);
    Select { tables, items: items(groups, units) }
}

/// Reads the tables of a query, and says what its last unit is in.
pub(super) fn walk(groups: &Groups, units: &[Unit], named: &Named, depth: usize, tables: &mut Vec<Table>) -> Clause {
    let mut clause = Clause::Begin;
    let mut at = 0;
    while at < units.len() {
        let keyword = groups.keyword(units[at]);
        let before = |back: usize| at.checked_sub(back).map_or(Keyword::NoKeyword, |at| groups.keyword(units[at]));
        let is_from = keyword == Keyword::FROM && !(before(1) == Keyword::DISTINCT && before(2) != Keyword::SELECT);
        let in_from = matches!(clause, Clause::Table | Clause::AfterTable | Clause::Condition);
        clause = match keyword {
            Keyword::SELECT => Clause::Items,
            _ if is_from => Clause::Table,
            Keyword::JOIN | Keyword::STRAIGHT_JOIN if in_from => Clause::Table,
            Keyword::ON | Keyword::USING | Keyword::MATCH_CONDITION | Keyword::FOR if in_from => Clause::Condition,
            word if CLAUSES.contains(&word) && clause != Clause::Begin => Clause::Rest,
            word if KINDS_OF_JOIN.contains(&word) && in_from => clause,
            _ if in_from && is(groups, units[at], &Token::Comma) => Clause::Table,
            _ if clause == Clause::Table => {
                at += table(groups, &units[at..], named, depth, tables);
                clause = Clause::AfterTable;
                continue;
            }
            _ => clause,
        };
        at += 1;
    }
    clause
}

/// Reads a table with its alias, and says how many units it takes, at least one.
fn table(groups: &Groups, units: &[Unit], named: &Named, depth: usize, tables: &mut Vec<Table>) -> usize {
    let (mut relation, mut taken, mut added) = (Relation::Unknown, 1, &[][..]);
    let mut name = None;
    match units[0] {
        Unit::Group(group) if groups.is_query(group) => {
            relation = Relation::Query(Arc::new(query(groups, group, named, depth + 1)));
        }
        Unit::Group(group) if depth < DEPTH_MAX => {
            // A join in parentheses.
            let inner = &groups.groups[group].units;
            let mut at = 0;
            while at < inner.len() && tables.len() < DEPTH_MAX {
                let is_word = word(groups, inner[at]).is_some() || matches!(inner[at], Unit::Group(_));
                let begins = at == 0 || matches!(groups.keyword(inner[at - 1]), Keyword::JOIN);
                at += if begins && is_word { table(groups, &inner[at..], named, depth + 1, tables) } else { 1 };
            }
            return 1;
        }
        Unit::Group(_) => return 1,
        Unit::Token(_) => {
            let (parts, used) = dotted(groups, units);
            taken = used.max(1);
            if let Some(&Unit::Group(arguments)) = units.get(taken) {
                taken += 1;
                let argument = dotted(groups, &groups.groups[arguments].units).0;
                match parts.as_slice() {
                    [function] if OVER_TABLES.contains(&function.as_str()) => {
                        (relation, added) = (named_relation(&argument, named), ADDED);
                    }
                    [function] if function == UNNEST => relation = Relation::Elements(elements(argument)),
                    _ => {}
                }
            } else {
                relation = named_relation(&parts, named);
                name = parts.last().cloned();
            }
        }
    }
    let has_as = units.get(taken).is_some_and(|&unit| groups.keyword(unit) == Keyword::AS);
    let alias_at = taken + usize::from(has_as);
    let alias = units.get(alias_at).filter(|&&unit| !is_reserved(groups.keyword(unit)));
    let mut columns = Vec::new();
    if let Some(alias) = alias.and_then(|&unit| word(groups, unit)) {
        name = Some(alias);
        taken = alias_at + 1;
        if let Some(&Unit::Group(list)) = units.get(taken) {
            let names = groups.groups[list].units.iter();
            columns = names.filter_map(|&unit| word(groups, unit)).collect();
            taken += 1;
        }
    }
    tables.push(Table { name, relation, columns, added });
    taken
}

fn is_reserved(keyword: Keyword) -> bool {
    RESERVED_FOR_TABLE_ALIAS.contains(&keyword) || KINDS_OF_JOIN.contains(&keyword) || CLAUSES.contains(&keyword)
}

fn named_relation(parts: &[String], named: &Named) -> Relation {
    match parts {
        [name] => match named.get(name) {
            Some(select) => Relation::Query(select.clone()),
            None => Relation::Named { source: None, name: name.clone() },
        },
        [source, name] => Relation::Named { source: Some(source.clone()), name: name.clone() },
        _ => Relation::Unknown,
    }
}

/// Names with points between them, and how many units they take.
pub(super) fn dotted(groups: &Groups, units: &[Unit]) -> (Vec<String>, usize) {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(part) = units.get(at).and_then(|&unit| word(groups, unit)) {
        parts.push(part);
        at += 1;
        let Some(&point) = units.get(at).filter(|&&unit| is(groups, unit, &Token::Period)) else { break };
        // What stands behind a blank does not go on with the name: it is not written yet.
        if units.get(at + 1).is_none_or(|&next| groups.start(next) != groups.end(point)) {
            parts.push(String::new());
            at += 1;
            break;
        }
        at += 1;
    }
    (parts, at)
}

/// The name that a unit is: as it is written in quotes, else in lower case.
pub(super) fn word(groups: &Groups, unit: Unit) -> Option<String> {
    match groups.token(unit) {
        Some(Token::Word(word)) if word.quote_style.is_some() => Some(word.value.clone()),
        Some(Token::Word(word)) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

pub(super) fn is(groups: &Groups, unit: Unit, token: &Token) -> bool {
    groups.token(unit) == Some(token)
}
