//! A computed column becomes its declared type, without losing anything: rows whose value would change are named.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array, StringArray, make_comparator,
};
use arrow::compute::{CastOptions, SortOptions, can_cast_types, cast, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::json;
use super::number;
use super::shape::type_name;
use super::types::{DataType, Field as DeclaredField, FieldType};

/// How a column becomes its declared type.
#[derive(Debug)]
pub(super) struct Conversion {
    to: FieldType,
    /// The computed type, with types for what is nothing but NULL in it.
    given: ArrowType,
    arrow: ArrowType,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is of that type.
    Same,
    /// Cast; a value that the type has no room for becomes NULL, which is how it is noticed.
    Cast,
    /// Cast and cast back: a value that does not come back lost digits.
    RoundTrip,
    /// Text is read digit by digit, as in a payload.
    ReadDecimal { precision: u8, scale: i8 },
}

/// A converted column and the rows that may not be used.
pub(super) struct Converted {
    pub(super) values: ArrayRef,
    /// Row and what is wrong with it, ascending.
    pub(super) faults: Vec<(usize, String)>,
}

/// A pair of types of which one does not become the other.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConversion {
    /// The declared type as the configuration writes it.
    #[error("a value of type {from} does not become {to} by itself")]
    Whole { from: ArrowType, to: String },
    /// Members of a struct, each with the path to it from the column.
    #[error("the declared type has {}, which the value lacks", named(.0))]
    Lacking(Vec<String>),
    #[error("the value has {}, which the declared type lacks", named(.0))]
    Undeclared(Vec<String>),
    #[error(
        "the declared type has {}, which the value lacks, and the value has {}, which the declared type lacks",
        named(.lacking),
        named(.undeclared)
    )]
    Misnamed { lacking: Vec<String>, undeclared: Vec<String> },
    #[error("`{path}` is of type {from}, which does not become {to} by itself")]
    Member { path: String, from: ArrowType, to: String },
}

impl Conversion {
    /// The way from one type to the other.
    ///
    /// # Errors
    /// If values of the first type do not become values of the second without a decision of the author's.
    pub(super) fn new(from: &ArrowType, to: &FieldType) -> Result<Self, NoConversion> {
        let arrow = to.data_type.to_arrow();
        let given = if *from == ArrowType::Null { from.clone() } else { without_nulls(from, &arrow) };
        let text = is_text(from);
        let way = match to.data_type {
            _ if given == arrow => Way::Same,
            DataType::Decimal { precision, scale } if text => Way::ReadDecimal { precision, scale },
            // Text has room for everything, and what it says is not what another type would write.
            _ if text || is_text(&arrow) || *from == ArrowType::Null => Way::Cast,
            _ => Way::RoundTrip,
        };
        // A number says nothing about its unit.
        let unit = from.is_numeric() && arrow.is_temporal() || from.is_temporal() && arrow.is_numeric();
        let is_possible = match way {
            Way::Same => true,
            Way::Cast | Way::ReadDecimal { .. } => can_cast_types(&given, &arrow),
            Way::RoundTrip => can_cast_types(&given, &arrow) && can_cast_types(&arrow, &given),
        };
        // Structs whose members have other names would be cast all the same, the first to the first.
        let of_member = NoConversion::of_member(&given, &to.data_type, "");
        if unit || !is_possible || !can_cast_types(from, &given) || of_member.is_some() {
            let whole = || NoConversion::Whole { from: from.clone(), to: type_name(&to.data_type) };
            return Err(of_member.unwrap_or_else(whole));
        }
        Ok(Self { to: to.clone(), given, arrow, way })
    }

    /// Converts a column. Fails only where one row alone would fail the same way.
    pub(super) fn apply(&self, values: &ArrayRef) -> Result<Converted, ArrowError> {
        let source = match *values.data_type() == self.given {
            true => canonical(values.clone()),
            false => canonical(cast(values, &self.given)?),
        };
        let converted = match self.way {
            Way::Same => source.clone(),
            Way::Cast | Way::RoundTrip => canonical(cast_or_null(&source, &self.arrow)?),
            Way::ReadDecimal { precision, scale } => read_decimals(&source, precision, scale)?,
        };
        let changed = match self.way {
            Way::RoundTrip => Some(cast_or_null(&converted, source.data_type())?),
            _ => None,
        };
        let differs = match &changed {
            Some(back) => Some(make_comparator(&source, back, SortOptions::default())?),
            None => None,
        };
        let mut faults = Vec::new();
        let trusted = matches!(self.way, Way::Same) && self.to.data_type != DataType::Json;
        let sources = source.logical_nulls();
        for row in 0..converted.len() {
            let given = sources.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if !given {
                if self.to.required {
                    faults.push((row, "is NULL but required".to_owned()));
                }
                continue;
            }
            if trusted {
                continue;
            }
            let lost = converted.is_null(row) || differs.as_ref().is_some_and(|compare| compare(row, row).is_ne());
            if lost || self.to.data_type == DataType::Json && !is_json(&converted, row) {
                faults.push((row, self.describe(&source, row)));
            }
        }
        Ok(Converted { values: converted, faults })
    }

