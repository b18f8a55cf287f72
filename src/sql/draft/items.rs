//! What a query that is being written gives: the list behind SELECT, as far as its columns have names.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::groups::{Groups, Unit};
use super::select::{CLAUSES, dotted, is, word};

/// A part of the list behind SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `*`, or `t.*`.
    All { of: Option<String> },
    Column {
        name: String,
        /// The names of a column that is selected as it is, with those before it, and `[]` behind it for its elements; empty for any
        /// other expression.
        path: Vec<String>,
        /// Where its expression stands, in characters.
        expression: (usize, usize),
    },
}

/// The function that makes rows of a list.
pub(super) const UNNEST: &str = "unnest";
/// Stands in a path for an element of the list before it.
pub(super) const ELEMENT: &str = "[]";

/// Words behind which an operand stands, and no name of a column.
const OPERATORS: [Keyword; 14] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::BETWEEN,
    Keyword::FROM,
    Keyword::CASE,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::OVER,
];

/// Words at the end of an expression that name no column.
const NO_NAMES: [Keyword; 4] = [Keyword::END, Keyword::NULL, Keyword::TRUE, Keyword::FALSE];

/// The path of the elements of a list.
pub(super) fn elements(mut list: Vec<String>) -> Vec<String> {
    list.push(ELEMENT.to_owned());
    list
}

/// The list behind SELECT.
pub(super) fn items(groups: &Groups, units: &[Unit]) -> Vec<Item> {
    let Some(begin) = units.iter().position(|&unit| groups.keyword(unit) == Keyword::SELECT) else { return Vec::new() };
    let list = &units[begin + 1..];
    let is_end = |place: usize| {
        let keyword = groups.keyword(list[place]);
        let is_distinct = place > 0 && groups.keyword(list[place - 1]) == Keyword::DISTINCT && place > 1;
        keyword == Keyword::FROM && !is_distinct || CLAUSES.contains(&keyword) && keyword != Keyword::ON
    };
    let end = (0..list.len()).find(|&place| is_end(place)).unwrap_or(list.len());
    let parts = list[..end].split(|&unit| is(groups, unit, &Token::Comma));
    parts.filter_map(|part| item(groups, part)).collect()
}

fn item(groups: &Groups, part: &[Unit]) -> Option<Item> {
    let part = match part {
        [first, rest @ ..] if matches!(groups.keyword(*first), Keyword::DISTINCT | Keyword::ALL) => rest,
        part => part,
    };
    let (&first, &last) = (part.first()?, part.last()?);
    let (path, taken) = dotted(groups, part);
    match part {
        [star, ..] if is(groups, *star, &Token::Mul) => return Some(Item::All { of: None }),
        [_, point, star, ..] if is(groups, *point, &Token::Period) && is(groups, *star, &Token::Mul) => {
            return Some(Item::All { of: word(groups, first) });
        }
        _ => {}
    }
    let expression = |of: &[Unit]| of.last().map_or((0, 0), |&last| (groups.start(first), groups.end(last)));
    if taken == part.len() {
        let name = path.last().filter(|name| !name.is_empty())?.clone();
        return Some(Item::Column { name, path, expression: expression(part) });
    }
    let name = word(groups, last)?;
    let before = &part[..part.len() - 1];
    let has_as = before.last().is_some_and(|&unit| groups.keyword(unit) == Keyword::AS);
    let before = if has_as { &before[..before.len() - 1] } else { before };
    let is_operand = |unit: Unit| match unit {
        Unit::Group(_) => true,
        Unit::Token(_) => word(groups, unit).is_some() && !OPERATORS.contains(&groups.keyword(unit)),
    };
    let is_named = before.last().is_some_and(|&unit| is_operand(unit)) && !NO_NAMES.contains(&groups.keyword(last));
    if !has_as && !is_named {
        return None;
    }
    let path = match before {
        [function, Unit::Group(list)] if word(groups, *function).as_deref() == Some(UNNEST) => {
            elements(dotted(groups, &groups.groups[*list].units).0)
        }
        _ if taken == before.len() => path,
        _ => Vec::new(),
    };
    Some(Item::Column { name, path, expression: expression(before) })
}
