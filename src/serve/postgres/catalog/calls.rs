//! What questions to the catalog compute with names, patterns and lists, in PostgreSQL's words.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, Int64Builder, ListArray, ListBuilder, StringArray,
    StringBuilder, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::{Result, exec_err};

use super::cells::numbers_type;
use super::numbers::quoted;

/// Of a series; the catalog's lists are as long as keys are.
const SERIES_MAX: usize = 10_000;

/// The names of those that no client writes itself.
pub(super) const SUBSCRIPTS: &str = "catalog_subscripts";
pub(super) const PLACES: &str = "catalog_places";
pub(super) const EXPANDED: &str = "catalog_expanded";
pub(super) const SERIES: &str = "catalog_series";
pub(super) const LIKE: &str = "catalog_like";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// The places of a list's elements, from 0 on.
    Subscripts,
    /// The same from 1 on.
    Places,
    /// The elements `x` of a list with their places `n`.
    Expanded,
    /// Whole numbers from one to another.
    Series,
    /// The first place of a list that has elements.
    Lower,
    /// The last one.
    Upper,
    /// Whether a text is like a pattern, in which a character says that the next one is itself.
    Like,
    /// A name as SQL has to have it.
    QuoteIdent,
    /// The names of a path.
    ParseIdent,
    /// A text with others in it.
    Format,
}

impl Call {
    pub(super) const ALL: [(&'static str, Call); 10] = [
        (SUBSCRIPTS, Call::Subscripts),
        (PLACES, Call::Places),
        (EXPANDED, Call::Expanded),
        (SERIES, Call::Series),
        ("array_lower", Call::Lower),
        ("array_upper", Call::Upper),
        (LIKE, Call::Like),
        ("quote_ident", Call::QuoteIdent),
        ("parse_ident", Call::ParseIdent),
        ("format", Call::Format),
    ];

    pub(super) fn return_type(self) -> DataType {
        match self {
            Call::Subscripts | Call::Places | Call::Series => numbers_type(),
            Call::Expanded => DataType::List(Field::new_list_field(DataType::Struct(expanded_fields()), true).into()),
            Call::Lower | Call::Upper => DataType::Int64,
            Call::Like => DataType::Boolean,
            Call::QuoteIdent | Call::Format => DataType::Utf8,
            Call::ParseIdent => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
        }
    }

    /// # Errors
    /// If there are too few arguments, or they are of other types.
    pub(super) fn of(self, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let argument = |place: usize, to: &DataType| match arguments.get(place) {
            Some(array) => Ok(cast(array, to)?),
            None => exec_err!("too few arguments"),
        };
        let texts = |place| argument(place, &DataType::Utf8);
        let numbers = |place| argument(place, &DataType::Int64);
        Ok(match self {
            Call::Subscripts => places(list(arguments)?, 0),
            Call::Places => places(list(arguments)?, 1),
            Call::Expanded => expanded(list(arguments)?)?,
            Call::Lower => Arc::new(bounds(list(arguments)?, &numbers(1)?, |_| 1)),
            Call::Upper => Arc::new(bounds(list(arguments)?, &numbers(1)?, |length| length)),
            Call::Series => {
                let step = if arguments.len() > 2 { Some(numbers(2)?) } else { None };
                series(&numbers(0)?, &numbers(1)?, step.as_ref())?
            }
            Call::Like => {
                let (given, patterns, escapes) = (texts(0)?, texts(1)?, texts(2)?);
                let rows = given.as_string::<i32>().iter().zip(patterns.as_string::<i32>());
                let rows = rows.zip(escapes.as_string::<i32>());
                let is_like = |((given, pattern), escape): ((Option<&str>, Option<&str>), Option<&str>)| {
                    Some(is_like(given?, pattern?, escape?.chars().next()))
                };
                Arc::new(rows.map(is_like).collect::<BooleanArray>())
            }
            Call::QuoteIdent => {
                let names = texts(0)?;
                Arc::new(names.as_string::<i32>().iter().map(|name| name.map(quoted)).collect::<StringArray>())
            }
            Call::ParseIdent => {
                let (paths, mut lists) = (texts(0)?, ListBuilder::new(StringBuilder::new()));
                for path in paths.as_string::<i32>() {
                    match path {
                        Some(path) => lists.append_value(path_names(path).into_iter().map(Some)),
                        None => lists.append_null(),
                    }
                }
                Arc::new(lists.finish())
            }
            Call::Format => {
                let texts = (0..arguments.len()).map(texts).collect::<Result<Vec<_>>>()?;
                let texts: Vec<&StringArray> = texts.iter().map(|array| array.as_string::<i32>()).collect();
                let Some((patterns, values)) = texts.split_first() else { return exec_err!("too few arguments") };
                let text = |(row, pattern): (usize, Option<&str>)| {
                    let value =
                        |place: usize| values.get(place).map(|values| values.is_valid(row).then(|| values.value(row)));
                    Ok(match pattern {
                        Some(pattern) => Some(formatted(pattern, value)?),
                        None => None,
                    })
                };
                Arc::new(patterns.iter().enumerate().map(text).collect::<Result<StringArray>>()?)
            }
        })
    }
}

fn expanded_fields() -> Fields {
    Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("n", DataType::Int64, true)])
}

