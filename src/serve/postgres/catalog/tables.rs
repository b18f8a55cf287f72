//! The tables of the catalog, made of the relations that a client sees.
//!
//! Numbers are made of names, so that two questions of a client agree. What is declared nowhere here, such as triggers, has a table
//! without rows, because clients ask for it all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_64;

use super::super::types::{modifier, postgres_type};
use super::types::{TYPES, array_number, length};
use crate::query::RelationShape;

/// Where numbers of what is declared begin; those below are PostgreSQL's own.
const FIRST: i64 = 16_384;
const OWNER: i64 = 10;
pub(super) const PG_CATALOG: i64 = 11;
const PUBLIC: i64 = 2_200;
const INFORMATION_SCHEMA: i64 = 13_000;
const HEAP: i64 = 2;
const BTREE: i64 = 403;
const DATABASE: i64 = 5;
const PG_CLASS: i64 = 1_259;

/// A value of a table.
#[derive(Debug, Clone)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bool(bool),
    Ints(Vec<i64>),
}

use Cell::{Bool, Int, Ints, Null};

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// What numbers and names mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    pub(super) relations: BTreeMap<String, i64>,
    pub(super) schemas: BTreeMap<String, i64>,
    pub(super) types: BTreeMap<String, i64>,
    pub(super) index_definitions: BTreeMap<i64, String>,
    pub(super) constraint_definitions: BTreeMap<i64, String>,
}

impl Numbers {
    /// The number of a name of a kind, as in `'orders'::regclass`.
    pub(super) fn of(&self, kind: &str, name: &str) -> Option<i64> {
        let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        match kind {
            "regclass" => self.relations.get(bare).copied(),
            "regtype" => self.types.get(bare).copied(),
            "regnamespace" => self.schemas.get(bare).copied(),
            "regrole" => Some(OWNER),
            _ => None,
        }
    }
}

/// The number of something that is declared.
fn number(kind: &str, name: &str) -> i64 {
    FIRST + (xxh3_64(format!("{kind} {name}").as_bytes()) % (1 << 30)) as i64
}

