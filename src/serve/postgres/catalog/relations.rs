//! The relations that a client sees, with their columns, keys and indexes, as `pg_catalog` has them.

use arrow::datatypes::Field;
use arrow::error::ArrowError;
use pgwire::api::Type;

use super::super::types::{modifier, postgres_type};
use super::cells::Cell::{self, Bool, Int, Ints, Null};
use super::cells::{Tables, text};
use super::numbers::{BTREE, HEAP, IndexText, Numbers, OWNER, PUBLIC, number, quoted};
use super::types::length;
use crate::query::RelationShape;

const CLASS: &str = "pg_class: oid o relname t relnamespace o reltype o reloftype o relowner o relam o relfilenode o reltablespace o relpages i reltuples i relallvisible i reltoastrelid o relhasindex b relisshared b relpersistence t relkind t relnatts i relchecks i relhasrules b relhastriggers b relhassubclass b relrowsecurity b relforcerowsecurity b relispopulated b relreplident t relispartition b relrewrite o relfrozenxid i relminmxid i relacl s reloptions s relpartbound t";
const ATTRIBUTE: &str = "pg_attribute: attrelid o attname t atttypid o attstattarget i attlen i attnum i attndims i attcacheoff i atttypmod i attbyval b attalign t attstorage t attcompression t attnotnull b atthasdef b atthasmissing b attidentity t attgenerated t attisdropped b attislocal b attinhcount i attcollation o attacl s attoptions s attfdwoptions s attmissingval t";
const INDEX: &str = "pg_index: indexrelid o indrelid o indnatts i indnkeyatts i indisunique b indnullsnotdistinct b indisprimary b indisexclusion b indimmediate b indisclustered b indisvalid b indcheckxmin b indisready b indislive b indisreplident b indkey v indcollation w indclass w indoption v indexprs t indpred t";
const CONSTRAINT: &str = "pg_constraint: oid o conname t connamespace o contype t condeferrable b condeferred b convalidated b conrelid o contypid o conindid o conparentid o confrelid o confupdtype t confdeltype t confmatchtype t conislocal b coninhcount i connoinherit b conkey l confkey l conpfeqop l conppeqop l conffeqop l confdelsetcols l conexclop l conbin t";

/// The rows of each table.
#[derive(Default)]
struct Rows {
    classes: Vec<Vec<Cell>>,
    attributes: Vec<Vec<Cell>>,
    indexes: Vec<Vec<Cell>>,
    constraints: Vec<Vec<Cell>>,
    tables: Vec<Vec<Cell>>,
    views: Vec<Vec<Cell>>,
    index_names: Vec<Vec<Cell>>,
}

/// Adds the tables, and what their numbers mean.
pub(super) fn add(tables: &mut Tables, relations: &[RelationShape], numbers: &mut Numbers) -> Result<(), ArrowError> {
    let mut rows = Rows::default();
    for relation in relations {
        rows.add(relation, numbers);
    }
    tables.add(CLASS, &rows.classes)?;
    tables.add(ATTRIBUTE, &rows.attributes)?;
    tables.add(INDEX, &rows.indexes)?;
    tables.add(CONSTRAINT, &rows.constraints)?;
    tables.add(
        "pg_tables: schemaname t tablename t tableowner t tablespace t hasindexes b hasrules b hastriggers b rowsecurity b",
        &rows.tables,
    )?;
    tables.add("pg_views: schemaname t viewname t viewowner t definition t", &rows.views)?;
    tables.add("pg_indexes: schemaname t tablename t indexname t tablespace t indexdef t", &rows.index_names)
}

/// The name of the index of a relation's key.
pub(super) fn key_name(relation: &str) -> String {
    format!("{relation}_pkey")
}

/// Whether a relation's key has no NULL, which makes it a primary key.
pub(super) fn has_primary_key(relation: &RelationShape) -> bool {
    let RelationShape { is_view, schema, key, .. } = relation;
    !is_view && !key.is_empty() && key.iter().all(|&column| !schema.field(column).is_nullable())
}

impl Rows {
    fn add(&mut self, relation: &RelationShape, numbers: &mut Numbers) {
        let RelationShape { name, is_view, schema, key } = relation;
        let oid = number("relation", name);
        numbers.relations.insert(name.clone(), oid);
        let has_index = !key.is_empty() && !is_view;
        self.classes.push(class(oid, name, if *is_view { "v" } else { "r" }, schema.fields().len(), has_index));
        for (place, field) in schema.fields().iter().enumerate() {
            self.attributes.push(attribute(oid, place + 1, field));
        }
        if *is_view {
            self.views.push(vec![text("public"), text(name), text("readside"), Null]);
            return;
        }
        let no = || Bool(false);
        let owned = vec![text("public"), text(name), text("readside"), Null, Bool(has_index), no(), no(), no()];
        self.tables.push(owned);
        if has_index {
            self.add_key(relation, oid, numbers);
        }
    }

    fn add_key(&mut self, relation: &RelationShape, oid: i64, numbers: &mut Numbers) {
        let RelationShape { name, schema, key, .. } = relation;
        let index = key_name(name);
        let index_oid = number("index", name);
        let is_primary = has_primary_key(relation);
        let names: Vec<String> = key.iter().map(|&column| quoted(schema.field(column).name())).collect();
        let columns = names.join(", ");
        let definition =
            format!("CREATE UNIQUE INDEX {} ON public.{} USING btree ({columns})", quoted(&index), quoted(name));
        self.classes.push(class(index_oid, &index, "i", key.len(), false));
        for (place, &column) in key.iter().enumerate() {
            self.attributes.push(attribute(index_oid, place + 1, schema.field(column)));
        }
        let places: Vec<i64> = key.iter().map(|column| *column as i64 + 1).collect();
        let (count, zeros) = (Int(key.len() as i64), || Ints(vec![0; key.len()]));
        self.indexes.push(vec![
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
            zeros(),
            zeros(),
            zeros(),
            Null,
            Null,
        ]);
        self.index_names.push(vec![text("public"), text(name), text(&index), Null, text(&definition)]);
        numbers.relations.insert(index.clone(), index_oid);
        numbers.indexes.insert(index_oid, IndexText { definition, columns: names });
        if is_primary {
            let constraint = number("constraint", name);
            numbers.constraint_definitions.insert(constraint, format!("PRIMARY KEY ({columns})"));
            self.constraints.push(vec![
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
                Null,
                Null,
                Null,
                Null,
                Null,
            ]);
        }
    }
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
        Int(0),
        Int(0),
        Null,
        Null,
        Null,
    ]
}

fn attribute(relation: i64, place: usize, field: &Field) -> Vec<Cell> {
    let of = postgres_type(field);
    let dimensions = i64::from(of.name().starts_with('_'));
    let collation = if of == Type::TEXT { 100 } else { 0 };
    vec![
        Int(relation),
        text(field.name()),
        Int(i64::from(of.oid())),
        Int(-1),
        Int(length(&of)),
        Int(place as i64),
        Int(dimensions),
        Int(-1),
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
        Null,
    ]
}