fn list(arguments: &[ArrayRef]) -> Result<&ListArray> {
    match arguments.first().and_then(|array| array.as_list_opt::<i32>()) {
        Some(lists) => Ok(lists),
        None => exec_err!("a list is needed"),
    }
}

fn places(lists: &ListArray, first: i64) -> ArrayRef {
    let mut places = ListBuilder::new(Int64Builder::new());
    for row in 0..lists.len() {
        if lists.is_valid(row) {
            places.append_value((first..first + i64::from(lists.value_length(row))).map(Some));
        } else {
            places.append_null();
        }
    }
    Arc::new(places.finish())
}

fn expanded(lists: &ListArray) -> Result<ArrayRef> {
    let (mut elements, mut places, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        if lists.is_null(row) {
            lengths.push(0);
            continue;
        }
        let numbers = cast(&lists.value(row), &DataType::Int64)?;
        lengths.push(numbers.len());
        places.extend(1..=numbers.len() as i64);
        elements.extend(numbers.as_primitive::<Int64Type>().iter());
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(elements)), Arc::new(Int64Array::from(places))];
    let pairs = StructArray::try_new(expanded_fields(), columns, None)?;
    let item = Field::new_list_field(DataType::Struct(expanded_fields()), true);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item.into(), offsets, Arc::new(pairs), lists.nulls().cloned())?))
}

/// A bound of lists in their first dimension, of which there is no other here.
fn bounds(lists: &ListArray, dimensions: &ArrayRef, of: impl Fn(i64) -> i64) -> Int64Array {
    let dimensions = dimensions.as_primitive::<Int64Type>();
    let bound = |row: usize| {
        let length = if lists.is_valid(row) { i64::from(lists.value_length(row)) } else { 0 };
        (length > 0 && dimensions.is_valid(row) && dimensions.value(row) == 1).then(|| of(length))
    };
    (0..lists.len()).map(bound).collect()
}

fn series(from: &ArrayRef, to: &ArrayRef, step: Option<&ArrayRef>) -> Result<ArrayRef> {
    let (from, to) = (from.as_primitive::<Int64Type>(), to.as_primitive::<Int64Type>());
    let step = step.map(|step| step.as_primitive::<Int64Type>());
    let mut lists = ListBuilder::new(Int64Builder::new());
    for row in 0..from.len() {
        let step = step.map_or(Some(1), |step| step.is_valid(row).then(|| step.value(row)));
        let (Some(step), true, true) = (step, from.is_valid(row), to.is_valid(row)) else {
            lists.append_null();
            continue;
        };
        if step == 0 {
            return exec_err!("step size cannot equal zero");
        }
        let (mut next, to) = (from.value(row), to.value(row));
        let mut numbers = Vec::new();
        while (step > 0 && next <= to) || (step < 0 && next >= to) {
            if numbers.len() == SERIES_MAX {
                return exec_err!("a series of the catalog has at most {SERIES_MAX} numbers");
            }
            numbers.push(Some(next));
            let Some(following) = next.checked_add(step) else { break };
            next = following;
        }
        lists.append_value(numbers);
    }
    Ok(Arc::new(lists.finish()))
}

