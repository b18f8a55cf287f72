//! The numbers by which the catalog's tables name each other's rows.
//!
//! They are made of names, so that two questions of a client agree.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::server::is_reserved;

/// Where numbers of what is declared begin; those below are PostgreSQL's own.
const FIRST: i64 = 16_384;
pub(super) const OWNER: i64 = 10;
pub(super) const PG_CATALOG: i64 = 11;
pub(super) const PUBLIC: i64 = 2_200;
pub(super) const INFORMATION_SCHEMA: i64 = 13_000;
pub(super) const HEAP: i64 = 2;
pub(super) const BTREE: i64 = 403;
pub(super) const DATABASE: i64 = 5;
pub(super) const TABLESPACE: i64 = 1_663;
/// The tables of the catalog that comments and dependencies name.
const CLASSES: [(&str, i64); 8] = [
    ("pg_type", 1_247),
    ("pg_attribute", 1_249),
    ("pg_proc", 1_255),
    ("pg_class", 1_259),
    ("pg_constraint", 2_606),
    ("pg_namespace", 2_615),
    ("pg_database", 1_262),
    ("pg_trigger", 2_620),
];

/// What numbers and names mean.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) relations: BTreeMap<String, i64>,
    pub(super) schemas: BTreeMap<String, i64>,
    pub(super) types: BTreeMap<String, i64>,
    pub(super) functions: BTreeMap<String, i64>,
    pub(super) indexes: BTreeMap<i64, IndexText>,
    pub(super) constraint_definitions: BTreeMap<i64, String>,
}

/// How an index would be declared, and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct IndexText {
    pub(super) definition: String,
    pub(super) columns: Vec<String>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        let schemas = [("pg_catalog", PG_CATALOG), ("public", PUBLIC), ("information_schema", INFORMATION_SCHEMA)];
        let named = |names: &[(&str, i64)]| names.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        Self {
            relations: named(&CLASSES),
            schemas: named(&schemas),
            types: BTreeMap::new(),
            functions: BTreeMap::new(),
            indexes: BTreeMap::new(),
            constraint_definitions: BTreeMap::new(),
        }
    }

    /// The number of a name of a kind, as in `'orders'::regclass`.
    pub(super) fn of(&self, kind: &str, name: &str) -> Option<i64> {
        let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        match kind {
            "regclass" => self.relations.get(bare).copied(),
            "regtype" => self.types.get(bare).copied(),
            "regnamespace" => self.schemas.get(bare).copied(),
            "regproc" | "regprocedure" => self.functions.get(bare).copied(),
            "regrole" => Some(OWNER),
            _ => None,
        }
    }
}

/// The number of something that is declared.
pub(super) fn number(kind: &str, name: &str) -> i64 {
    FIRST + (xxh3_64(format!("{kind} {name}").as_bytes()) % (1 << 30)) as i64
}

/// A name as SQL has to have it.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !is_reserved(name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
