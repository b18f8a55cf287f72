//! Which type a column gets that reads everything that was seen at its place, and what is doubtful about it.

use super::names::{has_word, nested_name};
use super::observed::{Member, Members, Numbers, Observed, Texts};
use crate::event::{Naming, TimestampFormat};

/// Texts that are so few, and so often the same, are an enumeration.
const ENUMERATION_MAX: usize = 12;
const ENUMERATION_REPEATS: u64 = 4;
/// An object of more names, each in few of the objects, is a map.
const MAP_LEAST: usize = 16;
/// Digits of a decimal, unless there are more.
const PRECISION: usize = 18;
const PRECISION_MAX: usize = 38;
/// Money has as many digits behind the point, or more.
const SCALE_LEAST: usize = 2;
/// What is measured and computed has more, and is a float.
const SCALE_MAX: usize = 6;

/// A column, or a member of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// JSON pointer, where the name does not say it.
    pub(super) from: Option<String>,
    pub(super) value: Typed,
    /// Values of an enumeration, for a comment.
    pub(super) values: Vec<String>,
    /// What a person should look at.
    pub(super) doubt: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typed {
    pub(super) kind: Kind,
    pub(super) required: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int64,
    Float64,
    Decimal { precision: usize, scale: usize },
    Date,
    Timestamp(TimestampFormat),
    Json,
    List(Box<Typed>),
    Map(Box<Typed>),
    Struct(Vec<Column>),
}

/// A kind, and what is doubtful about it.
type Judged = (Kind, Option<String>);

/// The kind that reads all of it. `name` says what a number may be.
pub(super) fn kind(name: &str, observed: &Observed, naming: Naming) -> Judged {
    let Observed { bools, numbers, texts, lists, objects, opaque, .. } = observed;
    let kinds = [*bools, numbers.count, texts.count, *lists, *objects, *opaque];
    if *opaque > 0 {
        return json("some values are nested deeper than is looked at, or are not Unicode");
    }
    match kinds.iter().filter(|count| **count > 0).count() {
        0 => return json("only null was seen"),
        // Decimals are read from both.
        2 if numbers.count > 0 && texts.count > 0 => {
            return of_both(numbers, texts).map_or_else(|| json(&mixed(observed)), |kind| (kind, None));
        }
        1 => {}
        _ => return json(&mixed(observed)),
    }
    if *bools > 0 {
        (Kind::Bool, None)
    } else if numbers.count > 0 {
        of_numbers(name, numbers)
    } else if texts.count > 0 {
        of_texts(name, texts)
    } else if *lists > 0 {
        of_lists(name, observed.items.as_deref(), naming)
    } else {
        of_objects(name, observed, naming)
    }
}

fn json(doubt: &str) -> Judged {
    (Kind::Json, Some(doubt.to_owned()))
}

fn mixed(observed: &Observed) -> String {
    let Observed { bools, numbers, texts, lists, objects, .. } = observed;
    let kinds = [
        (*bools, "truth values"),
        (numbers.count, "numbers"),
        (texts.count, "texts"),
        (*lists, "lists"),
        (*objects, "objects"),
    ];
    let seen = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    format!("{} were seen here", seen.collect::<Vec<_>>().join(", "))
}

fn of_numbers(name: &str, numbers: &Numbers) -> Judged {
    if numbers.is_infinite {
        return json("some numbers are beyond a float");
    }
    if let Some((least, greatest)) = numbers.range {
        return match epoch(least, greatest) {
            Some(format) if has_word(name, &["at", "time", "timestamp", "ts", "date", "on"]) => {
                let doubt = format!("taken for a time because of its name and size, as {}", format.name());
                (Kind::Timestamp(format), Some(doubt))
            }
            _ => (Kind::Int64, None),
        };
    }
    if numbers.has_exponents {
        return (Kind::Float64, None);
    }
    match decimal(numbers.whole, numbers.fraction) {
        Some(kind) if numbers.fraction == 0 => (kind, Some("some numbers need more than 64 bits".to_owned())),
        Some(kind) if numbers.fraction <= SCALE_MAX => (kind, None),
        _ if numbers.whole + numbers.fraction > PRECISION_MAX => {
            json("some numbers have more digits than a type keeps")
        }
        _ => (Kind::Float64, Some("digits beyond those of a float are lost; a decimal would keep them".to_owned())),
    }
}

fn of_texts(name: &str, texts: &Texts) -> Judged {
    let Texts { count, timestamps, http_dates, dates, decimals, .. } = *texts;
    if timestamps == count {
        return (Kind::Timestamp(TimestampFormat::Rfc3339), None);
    }
    if dates == count {
        return (Kind::Date, None);
    }
    if http_dates == count {
        return (Kind::Timestamp(TimestampFormat::Rfc1123), None);
    }
    // What is written as `1.10` and is a version is not a number.
    if decimals == count
        && !has_word(name, &["version", "revision", "release"])
        && let Some(kind) = decimal(texts.whole, texts.fraction)
    {
        return (kind, None);
    }
    let nearly = |some: u64| some * 10 >= count * 9 && some < count;
    let doubt = [(timestamps, "times"), (dates, "dates"), (decimals, "decimals")];
    let doubt = doubt.iter().find(|(some, _)| nearly(*some));
    (Kind::Text, doubt.map(|(some, what)| format!("{some} of {count} values are {what}, the others are not")))
}

