//! What `information_schema` says of the relations that a client sees.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use pgwire::api::Type;

use super::super::types::postgres_type;
use super::cells::Cell::{self, Int, Null};
use super::cells::{Tables, text};
use super::numbers::Numbers;
use super::relations::{has_primary_key, key_name};
use super::types::formatted;
use crate::query::RelationShape;

const COLUMNS: &str = "columns: table_catalog t table_schema t table_name t column_name t ordinal_position i column_default t is_nullable t data_type t character_maximum_length i character_octet_length i numeric_precision i numeric_precision_radix i numeric_scale i datetime_precision i interval_type t interval_precision i character_set_catalog t character_set_schema t character_set_name t collation_catalog t collation_schema t collation_name t domain_catalog t domain_schema t domain_name t udt_catalog t udt_schema t udt_name t scope_catalog t scope_schema t scope_name t maximum_cardinality i dtd_identifier t is_self_referencing t is_identity t identity_generation t identity_start t identity_increment t identity_maximum t identity_minimum t identity_cycle t is_generated t generation_expression t is_updatable t";
const PRIVILEGES: &str =
    "grantor t grantee t table_catalog t table_schema t table_name t privilege_type t is_grantable t with_hierarchy t";
const COLUMN_PRIVILEGES: &str =
    "grantor t grantee t table_catalog t table_schema t table_name t column_name t privilege_type t is_grantable t";

/// Of what is declared nowhere here.
const EMPTY: [&str; 20] = [
    "referential_constraints: constraint_catalog t constraint_schema t constraint_name t unique_constraint_catalog t unique_constraint_schema t unique_constraint_name t match_option t update_rule t delete_rule t",
    "check_constraints: constraint_catalog t constraint_schema t constraint_name t check_clause t",
    "routines: specific_catalog t specific_schema t specific_name t routine_catalog t routine_schema t routine_name t routine_type t data_type t type_udt_catalog t type_udt_schema t type_udt_name t routine_body t routine_definition t external_name t external_language t is_deterministic t security_type t",
    "parameters: specific_catalog t specific_schema t specific_name t ordinal_position i parameter_mode t is_result t as_locator t parameter_name t data_type t udt_catalog t udt_schema t udt_name t parameter_default t",
    "routine_privileges: grantor t grantee t specific_catalog t specific_schema t specific_name t routine_catalog t routine_schema t routine_name t privilege_type t is_grantable t",
    "usage_privileges: grantor t grantee t object_catalog t object_schema t object_name t object_type t privilege_type t is_grantable t",
    "udt_privileges: grantor t grantee t udt_catalog t udt_schema t udt_name t privilege_type t is_grantable t",
    "triggers: trigger_catalog t trigger_schema t trigger_name t event_manipulation t event_object_catalog t event_object_schema t event_object_table t action_order i action_condition t action_statement t action_orientation t action_timing t",
    "sequences: sequence_catalog t sequence_schema t sequence_name t data_type t numeric_precision i numeric_precision_radix i numeric_scale i start_value t minimum_value t maximum_value t increment t cycle_option t",
    "domains: domain_catalog t domain_schema t domain_name t data_type t character_maximum_length i numeric_precision i numeric_scale i domain_default t udt_catalog t udt_schema t udt_name t",
    "domain_constraints: constraint_catalog t constraint_schema t constraint_name t domain_catalog t domain_schema t domain_name t is_deferrable t initially_deferred t",
    "column_domain_usage: domain_catalog t domain_schema t domain_name t table_catalog t table_schema t table_name t column_name t",
    "user_defined_types: user_defined_type_catalog t user_defined_type_schema t user_defined_type_name t user_defined_type_category t",
    "attributes: udt_catalog t udt_schema t udt_name t attribute_name t ordinal_position i data_type t",
    "view_table_usage: view_catalog t view_schema t view_name t table_catalog t table_schema t table_name t",
    "view_column_usage: view_catalog t view_schema t view_name t table_catalog t table_schema t table_name t column_name t",
    "foreign_tables: foreign_table_catalog t foreign_table_schema t foreign_table_name t foreign_server_catalog t foreign_server_name t",
    "foreign_servers: foreign_server_catalog t foreign_server_name t foreign_data_wrapper_catalog t foreign_data_wrapper_name t foreign_server_type t foreign_server_version t authorization_identifier t",
    "element_types: object_catalog t object_schema t object_name t object_type t collection_type_identifier t data_type t udt_catalog t udt_schema t udt_name t",
    "collations: collation_catalog t collation_schema t collation_name t pad_attribute t",
];

