//! A text of SQL that is being written, read by its tokens alone: which tables a query names, which columns it gives, and what is
//! wanted at a place of it. It need not parse, and is never refused.
//!
//! Nothing here knows which relations there are.

mod groups;
mod items;
mod select;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use self::groups::{Groups, Unit};
use self::items::ELEMENT;
pub use self::items::Item;
use self::select::{Clause, Named, OVER_TABLES, arms, is, query, select, walk, with, word};
pub use self::select::{Relation, Select, Table};

/// A text that is being written.
#[derive(Debug, Clone)]
pub struct Draft {
    groups: Groups,
}

/// What stands at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The names with points before the word, `["o", "address"]` in `o.address.ci`. An element of a list is `"[]"`.
    pub before: Vec<String>,
    /// The whole word there, as it is written; empty between words.
    pub word: String,
    pub wanted: Wanted,
    /// The query in which it stands, and those around it.
    pub queries: Vec<Select>,
    /// Names that WITH gives.
    pub named: Vec<String>,
    /// Whether an opening parenthesis stands behind the word.
    pub is_called: bool,
}

/// What can stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Relation,
    Expression,
    /// A new name, as behind AS.
    Name,
    /// The first word of a query.
    Begin,
    /// A word of SQL, as behind a table.
    Keyword,
}

impl Draft {
    pub fn of(sql: &str) -> Self {
        Self { groups: Groups::of(sql) }
    }

    /// What the whole text selects: the first query of several between UNION and its like.
    pub fn selected(&self) -> Select {
        query(&self.groups, 0, &Named::new(), 0)
    }

    /// What stands behind so many characters of the text; none within a text, a number or a comment.
    pub fn at(&self, place: usize) -> Option<Spot> {
        let groups = &self.groups;
        if groups.opaque.iter().any(|&(start, end)| start < place && place < end) {
            return None;
        }
        let lexemes = &groups.lexemes;
        let is_word = |index: &usize| matches!(lexemes[*index].token, Token::Word(_));
        let touched = (0..lexemes.len()).find(|&index| lexemes[index].start <= place && place <= lexemes[index].end);
        let touched = touched.filter(is_word).or_else(|| {
            // Of two that touch each other the word counts: `count|(`, `(|count`.
            (0..lexemes.len()).filter(is_word).find(|&index| lexemes[index].start == place)
        });
        // A number or text that ends here is written further, or done with.
        if touched.is_none() && groups.opaque.iter().any(|&(start, end)| start < place && place == end) {
            return None;
        }
        let word_start = touched.map_or(place, |index| lexemes[index].start);
        let (before, head_start) = self.qualifiers(word_start);
        let (queries, clause, named) = self.queries(place, head_start);
        let previous = lexemes.iter().rev().find(|lexeme| lexeme.end <= head_start).map(|lexeme| &lexeme.token);
        let is_as = matches!(previous, Some(Token::Word(word)) if word.keyword == Keyword::AS);
        let wanted = match clause {
            Clause::Table => Wanted::Relation,
            _ if is_as => Wanted::Name,
            Clause::Begin if before.is_empty() => Wanted::Begin,
            Clause::AfterTable if before.is_empty() => Wanted::Keyword,
            _ => Wanted::Expression,
        };
        let word = touched.map_or_else(String::new, |index| match &lexemes[index].token {
            Token::Word(word) => word.value.clone(),
            _ => String::new(),
        });
        let next = touched.and_then(|index| lexemes.get(index + 1));
        let is_called = next.is_some_and(|next| next.token == Token::LParen);
        Some(Spot { before, word, wanted, queries, named: named.into_keys().collect(), is_called })
    }

    /// The text that an item's expression stands in, of the text that this was read from.
    pub fn written(sql: &str, (start, end): (usize, usize)) -> &str {
        let place = |characters: usize| sql.char_indices().nth(characters).map_or(sql.len(), |(byte, _)| byte);
        &sql[place(start)..place(end.max(start))]
    }

    /// The names with points before a word, and where the first of them begins.
    fn qualifiers(&self, word_start: usize) -> (Vec<String>, usize) {
        let lexemes = &self.groups.lexemes;
        let mut parts = Vec::new();
        let mut start = word_start;
        let before = |start: usize| (0..lexemes.len()).rev().find(|&index| lexemes[index].end == start);
        while let Some(point) = before(start).filter(|&index| lexemes[index].token == Token::Period) {
            let mut at = lexemes[point].start;
            // Back over the index of a list.
            while let Some(closing) = before(at).filter(|&index| lexemes[index].token == Token::RBracket) {
                let Some(opening) = (0..closing).rev().find(|&index| lexemes[index].token == Token::LBracket) else {
                    break;
                };
                parts.push(ELEMENT.to_owned());
                at = lexemes[opening].start;
            }
            let Some(name) = before(at) else { break };
            let Token::Word(word) = &lexemes[name].token else { break };
            parts.push(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() });
            start = lexemes[name].start;
        }
        parts.reverse();
        (parts, start)
    }

    /// The queries around a place, from the innermost on, what a word that begins at `head` is in, and what WITH names there.
    fn queries(&self, place: usize, head: usize) -> (Vec<Select>, Clause, Named) {
        let groups = &self.groups;
        let around = (0..groups.groups.len()).filter(|&group| {
            let found = &groups.groups[group];
            found.start <= place && place <= found.end
        });
        let mut queries = Vec::new();
        let (mut clause, mut named) = (Clause::Begin, Named::new());
        // Groups are numbered by where they begin, so those around a place come from the outermost on.
        for (depth, group) in around.enumerate() {
            let units = &groups.groups[group].units;
            if group > 0 && !groups.is_query(group) {
                clause = if self.wants_table(group, head) { Clause::Table } else { Clause::Items };
                continue;
            }
            named = with(groups, units, &named, depth);
            let arms = arms(groups, units);
            let begins =
                |arm: &std::ops::Range<usize>| units.get(arm.start).map_or(usize::MAX, |&unit| groups.start(unit));
            let Some(arm) = arms.iter().rev().find(|arm| begins(arm) <= head).or(arms.first()) else { continue };
            let units = &units[arm.clone()];
            queries.push(select(groups, units, &named, depth));
            let until = units.iter().take_while(|&&unit| groups.start(unit) < head).count();
            clause = walk(groups, &units[..until], &named, depth, &mut Vec::new());
        }
        queries.reverse();
        (queries, clause, named)
    }

    /// Whether a group is the arguments of a function of tables, and a word there the first of them.
    fn wants_table(&self, group: usize, head: usize) -> bool {
        let groups = &self.groups;
        let around = &groups.groups[groups.groups[group].parent].units;
        let function = around.iter().position(|&unit| unit == Unit::Group(group)).and_then(|at| at.checked_sub(1));
        let function = function.and_then(|before| word(groups, around[before]));
        let mut before = groups.groups[group].units.iter().take_while(|&&unit| groups.start(unit) < head);
        function.is_some_and(|name| OVER_TABLES.contains(&name.as_str()))
            && !before.any(|&unit| is(groups, unit, &Token::Comma))
    }
}

#[cfg(test)]
mod tests;
