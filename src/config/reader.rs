//! Typed reading of YAML nodes. Every accessor reports what is wrong with a value and then gives `None`, so that the
//! caller goes on and all problems are found in one pass.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::checked::NodePath;
use super::code::Code;
use super::diagnostic::{Mark, Report, Severity, at};
use super::place;
use super::suggest::{did_you_mean, join};
use super::yaml::{Data, Entry, File, Yaml};

/// Reads nodes of one file.
#[derive(Clone, Copy)]
pub(super) struct NodeReader<'a> {
    pub file: &'a File,
    pub report: &'a Report,
}

/// A mapping whose keys are known to be allowed.
#[derive(Clone)]
pub(super) struct Mapping<'a> {
    pub reader: NodeReader<'a>,
    pub yaml: &'a Yaml,
    /// What it is, for messages: "the source", "`commit`".
    what: String,
}

impl<'a> NodeReader<'a> {
    pub(super) fn error(self, code: Code, mark: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.push(code, mark, Severity::Error, message.into(), hint.into());
    }

    pub(super) fn warn(self, code: Code, mark: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.push(code, mark, Severity::Warning, message.into(), hint.into());
    }

    fn push(self, code: Code, mark: Mark, severity: Severity, message: String, hint: String) {
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.report.push(at(code, &self.file.path, &self.file.text, mark, severity, message, hint));
    }

    /// An error about a part of a scalar's value, in characters.
    pub(super) fn error_within(
        self,
        code: Code,
        yaml: &Yaml,
        (place, length): (usize, usize),
        message: &str,
        hint: &str,
    ) {
        let mut mark = yaml.mark;
        if let Data::Scalar(scalar) = &yaml.data {
            mark = place::within(&self.file.text, yaml.mark, scalar, place);
            mark.length = length;
        }
        self.error(code, mark, message, hint);
    }

    pub(super) fn node(self, document: usize) -> NodePath {
        NodePath { file: self.file.path.clone(), document, pointer: String::new() }
    }

    /// A mapping with no other keys than these. Those of `later` are planned: they are refused in so many words.
    pub(super) fn map(self, yaml: &'a Yaml, what: &str, known: &[&str], later: &[&str]) -> Option<Mapping<'a>> {
        let entries = self.entries(yaml, what)?;
        for entry in entries {
            let name = entry.name.as_str();
            if later.contains(&name) {
                let hint = format!("remove it; {what} takes {}", join(known));
                self.error(Code::UnsupportedKey, entry.mark, format!("`{name}` is not supported yet"), hint);
            } else if !known.contains(&name) && !name.starts_with("x-") {
                let hint = did_you_mean(name, known).unwrap_or_else(|| format!("{what} takes {}", join(known)));
                self.error(Code::UnknownKey, entry.mark, format!("unknown key `{name}` in {what}"), hint);
            }
        }
        Some(Mapping { reader: self, yaml, what: what.to_owned() })
    }

    /// The entries of a mapping whose keys are names of the user's own.
    pub(super) fn entries(self, yaml: &'a Yaml, what: &str) -> Option<&'a [Entry]> {
        match &yaml.data {
            Data::Mapping(entries) => Some(entries),
            _ if yaml.is_null() => {
                self.error(
                    Code::EmptyValue,
                    yaml.key.unwrap_or(yaml.mark),
                    format!("{what} is empty"),
                    "give it a value, or remove it",
                );
                None
            }
            _ => {
                self.error(
                    Code::WrongKind,
                    yaml.mark,
                    format!("{what} must be a mapping, not {}", kind(yaml)),
                    "write `key: value` pairs",
                );
                None
            }
        }
    }

    /// A scalar's text, never empty.
    pub(super) fn text(self, yaml: &'a Yaml, what: &str) -> Option<&'a str> {
        match &yaml.data {
            Data::Scalar(_) if yaml.is_null() => {
                self.error(
                    Code::EmptyValue,
                    yaml.key.unwrap_or(yaml.mark),
                    format!("{what} is empty"),
                    "give it a value, or remove it",
                );
                None
            }
            Data::Scalar(scalar) if scalar.text.trim().is_empty() => {
                self.error(Code::EmptyValue, yaml.mark, format!("{what} is empty"), "give it a value, or remove it");
                None
            }
            Data::Scalar(scalar) => Some(&scalar.text),
            _ => {
                self.error(
                    Code::WrongKind,
                    yaml.head(),
                    format!("{what} must be text, not {}", kind(yaml)),
                    "write a single value",
                );
                None
            }
        }
    }

    /// One text or a list of them, each with its node. `None` if any is wrong.
    pub(super) fn texts(self, yaml: &'a Yaml, what: &str) -> Option<Vec<(&'a str, &'a Yaml)>> {
        match &yaml.data {
            Data::List(items) => {
                let texts: Vec<_> = items
                    .iter()
                    .map(|item| self.text(item, &format!("an item of {what}")).map(|t| (t, item)))
                    .collect();
                texts.into_iter().collect()
            }
            _ => Some(vec![(self.text(yaml, what)?, yaml)]),
        }
    }

    pub(super) fn integer(self, yaml: &'a Yaml, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(yaml, what)?;
        let (low, high) = (range.start(), range.end());
        match text.replace('_', "").parse::<u64>() {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) if *high == u64::MAX => {
                self.error(Code::NotANumber, yaml.mark, format!("{what} must be at least {low}"), "");
                None
            }
            Ok(_) => {
                self.error(Code::NotANumber, yaml.mark, format!("{what} must be between {low} and {high}"), "");
                None
            }
            Err(_) => {
                self.error(
                    Code::NotANumber,
                    yaml.mark,
                    format!("{what} must be a whole number, not `{text}`"),
                    "write digits, such as `1000`",
                );
                None
            }
        }
    }

    pub(super) fn flag(self, yaml: &'a Yaml, what: &str) -> Option<bool> {
        match self.text(yaml, what)? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                self.error(
                    Code::NotAFlag,
                    yaml.mark,
                    format!("{what} must be true or false, not `{other}`"),
                    "write `true` or `false`",
                );
                None
            }
        }
    }

