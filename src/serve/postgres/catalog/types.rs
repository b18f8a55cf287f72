//! The types as the catalog lists them.

use pgwire::api::Type;

use super::super::types::{array_of, size};

/// Those that columns and parameters have here, with the letter of their category.
pub(super) const TYPES: [(Type, &str); 22] = [
    (Type::BOOL, "B"),
    (Type::BYTEA, "U"),
    (Type::CHAR, "Z"),
    (Type::NAME, "S"),
    (Type::INT8, "N"),
    (Type::INT2, "N"),
    (Type::INT4, "N"),
    (Type::TEXT, "S"),
    (Type::OID, "N"),
    (Type::JSON, "U"),
    (Type::FLOAT4, "N"),
    (Type::FLOAT8, "N"),
    (Type::BPCHAR, "S"),
    (Type::VARCHAR, "S"),
    (Type::DATE, "D"),
    (Type::TIME, "D"),
    (Type::TIMESTAMP, "D"),
    (Type::TIMESTAMPTZ, "D"),
    (Type::INTERVAL, "T"),
    (Type::NUMERIC, "N"),
    (Type::UUID, "U"),
    (Type::JSONB, "U"),
];

/// Of a `numeric`, as in a description of columns.
const MODIFIER_HEADER: i64 = 4;

/// What SQL calls a type.
fn written(name: &str) -> &str {
    match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "varchar" => "character varying",
        "bpchar" => "character",
        "time" => "time without time zone",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "char" => "\"char\"",
        name => name,
    }
}

/// A type by its number and modifier as SQL calls it: `numeric(9,2)`, `text[]`.
pub(super) fn formatted(number: i64, modifier: Option<i64>) -> String {
    let of = u32::try_from(number).ok().and_then(Type::from_oid);
    let Some(of) = of else { return if number == 0 { "-".to_owned() } else { "???".to_owned() } };
    match (of.name().strip_prefix('_'), modifier.filter(|modifier| *modifier >= MODIFIER_HEADER)) {
        (Some(element), _) => format!("{}[]", written(element)),
        (None, Some(modifier)) if of == Type::NUMERIC => {
            let modifier = modifier - MODIFIER_HEADER;
            format!("numeric({},{})", modifier >> 16, modifier & 0xffff)
        }
        (None, _) => written(of.name()).to_owned(),
    }
}

/// The type of arrays of a type, by number; 0 for none.
pub(super) fn array_number(of: &Type) -> i64 {
    array_of(of).map_or(0, |array| i64::from(array.oid()))
}

pub(super) fn length(of: &Type) -> i64 {
    i64::from(size(of))
}