    fn describe(&self, source: &ArrayRef, row: usize) -> String {
        let value = ArrayFormatter::try_new(source, &FormatOptions::default())
            .map_or_else(|_| "the value".to_owned(), |formatter| formatter.value(row).to_string());
        match self.to.data_type {
            DataType::Json => format!("{value} is not JSON"),
            _ => format!("{value} does not become {} without loss", type_name(&self.to.data_type)),
        }
    }
}

impl NoConversion {
    /// What the author can do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            NoConversion::Lacking(_) => "write every declared member, as NULL where there is no value",
            NoConversion::Undeclared(_) => "leave it out of the expression, or declare it",
            NoConversion::Misnamed { .. } => "call each member as it is declared",
            NoConversion::Whole { .. } | NoConversion::Member { .. } => "convert it in the expression",
        }
    }

    /// Why a struct, or one within lists and maps, does not become the declared one: by its members, the outer ones first. None
    /// where no member is to blame.
    fn of_member(from: &ArrowType, to: &DataType, path: &str) -> Option<Self> {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match (from, to) {
            (ArrowType::Struct(given), DataType::Struct(declared)) => {
                let is_given = |field: &&DeclaredField| given.find(&field.name).is_some();
                let is_declared = |field: &&Arc<Field>| declared.iter().any(|one| one.name == *field.name());
                let lacking: Vec<String> =
                    declared.iter().filter(|field| !is_given(field)).map(|field| below(&field.name)).collect();
                let undeclared: Vec<String> =
                    given.iter().filter(|field| !is_declared(field)).map(|field| below(field.name())).collect();
                match (lacking.is_empty(), undeclared.is_empty()) {
                    (false, true) => Some(NoConversion::Lacking(lacking)),
                    (false, false) => Some(NoConversion::Misnamed { lacking, undeclared }),
                    (true, false) => Some(NoConversion::Undeclared(undeclared)),
                    (true, true) => declared.iter().find_map(|field| {
                        let (_, found) = given.find(&field.name)?;
                        Self::of_member(found.data_type(), &field.field_type.data_type, &below(&field.name))
                    }),
                }
            }
            (ArrowType::List(item), DataType::List(declared)) => {
                Self::of_member(item.data_type(), &declared.data_type, &format!("{path}[]"))
            }
            (ArrowType::Map(entries, _), DataType::Map(declared)) => {
                let ArrowType::Struct(entry) = entries.data_type() else { return None };
                Self::of_member(entry.get(1)?.data_type(), &declared.data_type, &format!("{path}[]"))
            }
            _ if path.is_empty() => None,
            (from, to) => {
                let arrow = to.to_arrow();
                let is_possible = can_cast_types(from, &arrow) && can_cast_types(&arrow, from);
                (!is_possible).then(|| NoConversion::Member {
                    path: path.to_owned(),
                    from: from.clone(),
                    to: type_name(to),
                })
            }
        }
    }
}

/// "`a`, `b`".
fn named(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A type in which each part that is nothing but NULL has the type of that part of another one: NULL is a value of every type, and of
/// no type alone that could be compared.
fn without_nulls(from: &ArrowType, to: &ArrowType) -> ArrowType {
    let field = |from: &Field, to: &Field| from.clone().with_data_type(without_nulls(from.data_type(), to.data_type()));
    match (from, to) {
        (ArrowType::Null, to) => to.clone(),
        (ArrowType::Struct(fields), ArrowType::Struct(others)) => {
            let of_name = |one: &Field| others.iter().find(|other| other.name() == one.name());
            let typed =
                fields.iter().map(|one| of_name(one).map_or_else(|| one.as_ref().clone(), |other| field(one, other)));
            ArrowType::Struct(typed.collect::<Fields>())
        }
        (ArrowType::List(item), ArrowType::List(other)) => ArrowType::List(Arc::new(field(item, other))),
        (ArrowType::Map(entries, is_sorted), ArrowType::Map(others, _)) => {
            ArrowType::Map(Arc::new(field(entries, others)), *is_sorted)
        }
        (from, _) => from.clone(),
    }
}

fn is_text(arrow: &ArrowType) -> bool {
    matches!(arrow, ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View)
}

fn is_json(values: &ArrayRef, row: usize) -> bool {
    values.as_string_opt::<i32>().is_some_and(|text| json::check(text.value(row)).is_ok())
}

fn cast_or_null(values: &ArrayRef, to: &ArrowType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(values, to, &CastOptions { safe: true, format_options: FormatOptions::default() })
}

/// One NaN and no minus zero, so that equal values are the same.
fn canonical(values: ArrayRef) -> ArrayRef {
    if let Some(floats) = values.as_primitive_opt::<Float32Type>() {
        let canonical: Float32Array = floats.unary(|value| if value.is_nan() { f32::NAN } else { value + 0.0 });
        return Arc::new(canonical);
    }
    let Some(floats) = values.as_primitive_opt::<Float64Type>() else { return values };
    let canonical: Float64Array = floats.unary(|value| if value.is_nan() { f64::NAN } else { value + 0.0 });
    Arc::new(canonical)
}

fn read_decimals(values: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef, ArrowError> {
    let text = cast(values, &ArrowType::Utf8)?;
    let text: &StringArray = text.as_string();
    let read = |text: Option<&str>| text.and_then(|text| number::decimal(text, precision, scale).ok());
    let decimals: Decimal128Array = text.iter().map(read).collect();
    Ok(Arc::new(decimals.with_precision_and_scale(precision, scale)?))
}