/// Tables with columns and no rows: `name: column type …`, with `i` for numbers, `t` for texts, `b` for truth values, `l` for lists of
/// numbers, and `s` for lists of texts.
const EMPTY: [&str; 33] = [
    "pg_attrdef: oid i adrelid i adnum i adbin t",
    "pg_description: objoid i classoid i objsubid i description t",
    "pg_shdescription: objoid i classoid i description t",
    "pg_inherits: inhrelid i inhparent i inhseqno i inhdetachpending b",
    "pg_enum: oid i enumtypid i enumsortorder i enumlabel t",
    "pg_range: rngtypid i rngsubtype i rngmultitypid i rngcollation i rngsubopc i rngcanonical i rngsubdiff i",
    "pg_policy: oid i polname t polrelid i polcmd t polpermissive b polroles t polqual t polwithcheck t",
    "pg_statistic_ext: oid i stxrelid i stxname t stxnamespace i stxowner i stxstattarget i stxkeys l stxkind s",
    "pg_publication: oid i pubname t pubowner i puballtables b pubinsert b pubupdate b pubdelete b pubtruncate b pubviaroot b",
    "pg_publication_rel: oid i prpubid i prrelid i prqual t prattrs l",
    "pg_publication_namespace: oid i pnpubid i pnnspid i",
    "pg_trigger: oid i tgrelid i tgparentid i tgname t tgfoid i tgtype i tgenabled t tgisinternal b tgconstrrelid i tgconstrindid i tgconstraint i tgdeferrable b tginitdeferred b tgnargs i tgattr l tgargs t tgqual t tgoldtable t tgnewtable t",
    "pg_rewrite: oid i rulename t ev_class i ev_type t ev_enabled t is_instead b ev_qual t ev_action t",
    "pg_proc: oid i proname t pronamespace i proowner i prolang i prokind t prosecdef b proisstrict b proretset b provolatile t pronargs i prorettype i proargtypes l proallargtypes l proargmodes s proargnames s prosrc t",
    "pg_extension: oid i extname t extowner i extnamespace i extrelocatable b extversion t",
    "pg_foreign_table: ftrelid i ftserver i ftoptions s",
    "pg_foreign_server: oid i srvname t srvowner i srvfdw i srvtype t srvversion t srvoptions s",
    "pg_foreign_data_wrapper: oid i fdwname t fdwowner i fdwhandler i fdwvalidator i fdwoptions s",
    "pg_auth_members: oid i roleid i member i grantor i admin_option b",
    "pg_sequence: seqrelid i seqtypid i seqstart i seqincrement i seqmax i seqmin i seqcache i seqcycle b",
    "pg_sequences: schemaname t sequencename t sequenceowner t data_type t start_value i min_value i max_value i increment_by i cycle b cache_size i last_value i",
    "pg_matviews: schemaname t matviewname t matviewowner t tablespace t hasindexes b ispopulated b definition t",
    "pg_partitioned_table: partrelid i partstrat t partnatts i partdefid i partattrs l partclass l partcollation l partexprs t",
    "pg_event_trigger: oid i evtname t evtevent t evtowner i evtfoid i evtenabled t evttags s",
    "pg_language: oid i lanname t lanowner i lanispl b lanpltrusted b",
    "pg_operator: oid i oprname t oprnamespace i oprleft i oprright i oprresult i",
    "pg_opclass: oid i opcmethod i opcname t opcnamespace i opcintype i opcdefault b",
    "pg_depend: classid i objid i objsubid i refclassid i refobjid i refobjsubid i deptype t",
    "pg_locks: locktype t database i relation i pid i mode t granted b",
    "pg_stat_activity: datid i datname t pid i usesysid i usename t application_name t state t query t",
    "pg_stat_user_tables: relid i schemaname t relname t seq_scan i idx_scan i n_live_tup i n_dead_tup i",
    "pg_cast: oid i castsource i casttarget i castfunc i castcontext t castmethod t",
    "pg_user_mapping: oid i umuser i umserver i umoptions s",
];

