//! The settings of a session: how fresh answers have to be, and what clients of PostgreSQL say and ask about theirs.

use std::collections::BTreeMap;
use std::time::Duration;

use pgwire::error::PgWireError;

use super::errors::{error, of_query};
use super::statements::Isolation;
use crate::query::{Demand, DemandTexts, Limits, Streams, did_you_mean};

/// What clients take features by.
pub(super) const SERVER_VERSION: &str = concat!("15.0 (Readside ", env!("CARGO_PKG_VERSION"), ")");

/// What may be said of a setting.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// Anything.
    Any,
    /// One of these, in any case; answers are written this way whoever asks.
    One(&'static [&'static str]),
    /// It is told, and not asked.
    Told,
    /// A list of schemas, of which only one has relations.
    Schemas,
    /// Milliseconds, or a number with a unit.
    Time,
    Isolation,
}

/// Name, what holds without a word, and what may be said.
const SETTINGS: &[(&str, &str, Values)] = &[
    ("application_name", "", Values::Any),
    ("bytea_output", "hex", Values::One(&["hex"])),
    ("client_encoding", "UTF8", Values::One(&["utf8", "utf-8", "unicode"])),
    ("client_min_messages", "notice", Values::Any),
    ("datestyle", "ISO, MDY", Values::One(&["iso", "iso, mdy", "iso, dmy", "iso, ymd"])),
    ("default_transaction_isolation", "read committed", Values::Isolation),
    ("default_transaction_read_only", "on", Values::One(&["on", "true", "1", "yes"])),
    // Floats are written with as many digits as they need, which is what each of its values from 1 on asks for.
    ("extra_float_digits", "1", Values::One(&["1", "2", "3"])),
    ("integer_datetimes", "on", Values::Told),
    ("intervalstyle", "postgres", Values::One(&["postgres"])),
    ("is_superuser", "off", Values::Told),
    ("lc_collate", "C", Values::Told),
    ("max_identifier_length", "63", Values::Told),
    ("max_index_keys", "32", Values::Told),
    ("readside.freshness", "", Values::Told),
    ("readside.max_lag", "", Values::Any),
    ("readside.min_position", "", Values::Any),
    ("readside.mixed_cuts", "refuse", Values::One(&["refuse", "allow"])),
    ("readside.notice", "stale", Values::One(&["stale", "always", "never"])),
    ("readside.on_incomplete", "mark", Values::One(&["mark", "fail"])),
    ("readside.wait", "", Values::Any),
    ("search_path", "public", Values::Schemas),
    ("server_encoding", "UTF8", Values::Told),
    ("server_version", SERVER_VERSION, Values::Told),
    ("server_version_num", "150000", Values::Told),
    ("standard_conforming_strings", "on", Values::One(&["on", "true", "1", "yes"])),
    ("statement_timeout", "0", Values::Time),
    ("timezone", "UTC", Values::One(&["utc", "etc/utc", "gmt", "z", "0", "+00", "+00:00"])),
    ("transaction_isolation", "read committed", Values::Told),
    ("transaction_read_only", "on", Values::One(&["on", "true", "1", "yes"])),
];
/// A setting of this project may be named without its prefix.
const PREFIX: &str = "readside.";
/// What a client is told at the beginning, under the names that it knows.
const TOLD_AT_START: [(&str, &str); 11] = [
    ("server_version", "server_version"),
    ("server_encoding", "server_encoding"),
    ("client_encoding", "client_encoding"),
    ("application_name", "application_name"),
    ("is_superuser", "is_superuser"),
    ("DateStyle", "datestyle"),
    ("IntervalStyle", "intervalstyle"),
    ("TimeZone", "timezone"),
    ("integer_datetimes", "integer_datetimes"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("default_transaction_read_only", "default_transaction_read_only"),
];

/// When an answer comes with a notice of its freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// When it is not live, or something may be missing.
    Stale,
    Always,
    Never,
}

/// What was said; what was not holds as it is declared above.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    said: BTreeMap<&'static str, String>,
    /// What those that end with the transaction were before; None of what was not said.
    before: BTreeMap<&'static str, Option<String>>,
}

