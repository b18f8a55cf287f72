//! The types as the catalog lists them, and the functions that read and write their values.

use arrow::error::ArrowError;
use pgwire::api::Type;

use super::super::types::{array_of, size};
use super::cells::Cell::{self, Bool, Int, Ints, Null};
use super::cells::{Tables, text};
use super::numbers::{Numbers, OWNER, PG_CATALOG, number};

const TYPE: &str = "pg_type: oid o typname t typnamespace o typowner o typlen i typbyval b typtype t typcategory t typispreferred b typisdefined b typdelim t typrelid o typsubscript o typelem o typarray o typinput o typoutput o typreceive o typsend o typmodin o typmodout o typanalyze o typalign t typstorage t typnotnull b typbasetype o typtypmod i typndims i typcollation o typdefaultbin t typdefault t typacl s";
const FUNCTION: &str = "pg_proc: oid o proname t pronamespace o proowner o prolang o procost i prorows i provariadic o prosupport o prokind t prosecdef b proleakproof b proisstrict b proretset b provolatile t proparallel t pronargs i pronargdefaults i prorettype o proargtypes w proallargtypes l proargmodes s proargnames s proargdefaults t protrftypes l prosrc t probin t prosqlbody t proconfig s proacl s";

/// Those that columns and parameters have here, with the letter of their category.
const TYPES: [(Type, &str); 22] = [
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

/// Adds the tables, and what their numbers mean.
pub(super) fn add(tables: &mut Tables, numbers: &mut Numbers) -> Result<(), ArrowError> {
    let mut types = Vec::new();
    for (of, category) in &TYPES {
        let (oid, array) = (i64::from(of.oid()), array_number(of));
        types.push(type_row(oid, of.name(), length(of), category, (0, array), numbers));
        if array != 0 {
            types.push(type_row(array, &format!("_{}", of.name()), -1, "A", (oid, 0), numbers));
        }
    }
    tables.add(TYPE, &types)?;
    let functions: Vec<Vec<Cell>> =
        numbers.functions.iter().map(|(name, number)| function_row(*number, name)).collect();
    tables.add(FUNCTION, &functions)
}

/// `of`: the type of its elements, and that of its arrays.
fn type_row(oid: i64, name: &str, length: i64, category: &str, of: (i64, i64), numbers: &mut Numbers) -> Vec<Cell> {
    let (element, array) = of;
    numbers.types.insert(name.to_owned(), oid);
    let by_value = (1..=8).contains(&length);
    let mut function = |of: &str| {
        // Some have one more line in their names: `date_in`, and `int8in`.
        let parted = if element != 0
            || ["date", "time", "interval", "numeric", "uuid", "json"].iter().any(|begin| name.starts_with(begin))
        {
            "_"
        } else {
            ""
        };
        let name = format!("{}{parted}{of}", if element != 0 { "array" } else { name });
        let oid = number("function", &name);
        numbers.functions.insert(name, oid);
        Int(oid)
    };
    let functions = [function("in"), function("out"), function("recv"), function("send")];
    let mut row = vec![
        Int(oid),
        text(name),
        Int(PG_CATALOG),
        Int(OWNER),
        Int(length),
        Bool(by_value),
        text("b"),
        text(category),
        Bool(false),
        Bool(true),
        text(","),
        Int(0),
        Int(0),
        Int(element),
        Int(array),
    ];
    row.extend(functions);
    row.extend([
        Int(0),
        Int(0),
        Int(0),
        text("i"),
        text(if length > 0 { "p" } else { "x" }),
        Bool(false),
        Int(0),
        Int(-1),
        Int(0),
        Int(if category == "S" { 100 } else { 0 }),
        Null,
        Null,
        Null,
    ]);
    row
}

/// A function of the system itself.
fn function_row(oid: i64, name: &str) -> Vec<Cell> {
    vec![
        Int(oid),
        text(name),
        Int(PG_CATALOG),
        Int(OWNER),
        Int(12),
        Int(1),
        Int(0),
        Int(0),
        Int(0),
        text("f"),
        Bool(false),
        Bool(false),
        Bool(true),
        Bool(false),
        text("i"),
        text("s"),
        Int(1),
        Int(0),
        Int(0),
        Ints(vec![0]),
        Null,
        Null,
        Null,
        Null,
        Null,
        text(name),
        Null,
        Null,
        Null,
        Null,
    ]
}