/// The tables with rows, and what their numbers mean.
pub(super) fn tables(
    relations: &[RelationShape],
    user: &str,
    settings: &[(String, String)],
) -> Result<(Vec<(String, RecordBatch)>, Numbers), ArrowError> {
    let mut numbers = Numbers {
        schemas: [("pg_catalog", PG_CATALOG), ("public", PUBLIC), ("information_schema", INFORMATION_SCHEMA)]
            .map(|(name, number)| (name.to_owned(), number))
            .into(),
        relations: [("pg_class".to_owned(), PG_CLASS)].into(),
        ..Numbers::default()
    };
    let mut built: Vec<(String, RecordBatch)> = Vec::new();
    let mut add = |spec: &str, rows: Vec<Vec<Cell>>| -> Result<(), ArrowError> {
        let (name, columns) = spec.split_once(": ").unwrap_or((spec, ""));
        built.push((name.to_owned(), table(columns, &rows)?));
        Ok(())
    };
    EMPTY.iter().try_for_each(|spec| add(spec, Vec::new()))?;
    let (mut classes, mut attributes, mut indexes, mut constraints) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut tables, mut views, mut index_names) = (Vec::new(), Vec::new(), Vec::new());
    for relation in relations {
        let RelationShape { name, is_view, schema, key } = relation;
        let oid = number("relation", name);
        numbers.relations.insert(name.clone(), oid);
        let has_index = !key.is_empty();
        classes.push(class(oid, name, if *is_view { "v" } else { "r" }, schema.fields().len(), has_index));
        for (place, field) in schema.fields().iter().enumerate() {
            attributes.push(attribute(oid, place + 1, field));
        }
        if *is_view {
            views.push(vec![text("public"), text(name), text("readside"), Null]);
            continue;
        }
        let owned = [
            text("public"),
            text(name),
            text("readside"),
            Null,
            Bool(has_index),
            Bool(false),
            Bool(false),
            Bool(false),
        ];
        tables.push(owned.to_vec());
        if !has_index {
            continue;
        }
        let index = format!("{name}_pkey");
        let index_oid = number("index", name);
        let is_primary = key.iter().all(|&column| !schema.field(column).is_nullable());
        let columns: Vec<String> = key.iter().map(|&column| quoted(schema.field(column).name())).collect();
        let columns = columns.join(", ");
        let definition =
            format!("CREATE UNIQUE INDEX {} ON public.{} USING btree ({columns})", quoted(&index), quoted(name));
        classes.push(class(index_oid, &index, "i", key.len(), false));
        for (place, &column) in key.iter().enumerate() {
            attributes.push(attribute(index_oid, place + 1, schema.field(column)));
        }
        let places: Vec<i64> = key.iter().map(|column| *column as i64 + 1).collect();
        let count = Int(key.len() as i64);
        indexes.push(vec![
            Int(index_oid),
            Int(oid),
            count.clone(),
            count,
            Bool(true),
            Bool(false),
            Bool(is_primary),
            Bool(false),
            Bool(true),
            Bool(false),
            Bool(true),
            Bool(false),
            Bool(true),
            Bool(true),
            Bool(false),
            Ints(places.clone()),
            Ints(vec![0; key.len()]),
            Ints(vec![0; key.len()]),
            Ints(vec![0; key.len()]),
            Null,
            Null,
        ]);
        index_names.push(vec![text("public"), text(name), text(&index), Null, text(&definition)]);
        numbers.relations.insert(index.clone(), index_oid);
        numbers.index_definitions.insert(index_oid, definition);
        if is_primary {
            let constraint = number("constraint", name);
            numbers.constraint_definitions.insert(constraint, format!("PRIMARY KEY ({columns})"));
            constraints.push(vec![
                Int(constraint),
                text(&index),
                Int(PUBLIC),
                text("p"),
                Bool(false),
                Bool(false),
                Bool(true),
                Int(oid),
                Int(0),
                Int(index_oid),
                Int(0),
                Int(0),
                text(" "),
                text(" "),
                text(" "),
                Bool(true),
                Int(0),
                Bool(true),
                Ints(places),
                Null,
                Null,
            ]);
        }
    }
    add(
        "pg_class: oid i relname t relnamespace i reltype i reloftype i relowner i relam i relfilenode i reltablespace i relpages i reltuples i relallvisible i reltoastrelid i relhasindex b relisshared b relpersistence t relkind t relnatts i relchecks i relhasrules b relhastriggers b relhassubclass b relrowsecurity b relforcerowsecurity b relispopulated b relreplident t relispartition b relrewrite i relacl s reloptions s relpartbound t",
        classes,
    )?;
    add(
        "pg_attribute: attrelid i attname t atttypid i attstattarget i attlen i attnum i attndims i atttypmod i attbyval b attalign t attstorage t attcompression t attnotnull b atthasdef b atthasmissing b attidentity t attgenerated t attisdropped b attislocal b attinhcount i attcollation i attacl s attoptions s attfdwoptions s",
        attributes,
    )?;
    add(
        "pg_index: indexrelid i indrelid i indnatts i indnkeyatts i indisunique b indnullsnotdistinct b indisprimary b indisexclusion b indimmediate b indisclustered b indisvalid b indcheckxmin b indisready b indislive b indisreplident b indkey l indcollation l indclass l indoption l indexprs t indpred t",
        indexes,
    )?;
    add(
        "pg_constraint: oid i conname t connamespace i contype t condeferrable b condeferred b convalidated b conrelid i contypid i conindid i conparentid i confrelid i confupdtype t confdeltype t confmatchtype t conislocal b coninhcount i connoinherit b conkey l confkey l conbin t",
        constraints,
    )?;
    add(
        "pg_tables: schemaname t tablename t tableowner t tablespace t hasindexes b hasrules b hastriggers b rowsecurity b",
        tables,
    )?;
    add("pg_views: schemaname t viewname t viewowner t definition t", views)?;
    add("pg_indexes: schemaname t tablename t indexname t tablespace t indexdef t", index_names)?;
    let schemas =
        numbers.schemas.iter().map(|(name, number)| vec![Int(*number), text(name), Int(OWNER), Null]).collect();
    add("pg_namespace: oid i nspname t nspowner i nspacl s", schemas)?;
    add(
        "pg_database: oid i datname t datdba i encoding i datlocprovider t datistemplate b datallowconn b datconnlimit i dattablespace i datcollate t datctype t daticulocale t datcollversion t datacl s",
        vec![vec![
            Int(DATABASE),
            text("readside"),
            Int(OWNER),
            Int(6),
            text("c"),
            Bool(false),
            Bool(true),
            Int(-1),
            Int(1_663),
            text("C"),
            text("C"),
            Null,
            Null,
            Null,
        ]],
    )?;
    let role = |number: i64, name: &str| {
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
    };
    let roles = vec![role(OWNER, "readside"), role(number("role", user), user)];
    let of_roles = "oid i rolname t rolsuper b rolinherit b rolcreaterole b rolcreatedb b rolcanlogin b rolreplication b rolconnlimit i rolpassword t rolvaliduntil t rolbypassrls b rolconfig s";
    add(&format!("pg_roles: {of_roles}"), roles.clone())?;
    add(&format!("pg_authid: {of_roles}"), roles)?;
    add(
        "pg_user: usename t usesysid i usecreatedb b usesuper b userepl b usebypassrls b passwd t valuntil t useconfig s",
        vec![vec![
            text(user),
            Int(number("role", user)),
            Bool(false),
            Bool(false),
            Bool(false),
            Bool(false),
            Null,
            Null,
            Null,
        ]],
    )?;
    add(
        "pg_am: oid i amname t amhandler i amtype t",
        vec![vec![Int(HEAP), text("heap"), Int(3), text("t")], vec![Int(BTREE), text("btree"), Int(330), text("i")]],
    )?;
    add(
        "pg_tablespace: oid i spcname t spcowner i spcacl s spcoptions s",
        vec![vec![Int(1_663), text("pg_default"), Int(OWNER), Null, Null]],
    )?;
    add(
        "pg_collation: oid i collname t collnamespace i collowner i collprovider t collisdeterministic b collencoding i collcollate t collctype t collversion t",
        vec![vec![
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
        ]],
    )?;
    let settings = settings.iter().map(|(name, value)| {
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
        ]
    });
    add(
        "pg_settings: name t setting t unit t category t short_desc t extra_desc t context t vartype t source t min_val t max_val t boot_val t",
        settings.collect(),
    )?;
    let mut types = Vec::new();
    for (of, category) in &TYPES {
        let (oid, array) = (i64::from(of.oid()), array_number(of));
        numbers.types.insert(of.name().to_owned(), oid);
        types.push(type_row(oid, of.name(), length(of), category, 0, array));
        if array != 0 {
            types.push(type_row(array, &format!("_{}", of.name()), -1, "A", oid, 0));
        }
    }
    add(
        "pg_type: oid i typname t typnamespace i typowner i typlen i typbyval b typtype t typcategory t typispreferred b typisdefined b typdelim t typrelid i typelem i typarray i typinput t typoutput t typreceive t typsend t typalign t typstorage t typnotnull b typbasetype i typtypmod i typndims i typcollation i typdefault t typacl s",
        types,
    )?;
    Ok((built, numbers))
}