impl Settings {
    /// # Errors
    /// If there is no such setting, or it cannot be this.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, is_local: bool) -> Result<(), PgWireError> {
        let (known, _, values) = find(name)?;
        if let Some(value) = value {
            check(known, value, *values)?;
        } else if matches!(values, Values::Told) {
            return Err(error("55P02", format!("parameter \"{known}\" cannot be changed")));
        }
        if is_local {
            let before = self.said.get(known).cloned();
            self.before.entry(known).or_insert(before);
        }
        match value {
            Some(value) => drop(self.said.insert(known, value.to_owned())),
            None => drop(self.said.remove(known)),
        }
        Ok(())
    }

    /// # Errors
    /// If there is no such setting.
    pub(super) fn show(&self, name: &str) -> Result<(&'static str, String), PgWireError> {
        let (known, default, _) = find(name)?;
        Ok((known, self.get(known).unwrap_or(default).to_owned()))
    }

    /// All of them with what they are.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, String)> {
        SETTINGS.iter().map(|(name, default, _)| (*name, self.get(name).unwrap_or(default).to_owned()))
    }

    /// Nothing was said any more.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// What was said of the transaction is gone with it.
    pub(super) fn end_transaction(&mut self) {
        for (name, before) in std::mem::take(&mut self.before) {
            match before {
                Some(value) => drop(self.said.insert(name, value)),
                None => drop(self.said.remove(name)),
            }
        }
    }

    pub(super) fn told_at_start(&self) -> impl Iterator<Item = (&'static str, String)> {
        TOLD_AT_START.iter().filter_map(|(told, name)| Some((*told, self.show(name).ok()?.1)))
    }

    /// # Errors
    /// If what is demanded is written in another way than it can be.
    pub(super) fn demand(&self, streams: &Streams, limits: &Limits) -> Result<Demand, PgWireError> {
        let said = |name| self.get(name).filter(|text| !text.is_empty());
        let texts = DemandTexts {
            min_position: said("readside.min_position"),
            max_lag: said("readside.max_lag"),
            on_incomplete: said("readside.on_incomplete"),
            wait: said("readside.wait"),
        };
        Demand::parse(texts, streams, limits.wait).map_err(of_query)
    }

    pub(super) fn allows_mixed_cuts(&self) -> bool {
        self.get("readside.mixed_cuts").is_some_and(|value| value.eq_ignore_ascii_case("allow"))
    }

    pub(super) fn notice(&self) -> Notice {
        match self.get("readside.notice").map(str::to_ascii_lowercase).as_deref() {
            Some("always") => Notice::Always,
            Some("never") => Notice::Never,
            _ => Notice::Stale,
        }
    }

    pub(super) fn isolation(&self) -> Isolation {
        self.get("default_transaction_isolation").and_then(Isolation::read).unwrap_or(Isolation::Committed)
    }

    /// None: as long as a query may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.get("statement_timeout").and_then(time).filter(|time| !time.is_zero())
    }

    fn get(&self, known: &str) -> Option<&str> {
        self.said.get(known).map(String::as_str)
    }
}

fn find(name: &str) -> Result<&'static (&'static str, &'static str, Values), PgWireError> {
    let name = name.to_ascii_lowercase();
    let of_readside = format!("{PREFIX}{name}");
    let known = SETTINGS.iter().find(|(known, ..)| *known == name || *known == of_readside);
    known.ok_or_else(|| {
        let near = did_you_mean(&name, SETTINGS.iter().map(|(known, ..)| *known));
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        error("42704", format!("unrecognized configuration parameter \"{name}\"{near}"))
    })
}

fn check(name: &str, value: &str, values: Values) -> Result<(), PgWireError> {
    let wrong = |possible: String| Err(error("22023", format!("\"{name}\" cannot be \"{value}\": {possible}")));
    match values {
        Values::Any => Ok(()),
        Values::Told => Err(error("55P02", format!("parameter \"{name}\" cannot be changed"))),
        Values::One(possible) if possible.contains(&value.to_ascii_lowercase().as_str()) => Ok(()),
        Values::One(possible) => wrong(format!("it can be {}", possible.join(", "))),
        Values::Schemas => {
            let is_known = |schema: &str| matches!(schema.trim(), "public" | "$user" | "pg_catalog" | "");
            let has_public = value.split(',').any(|schema| schema.trim() == "public");
            if has_public && value.split(',').all(is_known) {
                return Ok(());
            }
            wrong("relations are in the schema public".to_owned())
        }
        Values::Time if time(value).is_some() => Ok(()),
        Values::Time => wrong("write milliseconds, or a number with ms, s, min".to_owned()),
        Values::Isolation if Isolation::read(value).is_some() => Ok(()),
        Values::Isolation => wrong("it can be read committed, repeatable read".to_owned()),
    }
}

/// `500`, `500ms`, `5s`, `1min`
fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..end].parse().ok()?;
    let unit_ms = match text[end..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    count.checked_mul(unit_ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_setting_is_what_was_said_last_until_its_transaction_ends() {
        let mut settings = Settings::default();
        settings.set("max_lag", Some("5s"), false).unwrap();
        settings.set("readside.max_lag", Some("1s"), true).unwrap();
        settings.set("statement_timeout", Some("2s"), true).unwrap();
        assert_eq!(settings.show("readside.max_lag").unwrap(), ("readside.max_lag", "1s".to_owned()));
        assert_eq!(settings.timeout(), Some(Duration::from_secs(2)));
        settings.end_transaction();
        assert_eq!(settings.show("MAX_LAG").unwrap().1, "5s");
        assert_eq!(settings.timeout(), None);
        settings.set("max_lag", None, false).unwrap();
        assert_eq!(settings.show("max_lag").unwrap().1, "");
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("timezone", "Europe/Berlin"),
            ("search_path", "private, public"),
            ("client_encoding", "LATIN1"),
            ("server_version", "9.6"),
            ("statement_timeout", "soon"),
            ("readside.mixed_cuts", "perhaps"),
            ("readside.maxlag", "5s"),
        ] {
            assert!(settings.set(name, Some(value), false).is_err(), "{name}");
        }
        for (name, value) in [("TimeZone", "Etc/UTC"), ("search_path", "\"$user\", public"), ("DateStyle", "ISO")] {
            assert!(settings.set(name, Some(&value.replace('"', "")), false).is_ok(), "{name}");
        }
    }
}
