//! The language of types: `decimal(18,2)!`, `list<Line>`, `map<string,int64>`. Named types are the declaring source's.

use std::iter::Peekable;
use std::str::CharIndices;

use super::named_types::NamedTypes;
use super::suggest::{did_you_mean, join};
use crate::event::{DataType, Field, FieldType, TimestampFormat};

/// A mistake in a type's text, with its span (characters, from 0; number of characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldTypeError {
    pub at: usize,
    pub length: usize,
    pub message: String,
    pub hint: String,
}

const SCALARS: &[(&str, DataType)] = &[
    ("string", DataType::String),
    ("bool", DataType::Bool),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("date", DataType::Date),
    ("timestamp", DataType::Timestamp(TimestampFormat::Rfc3339)),
    ("json", DataType::Json),
];

/// Names that other languages use for the same things, and ours, to stand between backticks.
const FOREIGN: &[(&str, &str)] = &[
    ("text", "string"),
    ("varchar", "string"),
    ("char", "string"),
    ("uuid", "string"),
    ("boolean", "bool"),
    ("int", "int64"),
    ("integer", "int64"),
    ("long", "int64"),
    ("bigint", "int64"),
    ("smallint", "int32"),
    ("float", "float64"),
    ("real", "float32"),
    ("double", "float64"),
    ("number", "float64` or `decimal(18,2)"),
    ("numeric", "decimal(18,2)"),
    ("money", "decimal(18,2)"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp"),
    ("time", "timestamp"),
    ("object", "json` or `struct<…>"),
    ("array", "list<…>"),
    ("dict", "map<string,…>"),
];

/// Whether a word already has a meaning in types, so that no named type may take it.
pub(super) fn is_builtin(name: &str) -> bool {
    SCALARS.iter().any(|(known, _)| *known == name) || ["decimal", "list", "map", "struct"].contains(&name)
}

/// Reads a whole type.
pub(super) fn parse(text: &str, named: &NamedTypes<'_>) -> Result<FieldType, FieldTypeError> {
    let mut parser = Parser { text, rest: text.char_indices().peekable(), named };
    let field_type = parser.field_type()?;
    match parser.next_place() {
        None => Ok(field_type),
        Some(_) => Err(parser.wrong("nothing more is expected here", "a type ends with its name, `>` or `)`, and `!`")),
    }
}

/// The type as it is written.
pub(super) fn describe(field_type: &FieldType) -> String {
    let required = if field_type.required { "!" } else { "" };
    let name = match &field_type.data_type {
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        DataType::List(item) => format!("list<{}>", describe(item)),
        DataType::Map(value) => format!("map<string,{}>", describe(value)),
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name, describe(&field.field_type))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Timestamp(_) => "timestamp".to_owned(),
        scalar => SCALARS.iter().find(|(_, known)| known == scalar).map_or("", |(name, _)| name).to_owned(),
    };
    format!("{name}{required}")
}

struct Parser<'a, 'n> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    named: &'a NamedTypes<'n>,
}