fn class(oid: i64, name: &str, kind: &str, columns: usize, has_index: bool) -> Vec<Cell> {
    let method = match kind {
        "r" => HEAP,
        "i" => BTREE,
        _ => 0,
    };
    vec![
        Int(oid),
        text(name),
        Int(PUBLIC),
        Int(0),
        Int(0),
        Int(OWNER),
        Int(method),
        Int(oid),
        Int(0),
        Int(0),
        Int(-1),
        Int(0),
        Int(0),
        Bool(has_index),
        Bool(false),
        text("p"),
        text(kind),
        Int(columns as i64),
        Int(0),
        Bool(kind == "v"),
        Bool(false),
        Bool(false),
        Bool(false),
        Bool(false),
        Bool(true),
        text("d"),
        Bool(false),
        Int(0),
        Null,
        Null,
        Null,
    ]
}

fn attribute(relation: i64, place: usize, field: &Field) -> Vec<Cell> {
    let of = postgres_type(field);
    let dimensions = i64::from(of.name().starts_with('_'));
    let collation = if of == pgwire::api::Type::TEXT { 100 } else { 0 };
    vec![
        Int(relation),
        text(field.name()),
        Int(i64::from(of.oid())),
        Int(-1),
        Int(length(&of)),
        Int(place as i64),
        Int(dimensions),
        Int(i64::from(modifier(field.data_type()))),
        Bool(length(&of) > 0),
        text("i"),
        text(if length(&of) > 0 { "p" } else { "x" }),
        text(""),
        Bool(!field.is_nullable()),
        Bool(false),
        Bool(false),
        text(""),
        text(""),
        Bool(false),
        Bool(true),
        Int(0),
        Int(collation),
        Null,
        Null,
        Null,
    ]
}

