//! What a client's text asks for: a query, or something of the session that it is in.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use pgwire::error::PgWireError;

use super::errors::error;

/// Of a text that a client sends at once.
const TEXT_BYTES_MAX: usize = 256 * 1024;
const STATEMENTS_MAX: usize = 100;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// SQL that reads, as it is written.
    Query(String),
    /// `SET name TO value`; None of `DEFAULT`.
    Set {
        name: String,
        value: Option<String>,
        /// Until the transaction ends.
        is_local: bool,
    },
    /// `SHOW name`, or `SHOW ALL`.
    Show(String),
    /// `RESET name`; None of `RESET ALL`.
    Reset(Option<String>),
    Begin {
        isolation: Option<Isolation>,
    },
    /// `SET TRANSACTION ISOLATION LEVEL …`
    SetTransaction {
        isolation: Option<Isolation>,
    },
    Commit,
    Rollback,
    /// `SAVEPOINT`, `RELEASE`, and `ROLLBACK TO`: there is nothing to go back to.
    Savepoint(&'static str),
    Declare {
        cursor: String,
        query: String,
        /// Stays when its transaction ends.
        holds: bool,
    },
    Fetch {
        cursor: String,
        /// None: all.
        count: Option<usize>,
    },
    /// None: all.
    Close(Option<String>),
    /// None: all.
    Deallocate(Option<String>),
    Discard,
}

impl Statement {
    /// The SQL that it reads by.
    pub(super) fn query(&self) -> Option<&str> {
        match self {
            Statement::Query(sql) | Statement::Declare { query: sql, .. } => Some(sql),
            _ => None,
        }
    }
}

/// How much of what changes a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Each statement has the newest snapshot.
    Committed,
    /// All statements have one.
    Repeatable,
}

impl Isolation {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "read committed" | "read uncommitted" => Some(Isolation::Committed),
            "repeatable read" | "serializable" => Some(Isolation::Repeatable),
            _ => None,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Isolation::Committed => "read committed",
            Isolation::Repeatable => "repeatable read",
        }
    }
}

/// The statements of a text, in order, without those of nothing.
///
/// # Errors
/// If it is no SQL, or too much of it.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, PgWireError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(error("54000", format!("a text may have {TEXT_BYTES_MAX} bytes")));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).with_unescape(false).tokenize_with_location();
    let tokens = tokens.map_err(|cause| error("42601", format!("the SQL cannot be read: {cause}")))?;
    let lines = Lines::new(text);
    let parts = tokens.split(|token| token.token == Token::SemiColon);
    let parts = parts.map(|part| part.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect());
    let written = parts.filter(|part: &Vec<&TokenWithSpan>| !part.is_empty());
    let written: Vec<_> = written.collect();
    if written.len() > STATEMENTS_MAX {
        return Err(error("54000", format!("a text may have {STATEMENTS_MAX} statements")));
    }
    written.into_iter().map(|part| Reader { text, lines: &lines, tokens: &part, place: 0 }.statement()).collect()
}

/// Where each line of a text begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The byte at a place of lines and characters, both from 1.
    fn byte(&self, text: &str, at: Location) -> usize {
        let begin = usize::try_from(at.line).ok().and_then(|line| self.0.get(line.checked_sub(1)?)).copied();
        let begin = begin.unwrap_or(text.len());
        let before = usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1);
        let rest = text.get(begin..).unwrap_or_default();
        begin + rest.char_indices().nth(before).map_or(rest.len(), |(at, _)| at)
    }
}

/// The words of one statement.
struct Reader<'a> {
    text: &'a str,
    lines: &'a Lines,
    tokens: &'a [&'a TokenWithSpan],
    place: usize,
}