/// `public."My table"` as the names in it.
fn path_names(path: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = path.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => names.push(std::mem::take(&mut name)),
            plain if is_quoted => name.push(plain),
            plain => name.extend(plain.to_lowercase()),
        }
    }
    names.push(name);
    names
}

/// `%s` is a text, `%I` a name, `%L` a literal, `%%` is itself.
fn formatted<'a>(pattern: &str, value: impl Fn(usize) -> Option<Option<&'a str>>) -> Result<String> {
    let (mut out, mut place) = (String::new(), 0);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let kind = characters.next();
        if kind == Some('%') {
            out.push('%');
            continue;
        }
        let Some(value) = value(place) else { return exec_err!("too few arguments for format()") };
        place += 1;
        match (kind, value) {
            (Some('s'), value) => out.push_str(value.unwrap_or_default()),
            (Some('I'), Some(value)) => out.push_str(&quoted(value)),
            (Some('I'), None) => return exec_err!("null values cannot be formatted as an SQL identifier"),
            (Some('L'), None) => out.push_str("NULL"),
            (Some('L'), Some(value)) => out.push_str(&format!("'{}'", value.replace('\'', "''"))),
            _ => return exec_err!("format() takes `%s`, `%I`, `%L` and `%%`"),
        }
    }
    Ok(out)
}

/// Whether a text is like a pattern of `%` and `_`.
fn is_like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    let mut regex = String::from("(?s)^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            escaping if Some(escaping) == escape => {
                characters
                    .next()
                    .into_iter()
                    .for_each(|next| regex.push_str(&regex::escape(next.encode_utf8(&mut [0; 4]))));
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex::Regex::new(&(regex + "$")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_quoted_where_sql_would_read_them_otherwise() {
        let cases = [
            ("things", "things"),
            ("Things", "\"Things\""),
            ("a\"b", "\"a\"\"b\""),
            ("order", "\"order\""),
            ("", "\"\""),
        ];
        for (name, expected) in cases {
            assert_eq!(quoted(name), expected);
            assert_eq!(path_names(expected), [name]);
        }
        assert_eq!(path_names("Public.\"My.Table\""), ["public", "My.Table"]);
    }

    #[test]
    fn a_format_takes_its_values_in_order() {
        let format = |pattern, values: &[Option<&'static str>]| formatted(pattern, |place| values.get(place).copied());
        assert_eq!(format("%I.%I: %s %%", &[Some("a"), Some("B"), None]).unwrap(), "a.\"B\":  %");
        assert_eq!(format("%L, %L", &[Some("it's"), None]).unwrap(), "'it''s', NULL");
        for wrong in ["%I %s", "%d", "%"] {
            assert!(format(wrong, &[None]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_expanded_with_the_places_of_their_elements() {
        let lists =
            ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(7), Some(9)]), None, Some([Some(5), None])]);
        let lists: ArrayRef = Arc::new(lists);
        let expanded = Call::Expanded.of(std::slice::from_ref(&lists)).unwrap();
        assert_eq!(*expanded.data_type(), Call::Expanded.return_type());
        let expanded = expanded.as_list::<i32>();
        assert!(expanded.is_null(1));
        let last = expanded.value(2);
        let (x, n) = (last.as_struct().column(0).clone(), last.as_struct().column(1).clone());
        assert_eq!(x.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(5), None]);
        assert_eq!(n.as_primitive::<Int64Type>().values(), &[1, 2]);
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
        let upper = Call::Upper.of(&[lists, one.clone()]).unwrap();
        assert_eq!(upper.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(2), None, None]);
        let to: ArrayRef = Arc::new(Int64Array::from(vec![3, 0, 2]));
        let series = Call::Series.of(&[one.clone(), to]).unwrap();
        let lengths: Vec<i32> = (0..3).map(|row| series.as_list::<i32>().value_length(row)).collect();
        assert_eq!(lengths, [3, 0, 1]);
        let far: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX; 3]));
        assert!(Call::Series.of(&[one, far]).is_err());
    }
}