fn type_row(oid: i64, name: &str, length: i64, category: &str, element: i64, array: i64) -> Vec<Cell> {
    let function = |of: &str| text(format!("{}{of}", if element != 0 { "array_" } else { name }));
    vec![
        Int(oid),
        text(name),
        Int(PG_CATALOG),
        Int(OWNER),
        Int(length),
        Bool(length > 0),
        text("b"),
        text(category),
        Bool(false),
        Bool(true),
        text(","),
        Int(0),
        Int(element),
        Int(array),
        function("in"),
        function("out"),
        function("recv"),
        function("send"),
        text("i"),
        text(if length > 0 { "p" } else { "x" }),
        Bool(false),
        Int(0),
        Int(-1),
        Int(0),
        Int(if category == "S" { 100 } else { 0 }),
        Null,
        Null,
    ]
}

/// A name as SQL has to have it.
fn quoted(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn table(columns: &str, rows: &[Vec<Cell>]) -> Result<RecordBatch, ArrowError> {
    let words: Vec<&str> = columns.split_whitespace().collect();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (place, column) in words.chunks(2).enumerate() {
        let [name, of] = column else { return Err(ArrowError::SchemaError(format!("`{columns}` has half a column"))) };
        let cells = || rows.iter().map(|row| row.get(place).cloned().unwrap_or(Null));
        let array: ArrayRef = match *of {
            "i" => Arc::new(
                cells().map(|cell| if let Int(number) = cell { Some(number) } else { None }).collect::<Int64Array>(),
            ),
            "b" => Arc::new(
                cells().map(|cell| if let Bool(value) = cell { Some(value) } else { None }).collect::<BooleanArray>(),
            ),
            "l" => {
                let mut lists = ListBuilder::new(Int64Builder::new());
                for cell in cells() {
                    match cell {
                        Ints(numbers) => lists.append_value(numbers.into_iter().map(Some)),
                        _ => lists.append_null(),
                    }
                }
                Arc::new(lists.finish())
            }
            "s" => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                rows.iter().for_each(|_| lists.append_null());
                Arc::new(lists.finish())
            }
            _ => Arc::new(
                cells()
                    .map(|cell| if let Cell::Text(text) = cell { Some(text) } else { None })
                    .collect::<StringArray>(),
            ),
        };
        fields.push(Field::new(*name, array.data_type().clone(), true));
        arrays.push(array);
    }
    debug_assert!(rows.iter().all(|row| row.len() == fields.len()), "{columns}");
    debug_assert!(fields.iter().all(|field| !matches!(field.data_type(), DataType::Null)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