impl Reader<'_> {
    fn statement(mut self) -> Result<Statement, PgWireError> {
        let statement = match self.word().as_deref() {
            Some("BEGIN") => {
                self.skip(&["WORK", "TRANSACTION"]);
                Statement::Begin { isolation: self.modes()? }
            }
            Some("START") if self.skip(&["TRANSACTION"]) => Statement::Begin { isolation: self.modes()? },
            Some("COMMIT" | "END") => self.end_of_transaction(Statement::Commit),
            Some("ROLLBACK" | "ABORT") => {
                self.skip(&["WORK", "TRANSACTION"]);
                if self.skip(&["TO"]) {
                    self.rest();
                    Statement::Savepoint("ROLLBACK")
                } else {
                    self.end_of_transaction(Statement::Rollback)
                }
            }
            Some("SAVEPOINT") => {
                self.rest();
                Statement::Savepoint("SAVEPOINT")
            }
            Some("RELEASE") => {
                self.rest();
                Statement::Savepoint("RELEASE")
            }
            Some("SET") => self.set()?,
            Some("SHOW") if !self.is_next(&["TABLES", "COLUMNS"]) => Statement::Show(self.setting()),
            Some("RESET") => {
                let name = self.setting();
                Statement::Reset((name != "all").then_some(name))
            }
            Some("DECLARE") => return self.declare(),
            Some("FETCH") => self.fetch()?,
            Some("CLOSE") => Statement::Close(self.name_or_all()),
            Some("DEALLOCATE") => {
                self.skip(&["PREPARE"]);
                Statement::Deallocate(self.name_or_all())
            }
            Some("DISCARD") => {
                self.rest();
                Statement::Discard
            }
            _ => return Ok(Statement::Query(self.from(0))),
        };
        match self.tokens.get(self.place) {
            None => Ok(statement),
            Some(token) => Err(error("42601", format!("syntax error at or near \"{}\"", token.token))),
        }
    }

    fn end_of_transaction(&mut self, statement: Statement) -> Statement {
        self.skip(&["WORK", "TRANSACTION"]);
        if self.skip(&["AND"]) {
            self.skip(&["NO"]);
            self.skip(&["CHAIN"]);
        }
        statement
    }

    /// `ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE`
    fn modes(&mut self) -> Result<Option<Isolation>, PgWireError> {
        let mut isolation = None;
        loop {
            if self.skip(&["ISOLATION"]) {
                self.skip(&["LEVEL"]);
                let mut words = vec![self.word().unwrap_or_default()];
                if words[0] != "SERIALIZABLE" {
                    words.push(self.word().unwrap_or_default());
                }
                let level = words.join(" ");
                isolation = Some(
                    Isolation::read(&level)
                        .ok_or_else(|| error("42601", format!("`{level}` is no isolation level")))?,
                );
            } else if self.skip(&["READ"]) {
                // Nothing can be written all the same.
                self.skip(&["ONLY", "WRITE"]);
            } else if self.skip(&["NOT"]) || self.skip(&["DEFERRABLE"]) || self.skip_token(&Token::Comma) {
                // Nothing here waits for others.
            } else {
                return Ok(isolation);
            }
        }
    }

    fn set(&mut self) -> Result<Statement, PgWireError> {
        let is_local = self.skip(&["LOCAL"]);
        if !is_local && self.skip(&["SESSION"]) && self.skip(&["CHARACTERISTICS"]) {
            self.skip(&["AS"]);
            self.skip(&["TRANSACTION"]);
            let isolation = self.modes()?.unwrap_or(Isolation::Committed);
            let (name, value) = ("default_transaction_isolation".to_owned(), Some(isolation.text().to_owned()));
            return Ok(Statement::Set { name, value, is_local: false });
        }
        if self.skip(&["TRANSACTION"]) {
            return Ok(Statement::SetTransaction { isolation: self.modes()? });
        }
        let name = match self.word().as_deref() {
            Some("TIME") if self.skip(&["ZONE"]) => "timezone".to_owned(),
            Some("NAMES") => "client_encoding".to_owned(),
            _ => {
                self.place -= usize::from(self.place > 0);
                let name = self.dotted();
                if !self.skip(&["TO"]) && !self.skip_token(&Token::Eq) {
                    return Err(error("42601", format!("write `SET {name} TO value`")));
                }
                name
            }
        };
        let mut value = String::new();
        while let Some(token) = self.tokens.get(self.place) {
            self.place += 1;
            match &token.token {
                Token::Comma => value.push_str(", "),
                Token::Word(word) => value.push_str(&word.value),
                Token::SingleQuotedString(text) => value.push_str(&text.replace("''", "'")),
                other => value.push_str(&other.to_string()),
            }
        }
        let is_default = value.eq_ignore_ascii_case("default");
        Ok(Statement::Set { name, value: (!is_default).then_some(value), is_local })
    }

    /// The name of a setting, which may be several words.
    fn setting(&mut self) -> String {
        match self.word().as_deref() {
            Some("TIME") if self.skip(&["ZONE"]) => "timezone".to_owned(),
            Some("TRANSACTION") if self.skip(&["ISOLATION"]) => {
                self.skip(&["LEVEL"]);
                "transaction_isolation".to_owned()
            }
            _ => {
                self.place -= usize::from(self.place > 0);
                self.dotted()
            }
        }
    }

    /// `readside.max_lag`
    fn dotted(&mut self) -> String {
        let mut name = String::new();
        while let Some(token) = self.tokens.get(self.place) {
            match &token.token {
                Token::Word(word) if name.is_empty() || name.ends_with('.') => name.push_str(&word.value),
                Token::Period => name.push('.'),
                _ => break,
            }
            self.place += 1;
        }
        name.to_ascii_lowercase()
    }

    fn declare(mut self) -> Result<Statement, PgWireError> {
        let cursor = self.name();
        while self.skip(&["BINARY", "ASENSITIVE", "INSENSITIVE", "NO", "SCROLL"]) {}
        let mut holds = false;
        if self.skip(&["CURSOR"]) {
            if self.is_next(&["WITH", "WITHOUT"]) {
                holds = self.skip(&["WITH"]) || !self.skip(&["WITHOUT"]);
                self.skip(&["HOLD"]);
            }
            if self.skip(&["FOR"]) && self.place < self.tokens.len() {
                let query = self.from(self.place);
                return Ok(Statement::Declare { cursor, query, holds });
            }
        }
        Err(error("42601", "write `DECLARE name CURSOR FOR SELECT …`"))
    }

    fn fetch(&mut self) -> Result<Statement, PgWireError> {
        self.skip(&["FORWARD"]);
        let count = match self.tokens.get(self.place).map(|token| &token.token) {
            Some(Token::Number(digits, _)) => {
                self.place += 1;
                Some(digits.parse().map_err(|_| error("42601", format!("`{digits}` is no count of rows")))?)
            }
            _ if self.skip(&["ALL"]) => None,
            _ if self.is_next(&["BACKWARD", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"]) => {
                return Err(error("0A000", "a cursor goes forward only"));
            }
            _ => {
                self.skip(&["NEXT"]);
                Some(1)
            }
        };
        self.skip(&["FROM", "IN"]);
        Ok(Statement::Fetch { cursor: self.name(), count })
    }

    fn name_or_all(&mut self) -> Option<String> {
        (!self.skip(&["ALL"])).then(|| self.name())
    }

    /// A name as it is meant: in small letters where it is not quoted.
    fn name(&mut self) -> String {
        let Some(Token::Word(word)) = self.tokens.get(self.place).map(|token| &token.token) else {
            return String::new();
        };
        self.place += 1;
        if word.quote_style.is_some() { word.value.clone() } else { word.value.to_ascii_lowercase() }
    }

    /// The next word in capitals, if it is one that is not quoted.
    fn word(&mut self) -> Option<String> {
        let word = self.peek()?;
        self.place += 1;
        Some(word)
    }

    fn peek(&self) -> Option<String> {
        match &self.tokens.get(self.place)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    fn is_next(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|word| words.contains(&word.as_str()))
    }

    /// Goes on behind the next word if it is one of these.
    fn skip(&mut self, words: &[&str]) -> bool {
        let is_next = self.is_next(words);
        self.place += usize::from(is_next);
        is_next
    }

    fn skip_token(&mut self, wanted: &Token) -> bool {
        let is_next = self.tokens.get(self.place).is_some_and(|token| token.token == *wanted);
        self.place += usize::from(is_next);
        is_next
    }

    fn rest(&mut self) {
        self.place = self.tokens.len();
    }

    /// The text from a word on.
    fn from(&self, place: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(place), self.tokens.last()) else { return String::new() };
        let begin = self.lines.byte(self.text, first.span.start);
        let end = self.lines.byte(self.text, last.span.end).max(begin);
        self.text.get(begin..end).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(name: &str, value: Option<&str>) -> Statement {
        Statement::Set { name: name.to_owned(), value: value.map(str::to_owned), is_local: false }
    }

    #[test]
    fn a_text_is_one_statement_after_the_other() {
        let text =
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;; SELECT ';' AS é, \"a;b\" -- c;d\n FROM t ; commit";
        let expected = [
            Statement::Begin { isolation: Some(Isolation::Repeatable) },
            Statement::Query("SELECT ';' AS é, \"a;b\" -- c;d\n FROM t".to_owned()),
            Statement::Commit,
        ];
        assert_eq!(statements(text).unwrap(), expected);
        assert_eq!(statements(" ; -- nothing\n").unwrap(), []);
        assert!(statements("SELECT 'a").is_err());
        assert!(statements(&"SELECT 1;".repeat(101)).is_err(), "too many");
        assert!(statements(&format!("SELECT '{}'", "a".repeat(300_000))).is_err(), "too long");
    }

    #[test]
    fn what_is_of_the_session_is_told_from_queries() {
        let cursor = || "c".to_owned();
        let cases = [
            ("SET readside.max_lag TO '5s'", set("readside.max_lag", Some("5s"))),
            ("set search_path = public, \"$user\"", set("search_path", Some("public, $user"))),
            ("SET SESSION statement_timeout = 500", set("statement_timeout", Some("500"))),
            ("SET TIME ZONE 'UTC'", set("timezone", Some("UTC"))),
            ("SET NAMES 'utf8'", set("client_encoding", Some("utf8"))),
            ("SET readside.wait TO DEFAULT", set("readside.wait", None)),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                set("default_transaction_isolation", Some("repeatable read")),
            ),
            (
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                Statement::SetTransaction { isolation: Some(Isolation::Committed) },
            ),
            ("SHOW readside.freshness", Statement::Show("readside.freshness".to_owned())),
            ("SHOW TRANSACTION ISOLATION LEVEL", Statement::Show("transaction_isolation".to_owned())),
            ("SHOW TABLES", Statement::Query("SHOW TABLES".to_owned())),
            ("RESET ALL", Statement::Reset(None)),
            ("START TRANSACTION", Statement::Begin { isolation: None }),
            ("ROLLBACK TO SAVEPOINT a", Statement::Savepoint("ROLLBACK")),
            ("END", Statement::Commit),
            (
                "DECLARE C NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1",
                Statement::Declare { cursor: cursor(), query: "SELECT 1".to_owned(), holds: false },
            ),
            (
                "DECLARE \"C\" CURSOR WITH HOLD FOR SELECT 1",
                Statement::Declare { cursor: "C".to_owned(), query: "SELECT 1".to_owned(), holds: true },
            ),
            ("FETCH FORWARD 100 FROM c", Statement::Fetch { cursor: cursor(), count: Some(100) }),
            ("FETCH ALL IN c", Statement::Fetch { cursor: cursor(), count: None }),
            ("FETCH c", Statement::Fetch { cursor: cursor(), count: Some(1) }),
            ("CLOSE ALL", Statement::Close(None)),
            ("DEALLOCATE PREPARE p", Statement::Deallocate(Some("p".to_owned()))),
            ("DISCARD ALL", Statement::Discard),
        ];
        for (text, expected) in cases {
            assert_eq!(statements(text).unwrap(), [expected], "{text}");
        }
        for wrong in ["SET a", "COMMIT now", "DECLARE c CURSOR", "FETCH BACKWARD 1 FROM c", "SHOW a b"] {
            assert!(statements(wrong).is_err(), "{wrong}");
        }
    }
}
