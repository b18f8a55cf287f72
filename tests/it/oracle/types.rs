//! Random event types: fields of every type, and payloads that have them, or have them wrong.

use super::case::TypeDeclaration;

/// What the generators know of a column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Int32,
    Int,
    Float,
    Decimal,
    Text,
    Bool,
    Date,
    Timestamp,
    Json,
    List(Box<Type>),
    Map(Box<Type>),
    Struct(Vec<(String, Type)>),
}

/// A declared event type.
#[derive(Debug, Clone)]
pub(super) struct EventType {
    pub(super) source: String,
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) field_type: Type,
    pub(super) required: bool,
}

impl Type {
    fn written(&self) -> String {
        match self {
            Type::Int32 => "int32".into(),
            Type::Int => "int64".into(),
            Type::Float => "float64".into(),
            Type::Decimal => "decimal(9,2)".into(),
            Type::Text => "string".into(),
            Type::Bool => "bool".into(),
            Type::Date => "date".into(),
            Type::Timestamp => "timestamp".into(),
            Type::Json => "json".into(),
            Type::List(item) => format!("list<{}>", item.written()),
            Type::Map(value) => format!("map<string,{}>", value.written()),
            Type::Struct(fields) => {
                let fields = fields.iter().map(|(name, field_type)| format!("{name}: {}", field_type.written()));
                format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Types that have an order in SQL.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Type::Json | Type::List(_) | Type::Map(_) | Type::Struct(_))
    }

    /// Whether one may stand for the other in an expression.
    pub(super) fn is_like(&self, other: &Type) -> bool {
        let wide = |one: &Type| if *one == Type::Int32 { Type::Int } else { one.clone() };
        wide(self) == wide(other)
    }
}

impl EventType {
    pub(super) fn declaration(&self) -> TypeDeclaration {
        let fields = self.fields.iter().map(|field| {
            let mark = if field.required { "!" } else { "" };
            format!("{}: \"{}{mark}\"", field.name, field.field_type.written())
        });
        let fields = format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
        TypeDeclaration { source: self.source.clone(), name: self.name.clone(), fields }
    }
}

const SCALARS: [Type; 8] =
    [Type::Int, Type::Float, Type::Decimal, Type::Text, Type::Bool, Type::Date, Type::Timestamp, Type::Int32];

/// One to three sources with one to three event types each.
pub(super) fn event_types(random: &mut fastrand::Rng) -> Vec<EventType> {
    let mut types = Vec::new();
    for source in 0..[1, 1, 2, 3][random.usize(..4)] {
        for name in ["aa", "bb", "cc"].iter().take(random.usize(1..=3)) {
            // The first fields are always there, so that every query finds something to compute with.
            let mut fields = vec![
                Field { name: "n".into(), field_type: Type::Int, required: random.u8(..4) == 0 },
                Field { name: "t".into(), field_type: Type::Text, required: random.u8(..4) == 0 },
            ];
            for place in 0..random.usize(1..=4) {
                let required = random.u8(..6) == 0;
                fields.push(Field { name: format!("f{place}"), field_type: field_type(random), required });
            }
            types.push(EventType { source: format!("s{source}"), name: (*name).to_owned(), fields });
        }
    }
    types
}

fn scalar(random: &mut fastrand::Rng) -> Type {
    SCALARS[random.usize(..SCALARS.len())].clone()
}

fn field_type(random: &mut fastrand::Rng) -> Type {
    match random.u8(..14) {
        0 => Type::Json,
        1 | 2 => Type::List(Box::new(scalar(random))),
        3 => Type::List(Box::new(structure(random))),
        4 => Type::Map(Box::new(Type::Int)),
        5 => structure(random),
        _ => scalar(random),
    }
}

fn structure(random: &mut fastrand::Rng) -> Type {
    Type::Struct(vec![("x".into(), scalar(random)), ("y".into(), Type::Text)])
}

/// A JSON value of the type from a small choice, so that values repeat.
pub(super) fn value(random: &mut fastrand::Rng, of: &Type) -> String {
    let one = |random: &mut fastrand::Rng, choice: &[&str]| choice[random.usize(..choice.len())].to_owned();
    match of {
        Type::Int32 => one(random, &["0", "1", "2", "-1", "7"]),
        Type::Int => {
            one(random, &["0", "0", "1", "1", "1", "2", "2", "3", "-1", "10", "1000000007", "9223372036854775807"])
        }
        Type::Float => one(random, &["0.0", "-0.0", "1.5", "-1.5", "2", "0.1", "0.2", "1e300", "-1e300", "1e-9"]),
        Type::Decimal => one(random, &["0", "0.00", "1.10", "-1.10", "2.5", "99999.99", "\"3.33\""]),
        Type::Text => {
            one(random, &["\"\"", "\"a\"", "\"a\"", "\"b\"", "\"B\"", "\"12\"", "\"é\"", "\"x y\"", "\"aa\""])
        }
        Type::Bool => one(random, &["true", "false"]),
        Type::Date => one(random, &["\"2024-01-01\"", "\"2024-02-29\"", "\"1969-12-31\""]),
        Type::Timestamp => {
            one(random, &["\"2024-01-01T00:00:00Z\"", "\"2024-01-01T01:30:00Z\"", "\"2024-01-02T00:00:00.5Z\""])
        }
        Type::Json => one(random, &["{\"a\": 1, \"b\": \"x\"}", "[1, 2]", "\"a\"", "{\"a\": null}", "{}", "1.50"]),
        Type::List(item) => {
            let items: Vec<String> = (0..random.usize(..4)).map(|_| value_or_null(random, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Map(item) => {
            let keys = ["k", "l", "m"].iter().take(random.usize(..4));
            let entries: Vec<String> = keys.map(|key| format!("\"{key}\": {}", value_or_null(random, item))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Type::Struct(fields) => {
            let fields = fields.iter().map(|(name, of)| format!("\"{name}\": {}", value_or_null(random, of)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

pub(super) fn value_or_null(random: &mut fastrand::Rng, of: &Type) -> String {
    if random.u8(..4) == 0 { "null".to_owned() } else { value(random, of) }
}