/// The tables.
pub(super) fn tables(
    relations: &[RelationShape],
    user: &str,
    numbers: &Numbers,
) -> Result<Vec<(String, RecordBatch)>, ArrowError> {
    let mut tables = Tables::default();
    EMPTY.iter().try_for_each(|spec| tables.add(spec, &[]))?;
    tables.add("information_schema_catalog_name: catalog_name t", &[vec![text("readside")]])?;
    tables.add("enabled_roles: role_name t", &[vec![text(user)]])?;
    tables.add("applicable_roles: grantee t role_name t is_grantable t", &[])?;
    let schemas: Vec<Vec<Cell>> = numbers.schemas.keys().map(|schema| schema_row(schema)).collect();
    tables.add(
        "schemata: catalog_name t schema_name t schema_owner t default_character_set_catalog t default_character_set_schema t default_character_set_name t sql_path t",
        &schemas,
    )?;
    let tables_of = relations.iter().map(table_row).collect::<Vec<_>>();
    tables.add(
        "tables: table_catalog t table_schema t table_name t table_type t self_referencing_column_name t reference_generation t user_defined_type_catalog t user_defined_type_schema t user_defined_type_name t is_insertable_into t is_typed t commit_action t",
        &tables_of,
    )?;
    let views = relations.iter().filter(|relation| relation.is_view).map(view_row).collect::<Vec<_>>();
    tables.add(
        "views: table_catalog t table_schema t table_name t view_definition t check_option t is_updatable t is_insertable_into t is_trigger_updatable t is_trigger_deletable t is_trigger_insertable_into t",
        &views,
    )?;
    let columns = || {
        let of = |relation: &'_ RelationShape| relation.schema.fields().iter().cloned().enumerate().collect::<Vec<_>>();
        relations.iter().flat_map(move |relation| of(relation).into_iter().map(move |field| (relation, field)))
    };
    let described = columns().map(|(relation, (place, field))| column_row(&relation.name, place + 1, &field));
    tables.add(COLUMNS, &described.collect::<Vec<_>>())?;
    let may_read = columns().map(|(relation, (_, field))| {
        let place = [text("readside"), text(user), text("readside"), text("public"), text(&relation.name)];
        [&place[..], &[text(field.name()), text("SELECT"), text("NO")]].concat()
    });
    let may_read = may_read.collect::<Vec<_>>();
    tables.add(&format!("column_privileges: {COLUMN_PRIVILEGES}"), &may_read)?;
    tables.add(&format!("role_column_grants: {COLUMN_PRIVILEGES}"), &may_read)?;
    let may_read = relations.iter().map(|relation| {
        let place = [text("readside"), text(user), text("readside"), text("public"), text(&relation.name)];
        [&place[..], &[text("SELECT"), text("NO"), text("YES")]].concat()
    });
    let may_read = may_read.collect::<Vec<_>>();
    tables.add(&format!("table_privileges: {PRIVILEGES}"), &may_read)?;
    tables.add(&format!("role_table_grants: {PRIVILEGES}"), &may_read)?;
    add_keys(&mut tables, relations)?;
    Ok(tables.into_parts().0)
}

fn schema_row(schema: &str) -> Vec<Cell> {
    vec![text("readside"), text(schema), text("readside"), Null, Null, Null, Null]
}

fn table_row(relation: &RelationShape) -> Vec<Cell> {
    let kind = if relation.is_view { "VIEW" } else { "BASE TABLE" };
    let named = [text("readside"), text("public"), text(&relation.name), text(kind)];
    [&named[..], &[Null, Null, Null, Null, Null, text("NO"), text("NO"), Null]].concat()
}