/// Numbers and texts that are decimals, all of them.
fn of_both(numbers: &Numbers, texts: &Texts) -> Option<Kind> {
    let is_decimal = texts.decimals == texts.count && !numbers.has_exponents && !numbers.is_infinite;
    let kind = decimal(numbers.whole.max(texts.whole), numbers.fraction.max(texts.fraction));
    kind.filter(|_| is_decimal)
}

fn decimal(whole: usize, fraction: usize) -> Option<Kind> {
    let scale = if fraction == 0 { 0 } else { fraction.max(SCALE_LEAST) };
    let precision = (whole + scale).max(PRECISION);
    (precision <= PRECISION_MAX).then_some(Kind::Decimal { precision, scale })
}

/// The unit in which all of a range are times of this century.
pub(super) fn epoch(least: i64, greatest: i64) -> Option<TimestampFormat> {
    let units = [
        (1, TimestampFormat::EpochS),
        (1_000, TimestampFormat::EpochMs),
        (1_000_000, TimestampFormat::EpochUs),
        (1_000_000_000, TimestampFormat::EpochNs),
    ];
    let fits = |unit: i64| least >= 946_684_800 * unit && greatest < 4_102_444_800_i64.saturating_mul(unit);
    units.into_iter().find(|(unit, _)| fits(*unit)).map(|(_, format)| format)
}

fn of_lists(name: &str, items: Option<&Observed>, naming: Naming) -> Judged {
    let Some(items) = items else {
        let item = Typed { kind: Kind::Json, required: false };
        return (Kind::List(Box::new(item)), Some("only empty lists were seen".to_owned()));
    };
    let (kind, doubt) = part(name, items, naming);
    (Kind::List(Box::new(Typed { kind, required: items.nulls == 0 })), doubt)
}

/// The kind of what is in a list or a map, where no format can be declared.
fn part(name: &str, observed: &Observed, naming: Naming) -> Judged {
    match kind(name, observed, naming) {
        (Kind::Timestamp(TimestampFormat::Rfc3339), doubt) => (Kind::Timestamp(TimestampFormat::Rfc3339), doubt),
        (Kind::Timestamp(TimestampFormat::Rfc1123), _) => (Kind::Text, None),
        (Kind::Timestamp(_), _) => (Kind::Int64, None),
        other => other,
    }
}

fn of_objects(name: &str, observed: &Observed, naming: Naming) -> Judged {
    let Members { list, has_others, .. } = &observed.members;
    let is_rare = |member: &Member| member.present * 2 < observed.objects;
    if *has_others || list.len() >= MAP_LEAST && list.iter().all(is_rare) {
        let mut values = Observed::default();
        list.iter().for_each(|member| values.merge(&member.observed));
        let (kind, _) = part(name, &values, naming);
        // Names that were not looked at may have other values.
        let (kind, required) = if *has_others { (Kind::Json, false) } else { (kind, values.nulls == 0) };
        let doubt = "taken for a map, because each name is in few of the objects".to_owned();
        return (Kind::Map(Box::new(Typed { kind, required })), Some(doubt));
    }
    let mut columns: Vec<Column> = Vec::new();
    for member in list {
        let Some(name) = nested_name(&member.name, naming) else {
            return json(&format!("no member of a struct can be named `{}`", shown(&member.name)));
        };
        if columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name)) {
            return json(&format!("two members differ in nothing but capitals: `{name}`"));
        }
        columns.push(column(name, None, member, observed.objects, naming));
    }
    if columns.is_empty() {
        return json("only empty objects were seen");
    }
    (Kind::Struct(columns), None)
}

/// The column of a member of `objects` objects.
pub(super) fn column(name: String, from: Option<String>, member: &Member, objects: u64, naming: Naming) -> Column {
    let (kind, doubt) = kind(&member.name, &member.observed, naming);
    let required = member.present == objects && member.observed.nulls == 0;
    let is_name_of_one = has_word(&member.name, &["id", "key", "uuid", "code", "number"]);
    let values = if is_name_of_one { Vec::new() } else { enumeration(&kind, &member.observed.texts) };
    Column { name, from, value: Typed { kind, required }, values, doubt }
}

/// The values of a text that has few, and has them again and again.
fn enumeration(kind: &Kind, texts: &Texts) -> Vec<String> {
    let is_one = *kind == Kind::Text
        && !texts.has_others
        && (2..=ENUMERATION_MAX).contains(&texts.values.len())
        && texts.count >= texts.values.len() as u64 * ENUMERATION_REPEATS;
    if is_one { texts.values.keys().map(|value| shown(value)).collect() } else { Vec::new() }
}

/// A text on one line of a comment.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{85}');
    let printable: String = short.chars().map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect();
    if printable.is_empty() { "\"\"".to_owned() } else { printable + cut }
}

impl Column {
    /// Its own doubt and those of the members of its structs, each with the way to it.
    pub(super) fn all_doubts(&self) -> Vec<(String, &String)> {
        let mut doubts: Vec<(String, &String)> = self.doubt.iter().map(|doubt| (self.name.clone(), doubt)).collect();
        let mut below = &self.value.kind;
        while let Kind::List(value) | Kind::Map(value) = below {
            below = &value.kind;
        }
        if let Kind::Struct(columns) = below {
            let nested = columns.iter().flat_map(Column::all_doubts);
            doubts.extend(nested.map(|(at, doubt)| (format!("{}.{at}", self.name), doubt)));
        }
        doubts
    }
}
