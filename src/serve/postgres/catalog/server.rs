//! What a server has beside relations: schemas, databases, roles, settings, words.

use arrow::error::ArrowError;

use super::cells::Cell::{self, Bool, Int, Null};
use super::cells::{Tables, text};
use super::numbers::{BTREE, DATABASE, HEAP, Numbers, OWNER, PG_CATALOG, TABLESPACE, number};

const ROLE: &str = "oid o rolname t rolsuper b rolinherit b rolcreaterole b rolcreatedb b rolcanlogin b rolreplication b rolconnlimit i rolpassword t rolvaliduntil t rolbypassrls b rolconfig s";
const SETTING: &str = "pg_settings: name t setting t unit t category t short_desc t extra_desc t context t vartype t source t min_val t max_val t enumvals s boot_val t reset_val t sourcefile t sourceline i pending_restart b";

/// Words that are no names in PostgreSQL unless they are quoted.
const RESERVED: [&str; 77] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "system_user",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
];
/// Those that may be names of types and functions.
const RESERVED_IN_PART: [&str; 23] = [
    "authorization",
    "binary",
    "collation",
    "concurrently",
    "cross",
    "current_schema",
    "freeze",
    "full",
    "ilike",
    "inner",
    "is",
    "isnull",
    "join",
    "left",
    "like",
    "natural",
    "notnull",
    "outer",
    "overlaps",
    "right",
    "similar",
    "tablesample",
    "verbose",
];

/// Whether a word is no name unless it is quoted.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word) || RESERVED_IN_PART.contains(&word)
}

/// Adds the tables. Settings are names and values.
pub(super) fn add(
    tables: &mut Tables,
    numbers: &Numbers,
    user: &str,
    settings: &[(String, String)],
) -> Result<(), ArrowError> {
    let schemas = numbers.schemas.iter().map(|(name, number)| vec![Int(*number), text(name), Int(OWNER), Null]);
    tables.add("pg_namespace: oid o nspname t nspowner o nspacl s", &schemas.collect::<Vec<_>>())?;
    let database = vec![
        Int(DATABASE),
        text("readside"),
        Int(OWNER),
        Int(6),
        text("c"),
        Bool(false),
        Bool(true),
        Int(-1),
        Int(0),
        Int(0),
        Int(TABLESPACE),
        text("C"),
        text("C"),
        Null,
        Null,
        Null,
    ];
    tables.add(
        "pg_database: oid o datname t datdba o encoding i datlocprovider t datistemplate b datallowconn b datconnlimit i datfrozenxid i datminmxid i dattablespace o datcollate t datctype t daticulocale t datcollversion t datacl s",
        &[database],
    )?;
    let roles = [role(OWNER, "readside"), role(number("role", user), user)];
    tables.add(&format!("pg_roles: {ROLE}"), &roles)?;
    tables.add(&format!("pg_authid: {ROLE}"), &roles)?;
    let no = || Bool(false);
    let of_user = vec![text(user), Int(number("role", user)), no(), no(), no(), no(), Null, Null, Null];
    tables.add(
        "pg_user: usename t usesysid o usecreatedb b usesuper b userepl b usebypassrls b passwd t valuntil t useconfig s",
        &[of_user],
    )?;
    tables.add("pg_group: groname t grosysid o grolist l", &[])?;
    tables.add(
        "pg_am: oid o amname t amhandler o amtype t",
        &[vec![Int(HEAP), text("heap"), Int(3), text("t")], vec![Int(BTREE), text("btree"), Int(330), text("i")]],
    )?;
    tables.add(
        "pg_tablespace: oid o spcname t spcowner o spcacl s spcoptions s",
        &[vec![Int(TABLESPACE), text("pg_default"), Int(OWNER), Null, Null]],
    )?;
    let collation = vec![
        Int(100),
        text("default"),
        Int(PG_CATALOG),
        Int(OWNER),
        text("d"),
        Bool(true),
        Int(-1),
        Null,
        Null,
        Null,
        Null,
    ];
    tables.add(
        "pg_collation: oid o collname t collnamespace o collowner o collprovider t collisdeterministic b collencoding i collcollate t collctype t colliculocale t collversion t",
        &[collation],
    )?;
    tables.add(SETTING, &settings.iter().map(|(name, value)| setting(name, value)).collect::<Vec<_>>())?;
    let words = RESERVED.iter().map(|word| (word, "R", "reserved"));
    let in_part = RESERVED_IN_PART.iter().map(|word| (word, "T", "reserved (can be function or type name)"));
    let words = words
        .chain(in_part)
        .map(|(word, code, told)| vec![text(*word), text(code), Bool(true), text(told), text("can be bare label")]);
    tables.add("pg_get_keywords: word t catcode t barelabel b catdesc t baredesc t", &words.collect::<Vec<_>>())
}

fn role(number: i64, name: &str) -> Vec<Cell> {
    vec![
        Int(number),
        text(name),
        Bool(false),
        Bool(true),
        Bool(false),
        Bool(false),
        Bool(number != OWNER),
        Bool(false),
        Int(-1),
        Null,
        Null,
        Bool(false),
        Null,
    ]
}

fn setting(name: &str, value: &str) -> Vec<Cell> {
    let empty = || text("");
    vec![
        text(name),
        text(value),
        Null,
        empty(),
        empty(),
        Null,
        text("user"),
        text("string"),
        text("default"),
        Null,
        Null,
        Null,
        Null,
        Null,
        Null,
        Null,
        Bool(false),
    ]
}