fn view_row(relation: &RelationShape) -> Vec<Cell> {
    let no = || text("NO");
    vec![text("readside"), text("public"), text(&relation.name), Null, text("NONE"), no(), no(), no(), no(), no()]
}

/// The keys without NULL, as constraints.
fn add_keys(tables: &mut Tables, relations: &[RelationShape]) -> Result<(), ArrowError> {
    let (mut constraints, mut usages, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for relation in relations.iter().filter(|relation| has_primary_key(relation)) {
        let constraint = [text("readside"), text("public"), text(key_name(&relation.name))];
        let of = [text("readside"), text("public"), text(&relation.name)];
        let said = [text("PRIMARY KEY"), text("NO"), text("NO"), text("YES"), Null];
        constraints.push([&constraint[..], &of, &said].concat());
        for (place, &column) in relation.key.iter().enumerate() {
            let name = text(relation.schema.field(column).name());
            usages.push([&constraint[..], &of, &[name.clone(), Int(place as i64 + 1), Null]].concat());
            columns.push([&of[..], &[name], &constraint].concat());
        }
    }
    tables.add(
        "table_constraints: constraint_catalog t constraint_schema t constraint_name t table_catalog t table_schema t table_name t constraint_type t is_deferrable t initially_deferred t enforced t nulls_distinct t",
        &constraints,
    )?;
    tables.add(
        "key_column_usage: constraint_catalog t constraint_schema t constraint_name t table_catalog t table_schema t table_name t column_name t ordinal_position i position_in_unique_constraint i",
        &usages,
    )?;
    tables.add(
        "constraint_column_usage: table_catalog t table_schema t table_name t column_name t constraint_catalog t constraint_schema t constraint_name t",
        &columns,
    )?;
    tables.add(
        "constraint_table_usage: table_catalog t table_schema t table_name t constraint_catalog t constraint_schema t constraint_name t",
        &[],
    )
}

fn column_row(relation: &str, place: usize, field: &Field) -> Vec<Cell> {
    let of = postgres_type(field);
    let (precision, radix, scale) = precision(&of, field.data_type());
    let is_time = [Type::TIMESTAMP, Type::TIMESTAMPTZ, Type::TIME, Type::INTERVAL].contains(&of);
    let datetime = if is_time {
        Int(6)
    } else if of == Type::DATE {
        Int(0)
    } else {
        Null
    };
    let said = if of.name().starts_with('_') { "ARRAY".to_owned() } else { formatted(i64::from(of.oid()), None) };
    let named = [text("readside"), text("public"), text(relation), text(field.name()), Int(place as i64)];
    let typed = [
        Null,
        text(if field.is_nullable() { "YES" } else { "NO" }),
        text(said),
        Null,
        Null,
        precision,
        radix,
        scale,
        datetime,
        Null,
        Null,
    ];
    // Of characters, collations and domains.
    let none = vec![Null; 9];
    let udt = [text("readside"), text("pg_catalog"), text(of.name()), Null, Null, Null, Null, text(place.to_string())];
    let rest = [text("NO"), text("NO"), Null, Null, Null, Null, Null, text("NO"), text("NEVER"), Null, text("NO")];
    [&named[..], &typed, &none, &udt, &rest].concat()
}

/// How exact numbers of a type are, in digits of which base, and behind the point.
fn precision(of: &Type, data_type: &DataType) -> (Cell, Cell, Cell) {
    match (of, data_type) {
        (&Type::INT2, _) => (Int(16), Int(2), Int(0)),
        (&Type::INT4, _) => (Int(32), Int(2), Int(0)),
        (&Type::INT8, _) => (Int(64), Int(2), Int(0)),
        (&Type::FLOAT4, _) => (Int(24), Int(2), Null),
        (&Type::FLOAT8, _) => (Int(53), Int(2), Null),
        (&Type::NUMERIC, DataType::Decimal128(precision, scale)) => {
            (Int(i64::from(*precision)), Int(10), Int(i64::from(*scale)))
        }
        (&Type::NUMERIC, _) => (Null, Int(10), Null),
        _ => (Null, Null, Null),
    }
}