    pub(super) fn choice<T: Copy>(self, yaml: &'a Yaml, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(yaml, what)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(text, &names).unwrap_or_else(|| format!("it is one of {}", join(&names)));
        self.error(Code::NotAChoice, yaml.mark, format!("{what} cannot be `{text}`"), hint);
        None
    }

    pub(super) fn duration(self, yaml: &'a Yaml, what: &str) -> Option<Duration> {
        let text = self.text(yaml, what)?;
        let duration = parse_duration(text);
        if duration.is_none() {
            let hint = "write a number and its unit: 200ms, 10s, 5m, 24h";
            self.error(Code::NotADuration, yaml.mark, format!("{what} must be a duration, not `{text}`"), hint);
        }
        duration
    }

    /// At least `least`.
    pub(super) fn bytes(self, yaml: &'a Yaml, what: &str, least: usize) -> Option<usize> {
        let text = self.text(yaml, what)?;
        let bytes = parse_bytes(text).filter(|bytes| *bytes >= least);
        if bytes.is_none() {
            let hint = "write a number and its unit: 64MiB, 1GiB, 500kB, or plain bytes";
            self.error(Code::NotAnAmount, yaml.mark, format!("{what} must be an amount of memory, not `{text}`"), hint);
        }
        bytes
    }
}

impl<'a> Mapping<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Yaml> {
        self.yaml.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str, hint: &str) -> Option<&'a Yaml> {
        let found = self.get(key);
        if found.is_none() {
            self.error(Code::MissingKey, format!("{} has no `{key}`", self.what), hint);
        }
        found
    }

    /// An error about the mapping as a whole.
    pub(super) fn error(&self, code: Code, message: impl Into<String>, hint: impl Into<String>) {
        self.reader.error(code, self.yaml.head(), message, hint);
    }

    /// An error about one of its keys.
    pub(super) fn error_at_key(&self, code: Code, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let mark = self.yaml.entry(key).map_or(self.yaml.head(), |entry| entry.mark);
        self.reader.error(code, mark, message, hint);
    }

    pub(super) fn map(&self, key: &str, known: &[&str], later: &[&str]) -> Option<Mapping<'a>> {
        self.reader.map(self.get(key)?, &format!("`{key}`"), known, later)
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.reader.text(self.get(key)?, &format!("`{key}`"))
    }

    /// One text or a list; empty if there is none or it is wrong.
    pub(super) fn texts(&self, key: &str) -> Vec<(&'a str, &'a Yaml)> {
        self.get(key).and_then(|yaml| self.reader.texts(yaml, &format!("`{key}`"))).unwrap_or_default()
    }

    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.reader.integer(self.get(key)?, &format!("`{key}`"), range)
    }

    /// A number of things, at least one.
    pub(super) fn count(&self, key: &str) -> Option<usize> {
        self.integer(key, 1..=u64::MAX).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.reader.flag(self.get(key)?, &format!("`{key}`"))
    }

    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.reader.choice(self.get(key)?, &format!("`{key}`"), choices)
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        self.reader.duration(self.get(key)?, &format!("`{key}`"))
    }

    /// A duration that is not zero.
    pub(super) fn interval(&self, key: &str) -> Option<Duration> {
        let duration = self.duration(key)?;
        if duration.is_zero() {
            self.reader.error(
                Code::NotADuration,
                self.get(key)?.mark,
                format!("`{key}` must be longer than zero"),
                "such as 200ms or 5s",
            );
            return None;
        }
        Some(duration)
    }

    pub(super) fn bytes(&self, key: &str) -> Option<usize> {
        self.reader.bytes(self.get(key)?, &format!("`{key}`"), 1)
    }

    /// An amount that may be 0.
    pub(super) fn bytes_or_none(&self, key: &str) -> Option<usize> {
        self.reader.bytes(self.get(key)?, &format!("`{key}`"), 0)
    }
}

/// What a node is, in words.
fn kind(yaml: &Yaml) -> &'static str {
    match &yaml.data {
        Data::Scalar(_) => "a single value",
        Data::List(_) => "a list",
        Data::Mapping(_) => "a mapping",
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // Event times are counted in microseconds: a duration must fit there.
    let total = number.checked_mul(millis)?;
    (total <= i64::MAX as u64 / 1_000).then(|| Duration::from_millis(total))
}

fn parse_bytes(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text);
    let number: usize = number.parse().ok()?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Digits (with `_` between them removed) and what follows.
fn split_unit(text: &str) -> (String, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    (text[..end].replace('_', ""), text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parse_duration("5 m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("24h"), Some(Duration::from_secs(86_400)));
        for wrong in ["", "10", "s", "1.5s", "-1s", "1s2", "99999999999999999999s", "9223372036854775807h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_comes_in_bytes_or_units() {
        assert_eq!(parse_bytes("64 MiB"), Some(64 << 20));
        assert_eq!(parse_bytes("1_000"), Some(1_000));
        assert_eq!(parse_bytes("2kB"), Some(2_000));
        for wrong in ["", "MiB", "64 mb", "1.5GiB", "99999999999GiB"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }
}
