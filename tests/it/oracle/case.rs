//! A case as text: event types, projections, a log, and what the projections hold at each cut. The same text is what a
//! person writes in `tests/sql/*.case` and what a failing random case is printed as.
//!
//! ```text
//! # What this is about.
//! event s.a {n: int64, t: string}            a source `s` with an event type `a`; its fields as in a configuration
//! source s drops late events                 how the source is configured; without it they correct results
//! table p(k): SELECT t AS k, sum(n) AS n     a projection kept under a key; further lines are indented
//!   FROM s.a GROUP BY t
//! plan p: events, project, aggregate         the operators that keep it, in order; none need be written
//! table d(count c): SELECT t FROM s.a         one whose equal rows are counted in `c`; `(number c)` numbers them
//! bag q(n): SELECT n FROM s.a                one whose rows may repeat; its columns are named all the same
//! log
//! s.a k1 @12 {"n": 1}                        an event with its key (`-` for none), its time in seconds, its payload
//! cut                                        everything since the last cut is one commit
//!   p: "x", 1                                what is expected: rows in any order, `p: none`, `p parked s#3`,
//!                                            or at the end `p fails`: over a row that comes from no single event
//! s.a k1 held {"n": 2}                       an event that takes its sequence, and is not admitted
//! readmit s#2                                now it is, whatever came after it: `s#2` is the second event of `s`
//! capture                                    state is captured as for a checkpoint
//! restart                                    everything goes on from the last capture, or from nothing
//! ```

use std::fmt::{self, Write as _};

use super::admission::Place;

/// How a source is declared to drop late events, after its name.
const DROPS_LATE: &str = " drops late events";

/// Everything that a run needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) about: Vec<String>,
    pub(super) types: Vec<TypeDeclaration>,
    /// Sources whose late events are dropped.
    pub(super) dropping: Vec<String>,
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
    /// The key of a table, or what becomes of its equal rows, in two words; some columns of a bag.
    pub(super) key: Vec<String>,
    /// Whether rows are unique under the key, so that they can be kept in a table.
    pub(super) is_table: bool,
    pub(super) sql: String,
    /// The names of its operators, if they are written.
    pub(super) plan: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Event(Event),
    /// An event that was held back, by its place in the stream, is admitted.
    Readmit(Place),
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
    /// Whether it is held back until it is admitted by an entry of its own.
    pub(super) held: bool,
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
            "source" => self.dropping.push(rest.strip_suffix(DROPS_LATE)?.to_owned()),
            "table" | "bag" => {
                let (name, rest) = rest.split_once('(')?;
                let (key, sql) = rest.split_once("):")?;
                self.projections.push(Declaration {
                    name: name.to_owned(),
                    key: listed(key),
                    is_table: word == "table",
                    sql: sql.trim().to_owned(),
                    plan: Vec::new(),
                });
            }
            "plan" => {
                let (name, plan) = rest.split_once(':')?;
                let projection =
                    self.projections.last_mut().filter(|last| last.name == name && last.plan.is_empty())?;
                projection.plan = listed(plan);
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
            _ if line.starts_with("readmit ") => {
                let (source, seq) = line.strip_prefix("readmit ")?.split_once('#')?;
                Entry::Readmit((source.to_owned(), seq.parse().ok()?))
            }
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
                let held = payload.strip_prefix("held ");
                Entry::Event(Event {
                    source: source.to_owned(),
                    event_type: event_type.to_owned(),
                    key: (key != "-").then(|| key.to_owned()),
                    at_seconds: at,
                    held: held.is_some(),
                    payload: held.unwrap_or(payload).to_owned(),
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
                let sql = &mut self.projections.last_mut().filter(|last| last.plan.is_empty())?.sql;
                if !sql.is_empty() {
                    sql.push('\n');
                }
                sql.push_str(more);
            }
        }
        Some(())
    }
}

/// What a list with commas names.
fn listed(names: &str) -> Vec<String> {
    names.split(',').map(|name| name.trim().to_owned()).collect()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.iter().try_for_each(|line| writeln!(f, "# {line}"))?;
        self.types.iter().try_for_each(|declared| writeln!(f, "{declared}"))?;
        self.dropping.iter().try_for_each(|source| writeln!(f, "source {source}{DROPS_LATE}"))?;
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
        write!(f, "{kind} {}({}): {}", self.name, self.key.join(", "), self.sql.replace('\n', "\n  "))?;
        if self.plan.is_empty() { Ok(()) } else { write!(f, "\nplan {}: {}", self.name, self.plan.join(", ")) }
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
                if event.held {
                    f.write_str(" held")?;
                }
                write!(f, " {}", event.payload)
            }
            Entry::Cut(expected) => {
                f.write_str("cut")?;
                expected.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
            Entry::Readmit((source, seq)) => write!(f, "readmit {source}#{seq}"),
            Entry::Capture => f.write_str("capture"),
            Entry::Restart => f.write_str("restart"),
        }
    }
}

/// The configuration that declares a case's sources and projections, in one file.
pub(super) fn configuration(case: &Case) -> String {
    let mut yaml = String::from("nats: {url: \"nats://127.0.0.1:4222\"}\n");
    for source in case.sources() {
        let envelope = "{type: header:type, key: header:key, time: {at: header:at, format: epoch_ms}}";
        let _ = write!(yaml, "---\nsource: {source}\nfile: {{path: {source}.ndjson}}\nenvelope: {envelope}\n");
        let late = if case.dropping.iter().any(|dropping| dropping == source) { "drop" } else { "correct" };
        let _ = write!(yaml, "event_time: {{lateness: 10s, late: {late}, max_ahead: 10000d}}\nevents:\n");
        for declared in case.types.iter().filter(|declared| declared.source == source) {
            let _ = writeln!(yaml, "  {}: {{fields: {}}}", declared.name, declared.fields);
        }
    }
    for declared in &case.projections {
        let sql = declared.sql.replace('\n', "\n  ");
        let told_apart = match declared.key.as_slice() {
            [one] if one.contains(' ') => format!("duplicates: {{{}}}", one.replace(' ', ": ")),
            key => format!("key: [{}]", key.join(", ")),
        };
        let _ = write!(yaml, "---\nprojection: {}\n{told_apart}\nsql: |\n  {sql}\n", declared.name);
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_as_it_is_printed() {
        let text = "# about\nevent s.a {n: int64}\nsource s drops late events\ntable p(n, m): SELECT n,\n  1 AS m FROM s.a\nplan p: events, project\nbag q(n): \
                    SELECT n FROM p\n\
                    log\ns.a k1 @-3 {\"n\": 1}\ns.a - held not json\ns.a k1 @-3 held {}\ncut\n  p: 1, 1\n  q: none\nreadmit s#2\ncapture\nrestart\ncut\n";
        assert_eq!(Case::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for line in ["tabel p(k): SELECT 1", "event s {n: int64}", "  SELECT", "plan p: events"] {
            assert_eq!(Case::parse(line), Err(format!("cannot read `{line}`")));
        }
    }
}
