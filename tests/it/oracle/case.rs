//! A case as text: event types, projections, a log, and what the projections hold at each cut. The same text is what a
//! person writes in `tests/sql/*.case` and what a failing random case is printed as.
//!
//! ```text
//! # What this is about.
//! event s.a {n: int64, t: string}            a source `s` with an event type `a`; its fields as in a configuration
//! table p(k): SELECT t AS k, sum(n) AS n     a projection kept under a key; further lines are indented
//!   FROM s.a GROUP BY t
//! bag q(n): SELECT n FROM s.a                one whose rows may repeat; its columns are named all the same
//! log
//! s.a k1 @12 {"n": 1}                        an event with its key (`-` for none), its time in seconds, its payload
//! cut                                        everything since the last cut is one commit
//!   p: "x", 1                                what is expected: rows in any order, `none`, or `parked s#3`
//! capture                                    state is captured as for a checkpoint
//! restart                                    everything goes on from the last capture, or from nothing
//! ```

use std::fmt::{self, Write as _};

/// Everything that a run needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) about: Vec<String>,
    pub(super) types: Vec<TypeDeclaration>,
    pub(super) projections: Vec<Declaration>,
    pub(super) log: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeDeclaration {
    pub(super) source: String,
    pub(super) name: String,
    /// A YAML flow mapping.
    pub(super) fields: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: String,
    /// The key of a table; some columns of a bag.
    pub(super) key: Vec<String>,
    /// Whether rows are unique under the key, so that they can be kept in a table.
    pub(super) is_table: bool,
    pub(super) sql: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Event(Event),
    /// With the rows that are expected, if any are written.
    Cut(Vec<String>),
    Capture,
    Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) source: String,
    pub(super) event_type: String,
    pub(super) key: Option<String>,
    /// Event time; the publish time if none.
    pub(super) at_seconds: Option<i64>,
    pub(super) payload: String,
}

impl Case {
    /// Reads the text form.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut case = Case::default();
        let mut in_log = false;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let read = match (line.strip_prefix("  "), in_log) {
                (Some(more), _) => case.continue_with(more),
                (None, false) if line == "log" => {
                    in_log = true;
                    Some(())
                }
                (None, false) => case.declare(line),
                (None, true) => case.enter(line),
            };
            read.ok_or_else(|| format!("cannot read `{line}`"))?;
        }
        Ok(case)
    }

    /// Names of the sources, in order of declaration.
    pub(super) fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = Vec::new();
        for declared in &self.types {
            if !sources.contains(&declared.source.as_str()) {
                sources.push(&declared.source);
            }
        }
        sources
    }

    fn declare(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "#" => self.about.push(rest.to_owned()),
            "event" => {
                let (name, fields) = rest.split_once(' ')?;
                let (source, name) = name.split_once('.')?;
                self.types.push(TypeDeclaration { source: source.into(), name: name.into(), fields: fields.into() });
            }
            "table" | "bag" => {
                let (name, rest) = rest.split_once('(')?;
                let (key, sql) = rest.split_once("):")?;
                self.projections.push(Declaration {
                    name: name.to_owned(),
                    key: key.split(',').map(|column| column.trim().to_owned()).collect(),
                    is_table: word == "table",
                    sql: sql.trim().to_owned(),
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn enter(&mut self, line: &str) -> Option<()> {
        self.log.push(match line {
            "cut" => Entry::Cut(Vec::new()),
            "capture" => Entry::Capture,
            "restart" => Entry::Restart,
            _ => {
                let (name, rest) = line.split_once(' ')?;
                let (source, event_type) = name.split_once('.')?;
                let (key, rest) = rest.split_once(' ')?;
                let (at, payload) = match rest.strip_prefix('@') {
                    Some(rest) => {
                        let (at, payload) = rest.split_once(' ')?;
                        (Some(at.parse().ok()?), payload)
                    }
                    None => (None, rest),
                };
                Entry::Event(Event {
                    source: source.to_owned(),
                    event_type: event_type.to_owned(),
                    key: (key != "-").then(|| key.to_owned()),
                    at_seconds: at,
                    payload: payload.to_owned(),
                })
            }
        });
        Some(())
    }

    fn continue_with(&mut self, more: &str) -> Option<()> {
        match self.log.last_mut() {
            Some(Entry::Cut(expected)) => expected.push(more.to_owned()),
            Some(_) => return None,
            None => {
                let sql = &mut self.projections.last_mut()?.sql;
                if !sql.is_empty() {
                    sql.push('\n');
                }
                sql.push_str(more);
            }
        }
        Some(())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.iter().try_for_each(|line| writeln!(f, "# {line}"))?;
        self.types.iter().try_for_each(|declared| writeln!(f, "{declared}"))?;
        self.projections.iter().try_for_each(|declared| writeln!(f, "{declared}"))?;
        writeln!(f, "log")?;
        self.log.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for TypeDeclaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}.{} {}", self.source, self.name, self.fields)
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_table { "table" } else { "bag" };
        write!(f, "{kind} {}({}): {}", self.name, self.key.join(", "), self.sql.replace('\n', "\n  "))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Event(event) => {
                write!(f, "{}.{} {}", event.source, event.event_type, event.key.as_deref().unwrap_or("-"))?;
                if let Some(at) = event.at_seconds {
                    write!(f, " @{at}")?;
                }
                write!(f, " {}", event.payload)
            }
            Entry::Cut(expected) => {
                f.write_str("cut")?;
                expected.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
            Entry::Capture => f.write_str("capture"),
            Entry::Restart => f.write_str("restart"),
        }
    }
}

/// The configuration that declares a case's sources and projections, in one file.
pub(super) fn configuration(case: &Case) -> String {
    let mut yaml = String::from("nats: {url: \"nats://127.0.0.1:4222\"}\n");
    for source in case.sources() {
        let envelope = "{type: header:type, key: header:key, time: header:at}";
        let _ = write!(yaml, "---\nsource: {source}\nfile: {{path: {source}.ndjson}}\nenvelope: {envelope}\n");
        yaml.push_str("event_time: {lateness: 10s}\nevents:\n");
        for declared in case.types.iter().filter(|declared| declared.source == source) {
            let _ = writeln!(yaml, "  {}: {{fields: {}}}", declared.name, declared.fields);
        }
    }
    for declared in &case.projections {
        let sql = declared.sql.replace('\n', "\n  ");
        let key = declared.key.join(", ");
        let _ = write!(yaml, "---\nprojection: {}\nkey: [{key}]\nsql: |\n  {sql}\n", declared.name);
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_as_it_is_printed() {
        let text = "# about\nevent s.a {n: int64}\ntable p(n, m): SELECT n,\n  1 AS m FROM s.a\nbag q(n): SELECT n FROM p\n\
                    log\ns.a k1 @-3 {\"n\": 1}\ns.a - not json\ncut\n  p: 1, 1\n  q: none\ncapture\nrestart\ncut\n";
        assert_eq!(Case::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for line in ["tabel p(k): SELECT 1", "event s {n: int64}", "  SELECT"] {
            assert_eq!(Case::parse(line), Err(format!("cannot read `{line}`")));
        }
    }
}