impl<'a> Parser<'a, '_> {
    fn field_type(&mut self) -> Result<FieldType, FieldTypeError> {
        let data_type = self.data_type()?;
        let required = self.accept('!');
        Ok(FieldType { data_type, required })
    }

    fn data_type(&mut self) -> Result<DataType, FieldTypeError> {
        let start = self.next_place().unwrap_or(self.text.len());
        let name = self.word();
        match name {
            "" => {
                Err(self
                    .wrong("a type is missing here", "such as `string`, `int64!`, `decimal(18,2)` or `list<string>`"))
            }
            "decimal" => self.decimal(),
            "list" => {
                self.expect('<', "write what it is a list of: `list<string>`")?;
                let item = self.field_type()?;
                self.expect('>', "close the list: `list<string>`")?;
                Ok(DataType::List(Box::new(item)))
            }
            "map" => self.map(),
            "struct" => self.structure(),
            name => match SCALARS.iter().find(|(known, _)| *known == name) {
                Some((_, data_type)) => Ok(data_type.clone()),
                None => self.named_type(name, start),
            },
        }
    }

    fn named_type(&self, name: &str, start: usize) -> Result<DataType, FieldTypeError> {
        let wrong = |message: String, hint: String| FieldTypeError {
            at: self.text[..start].chars().count(),
            length: name.chars().count(),
            message,
            hint,
        };
        match self.named.resolve(name) {
            Some(resolved) => resolved.map_err(|(message, hint)| wrong(message, hint)),
            None => {
                let mut known = self.named.names();
                known.extend(SCALARS.iter().map(|(name, _)| (*name).to_owned()));
                known.extend(["decimal", "list", "map", "struct"].map(str::to_owned));
                let foreign = FOREIGN.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
                let hint = foreign
                    .map(|(_, ours)| format!("write `{ours}`"))
                    .or_else(|| did_you_mean(name, &known))
                    .unwrap_or_else(|| format!("types are {}, or declare it under `types`", join(&known)));
                Err(wrong(format!("there is no type `{name}`"), hint))
            }
        }
    }

    fn decimal(&mut self) -> Result<DataType, FieldTypeError> {
        let hint =
            "give precision and scale: `\"decimal(18,2)\"`, in quotes within `{…}`, where a comma ends the value";
        self.expect('(', hint)?;
        let precision = self.number(1..=38, "the precision of a decimal is a number from 1 to 38")?;
        self.expect(',', hint)?;
        let scale = self.number(0..=precision, "the scale of a decimal is a number from 0 to its precision")?;
        self.expect(')', hint)?;
        Ok(DataType::Decimal { precision, scale: scale as i8 })
    }

    fn map(&mut self) -> Result<DataType, FieldTypeError> {
        let hint = "write `\"map<string,int64>\"`, in quotes within `{…}`, where a comma ends the value";
        self.expect('<', hint)?;
        let before = self.rest.clone();
        if self.word() != "string" {
            self.rest = before;
            return Err(self.wrong("the keys of a map are strings", hint));
        }
        self.accept('!');
        self.expect(',', hint)?;
        let value = self.field_type()?;
        self.expect('>', hint)?;
        Ok(DataType::Map(Box::new(value)))
    }

    fn structure(&mut self) -> Result<DataType, FieldTypeError> {
        let hint = "write `\"struct<street: string, zip: string!>\"`, in quotes";
        self.expect('<', hint)?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.word().to_owned();
            if name.is_empty() {
                return Err(self.wrong("the name of a field is missing here", hint));
            }
            if fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name)) {
                return Err(self.wrong(&format!("the struct has two fields `{name}`"), "remove one of them"));
            }
            self.expect(':', hint)?;
            fields.push(Field { name, field_type: self.field_type()?, from: None });
            if !self.accept(',') {
                break;
            }
        }
        self.expect('>', hint)?;
        Ok(DataType::Struct(fields))
    }

    /// The next word: letters, digits and `_`.
    fn word(&mut self) -> &'a str {
        let start = self.next_place().unwrap_or(self.text.len());
        while self.rest.next_if(|(_, c)| c.is_alphanumeric() || *c == '_').is_some() {}
        let end = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        &self.text[start..end]
    }

    fn number(&mut self, range: std::ops::RangeInclusive<u8>, message: &str) -> Result<u8, FieldTypeError> {
        let before = self.rest.clone();
        match self.word().parse::<u8>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                self.rest = before;
                Err(self.wrong(message, "such as `decimal(18,2)`"))
            }
        }
    }

    fn accept(&mut self, expected: char) -> bool {
        self.next_place();
        self.rest.next_if(|(_, c)| *c == expected).is_some()
    }

    fn expect(&mut self, expected: char, hint: &str) -> Result<(), FieldTypeError> {
        if self.accept(expected) { Ok(()) } else { Err(self.wrong(&format!("`{expected}` is missing here"), hint)) }
    }

    /// Where the next character that is no white space stands, in bytes.
    fn next_place(&mut self) -> Option<usize> {
        while self.rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        self.rest.peek().map(|(at, _)| *at)
    }

    /// Something is wrong at the next character.
    fn wrong(&mut self, message: &str, hint: &str) -> FieldTypeError {
        let at = self.next_place().unwrap_or(self.text.len());
        let message = format!("`{}` is not a type: {message}", self.text);
        FieldTypeError { at: self.text[..at].chars().count(), length: 1, message, hint: hint.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type that is read and written again, or its error with a `^` before the place.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let actual = match parse(text, &NamedTypes::default()) {
            Ok(field_type) => describe(&field_type),
            Err(wrong) => format!("{} at {} | {}", wrong.message, wrong.at, wrong.hint),
        };
        assert!(actual.contains(expected), "{text}: {actual}");
    }

    #[test]
    fn types_are_read_as_written() {
        for text in [
            "string!",
            "decimal(38,38)!",
            "list<list<int64!>!>!",
            "map<string,list<decimal(18,2)>>",
            "struct<a: int64!, b: struct<c: timestamp>>",
            "json",
        ] {
            check(text, text);
        }
        check(" map < string! , bool ! > ! ", "map<string,bool!>!");
    }

    #[test]
    fn mistakes_are_placed_and_explained() {
        check("", "a type is missing here at 0");
        check("list<>", "a type is missing here at 5");
        check("list<string", "`>` is missing here at 11");
        check("integer", "there is no type `integer` at 0 | write `int64`");
        check("list<sting>", "there is no type `sting` at 5 | did you mean `string`?");
        check("decimal", "`(` is missing here at 7");
        check("decimal(39,2)", "number from 1 to 38 at 8");
        check("decimal(4,5)", "from 0 to its precision at 10");
        check("map<int64,string>", "the keys of a map are strings at 4");
        check("struct<a: int64, A: int64>", "two fields `A`");
        check("string!!", "nothing more is expected here at 7");
        check("string?", "nothing more is expected here at 6");
    }
}
