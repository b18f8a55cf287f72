//! The tokens of a text, and its parentheses as a tree, as far as they can be told.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use crate::sql::dialect::Postgres;

/// A token that is no white space, with its place in characters.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What stands in a pair of parentheses; the whole text is the first.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) units: Vec<Unit>,
    /// The places between its parentheses, in characters.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) parent: usize,
}

/// A token of a group, or a group within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Token(usize),
    Group(usize),
}

/// A text with its groups.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub(super) lexemes: Vec<Lexeme>,
    pub(super) groups: Vec<Group>,
    /// Places in characters that texts and comments take.
    pub(super) opaque: Vec<(usize, usize)>,
}

/// Groups are not looked into any deeper, so that no walk over them takes much of the stack.
const DEPTH_MAX: usize = 64;

impl Groups {
    pub(super) fn of(sql: &str) -> Self {
        let length = sql.chars().count();
        let mut tokens = Vec::new();
        // What stands behind a text without an end is not read.
        let is_whole = Tokenizer::new(&Postgres, sql).tokenize_with_location_into_buf(&mut tokens).is_ok();
        let starts = line_starts(sql);
        let place = |at: Location| {
            let line = (at.line as usize).saturating_sub(1);
            starts.get(line).map_or(length, |start| start + (at.column as usize).saturating_sub(1)).min(length)
        };
        let (mut lexemes, mut opaque) = (Vec::new(), Vec::new());
        let mut read = 0;
        for token in tokens {
            let (start, end) = (place(token.span.start), place(token.span.end));
            read = end;
            match &token.token {
                Token::Whitespace(space) if !is_blank(space) => opaque.push((start, end)),
                Token::Whitespace(_) | Token::EOF => {}
                other => {
                    if is_text(other) {
                        opaque.push((start, end));
                    }
                    lexemes.push(Lexeme { token: token.token, start, end });
                }
            }
        }
        if !is_whole {
            opaque.push((read, length + 1));
        }
        let groups = grouped(&lexemes, length);
        Self { lexemes, groups, opaque }
    }

    pub(super) fn token(&self, unit: Unit) -> Option<&Token> {
        match unit {
            Unit::Token(index) => Some(&self.lexemes[index].token),
            Unit::Group(_) => None,
        }
    }

    /// The keyword of a unit, if it is a word without quotes that is one.
    pub(super) fn keyword(&self, unit: Unit) -> Keyword {
        match self.token(unit) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        }
    }

    pub(super) fn start(&self, unit: Unit) -> usize {
        match unit {
            Unit::Token(index) => self.lexemes[index].start,
            Unit::Group(group) => self.groups[group].start.saturating_sub(1),
        }
    }

    pub(super) fn end(&self, unit: Unit) -> usize {
        match unit {
            Unit::Token(index) => self.lexemes[index].end,
            Unit::Group(group) => self.groups[group].end + 1,
        }
    }

    /// Whether a group is a query, and not a list or an expression.
    pub(super) fn is_query(&self, group: usize) -> bool {
        match self.groups[group].units.first() {
            Some(&Unit::Group(inner)) => self.is_query(inner),
            Some(&first) => {
                matches!(self.keyword(first), Keyword::SELECT | Keyword::WITH | Keyword::FROM | Keyword::VALUES)
            }
            None => false,
        }
    }
}

/// Whether it is no comment.
fn is_blank(space: &Whitespace) -> bool {
    matches!(space, Whitespace::Space | Whitespace::Newline | Whitespace::Tab)
}

/// Whether a token is a text in which no names stand.
fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Number(..)
    )
}

/// The places at which lines begin, in characters.
fn line_starts(sql: &str) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(sql.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(place, _)| place + 1));
    starts
}

/// The tree of parentheses. One that is not closed ends before the FROM of the query around it, if it is no query itself: so what is
/// being written in the list of a SELECT does not hide what is selected from.
fn grouped(lexemes: &[Lexeme], length: usize) -> Vec<Group> {
    let unclosed = unclosed(lexemes);
    let mut groups = vec![Group { units: Vec::new(), start: 0, end: length, parent: 0 }];
    let mut open = vec![(0, false)];
    for (index, lexeme) in lexemes.iter().enumerate() {
        match &lexeme.token {
            Token::LParen if open.len() < DEPTH_MAX => {
                let parent = open.last().map_or(0, |(group, _)| *group);
                let group = groups.len();
                groups.push(Group { units: Vec::new(), start: lexeme.end, end: length, parent });
                groups[parent].units.push(Unit::Group(group));
                open.push((group, unclosed.contains(&index)));
                continue;
            }
            Token::RParen if open.len() > 1 => {
                if let Some((group, _)) = open.pop() {
                    groups[group].end = lexeme.start;
                }
                continue;
            }
            Token::Word(word) if word.keyword == Keyword::FROM => {
                while let Some(&(group, true)) = open.last() {
                    let begins = |unit: &Unit| match unit {
                        Unit::Token(first) => matches!(&lexemes[*first].token, Token::Word(word)
                            if matches!(word.keyword, Keyword::SELECT | Keyword::WITH)),
                        Unit::Group(_) => false,
                    };
                    if groups[group].units.first().is_some_and(begins) {
                        break;
                    }
                    groups[group].end = lexeme.start;
                    open.pop();
                }
            }
            _ => {}
        }
        let inner = open.last().map_or(0, |(group, _)| *group);
        groups[inner].units.push(Unit::Token(index));
    }
    groups
}

/// The opening parentheses without a closing one.
fn unclosed(lexemes: &[Lexeme]) -> Vec<usize> {
    let mut open = Vec::new();
    for (index, lexeme) in lexemes.iter().enumerate() {
        match lexeme.token {
            Token::LParen => open.push(index),
            Token::RParen => drop(open.pop()),
            _ => {}
        }
    }
    open
}
