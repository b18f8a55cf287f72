//! Each proof beside a query that is close to it, where two rows may share the columns.
//!
//! The relations are `one(k!, n, t)` with the key `k`, `two(a!, b!, m)` with the key `a, b`, `loose(k, n)` with a key that
//! can be NULL, and `shop.placed`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::empty::EmptyTable;

use super::*;
use crate::event::SourceRelation;
use crate::identity::Specification;
use crate::plan::datafusion::planning_state;
use crate::plan::{ProjectionSchema, session};

fn projection(columns: &[(&str, DataType, bool)], key: &[usize]) -> ProjectionSchema {
    let fields = columns.iter().map(|(name, of, nullable)| Field::new(*name, of.clone(), *nullable));
    ProjectionSchema {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        key: key.to_vec(),
        key_proven: true,
        reads: Default::default(),
        append_only: false,
        identity: Specification::of("test").finish(),
    }
}

fn scope() -> Scope {
    use DataType::{Int64, Utf8};
    let mut scope = crate::plan::tests::scope();
    let one = projection(&[("k", Utf8, false), ("n", Int64, true), ("t", Utf8, true)], &[0]);
    let two = projection(&[("a", Utf8, false), ("b", Utf8, false), ("m", Int64, true)], &[0, 1]);
    let loose = projection(&[("k", Utf8, true), ("n", Int64, true)], &[0]);
    scope.projections.extend([("one".to_owned(), one), ("two".to_owned(), two), ("loose".to_owned(), loose)]);
    scope
}

/// What is known of the optimised query, and its columns by name.
#[tokio::main(flavor = "current_thread")]
async fn known(sql: &str) -> (Keys, Vec<String>) {
    let (scope, context) = (scope(), session().unwrap());
    for (name, projection) in &scope.projections {
        context.register_table(name.as_str(), Arc::new(EmptyTable::new(projection.schema.clone()))).unwrap();
    }
    let tables = MemorySchemaProvider::new();
    let placed = EmptyTable::new(scope.sources["shop"].schema.relation_schema(SourceRelation::Type(0)));
    tables.register_table("placed".to_owned(), Arc::new(placed)).unwrap();
    context.catalog("datafusion").unwrap().register_schema("shop", Arc::new(tables)).unwrap();
    let state = planning_state(&context);
    let plan = state.optimize(&state.create_logical_plan(sql).await.unwrap()).unwrap();
    let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    (Keys::of(&plan, Some(&scope)), names)
}

fn is_key(sql: &str, columns: &[&str]) -> bool {
    let (known, names) = known(sql);
    let indices = columns.iter().map(|column| names.iter().position(|name| name == column).unwrap());
    known.are_unique(&indices.collect::<Vec<_>>())
}

fn has_one_row_at_most(sql: &str) -> bool {
    known(sql).0.has_one_row_at_most()
}

#[test]
fn an_event_is_known_by_its_index_in_the_stream() {
    assert!(is_key("SELECT _seq, _ord, id FROM shop.placed WHERE amount > 3", &["_seq", "_ord"]));
    assert!(!is_key("SELECT _seq, _ord, id FROM shop.placed", &["_seq"]));
    assert!(!is_key("SELECT _seq, id FROM shop.placed", &["_seq", "id"]));
}

#[test]
fn a_key_passes_through_renaming_but_not_through_expressions() {
    assert!(is_key("SELECT k AS id, n FROM one", &["id"]));
    assert!(!is_key("SELECT lower(k) AS id, n FROM one", &["id"]));
    assert!(!is_key("SELECT n, t FROM one", &["n", "t"]));
}

#[test]
fn groups_are_known_by_their_keys_unless_there_are_several_sets() {
    assert!(is_key("SELECT t, sum(n) AS s FROM one GROUP BY t", &["t"]));
    assert!(!is_key("SELECT t, sum(n) AS s FROM one GROUP BY t, k", &["t"]));
    assert!(!is_key("SELECT t, sum(n) AS s FROM one GROUP BY ROLLUP (t)", &["t"]));
    assert!(!is_key("SELECT t, n, count(*) AS c FROM one GROUP BY CUBE (t, n)", &["t"]));
    assert!(has_one_row_at_most("SELECT sum(n) AS s FROM one"));
    assert!(!has_one_row_at_most("SELECT sum(n) AS s FROM one GROUP BY ROLLUP (t)"));
}

#[test]
fn distinct_rows_are_known_by_all_columns() {
    assert!(is_key("SELECT DISTINCT n, t FROM one", &["n", "t"]));
    assert!(!is_key("SELECT DISTINCT n, t FROM one", &["n"]));
    assert!(is_key("SELECT n FROM one UNION SELECT m FROM two", &["n"]));
    assert!(!is_key("SELECT n FROM one UNION ALL SELECT m FROM two", &["n"]));
    assert!(!is_key("SELECT k FROM one UNION ALL SELECT k FROM loose", &["k"]));
}

#[test]
fn distinct_on_keeps_one_row_of_a_key() {
    assert!(is_key("SELECT DISTINCT ON (t) t, n FROM one ORDER BY t, n", &["t"]));
    assert!(!is_key("SELECT DISTINCT ON (t, n) t, n FROM one ORDER BY t, n", &["t"]));
    assert!(!is_key("SELECT DISTINCT ON (t) n FROM one ORDER BY t, n", &["n"]));
}

#[test]
fn a_join_on_a_unique_side_keeps_the_other_keys() {
    assert!(is_key("SELECT a, b, n FROM two JOIN one ON two.b = one.k", &["a", "b"]));
    assert!(is_key("SELECT a, b, n FROM two LEFT JOIN one ON two.b = one.k AND n > 3", &["a", "b"]));
    // Several rows of `two` have one `a`.
    assert!(!is_key("SELECT k, b FROM one JOIN two ON one.k = two.a", &["k"]));
    assert!(!is_key("SELECT k, m FROM one LEFT JOIN two ON one.k = two.a", &["k"]));
    // What is compared is not the key, but something of it.
    assert!(!is_key("SELECT a, b, n FROM two JOIN one ON two.b = lower(one.k)", &["a", "b"]));
    assert!(!is_key("SELECT a, b, n FROM two JOIN one ON two.b < one.k", &["a", "b"]));
    // Rows of `one` without a partner have no `a` and `b`.
    assert!(!is_key("SELECT a, b, n FROM two RIGHT JOIN one ON two.b = one.k", &["a", "b"]));
    assert!(is_key("SELECT a, b, k, n FROM two RIGHT JOIN one ON two.b = one.k", &["a", "b", "k"]));
}

#[test]
fn the_keys_of_both_sides_are_one_of_their_pairs() {
    assert!(is_key("SELECT k, a, b FROM one JOIN two ON one.n = two.m", &["k", "a", "b"]));
    assert!(!is_key("SELECT k, a, b FROM one JOIN two ON one.n = two.m", &["k", "a"]));
    assert!(is_key("SELECT k, a, b FROM one LEFT JOIN two ON one.n = two.m", &["k", "a", "b"]));
    assert!(is_key("SELECT k, a, b FROM one FULL JOIN two ON one.n = two.m", &["k", "a", "b"]));
    // A row with a NULL key and a missing one look alike.
    let full = "SELECT x.k, y.k AS l FROM loose AS x FULL JOIN loose AS y ON x.n = y.n";
    assert!(!is_key(full, &["k", "l"]));
    assert!(is_key("SELECT x.k, y.k AS l FROM loose AS x LEFT JOIN loose AS y ON x.n = y.n", &["k", "l"]));
}

#[test]
fn totals_that_are_joined_have_one_row_unless_either_may_be_missing() {
    let totals = |join: &str| {
        format!(
            "SELECT s, c FROM (SELECT sum(n) AS s FROM one) AS x {join} JOIN (SELECT sum(m) AS c FROM two) AS y ON s = c"
        )
    };
    assert!(has_one_row_at_most(&totals("")));
    assert!(has_one_row_at_most(&totals("LEFT")));
    assert!(!has_one_row_at_most(&totals("FULL")));
}

#[test]
fn semi_joins_only_leave_rows_out() {
    assert!(is_key("SELECT k FROM one WHERE EXISTS (SELECT 1 FROM two WHERE two.a = one.t)", &["k"]));
    assert!(is_key("SELECT k FROM one WHERE t NOT IN (SELECT a FROM two)", &["k"]));
    assert!(!is_key("SELECT t FROM one WHERE EXISTS (SELECT 1 FROM two WHERE two.a = one.t)", &["t"]));
}

#[test]
fn windows_number_the_rows_of_a_partition() {
    let numbered = "SELECT k, t, row_number() OVER (PARTITION BY t ORDER BY n, k) AS r FROM one";
    assert!(is_key(numbered, &["t", "r"]));
    assert!(is_key(numbered, &["k"]));
    assert!(!is_key(numbered, &["r"]));
    let ranked = "SELECT k, t, rank() OVER (PARTITION BY t ORDER BY n) AS r FROM one";
    assert!(!is_key(ranked, &["t", "r"]));
}

#[test]
fn the_first_row_of_a_partition_is_known_by_its_keys() {
    let first = |condition: &str| {
        format!(
            "SELECT t, n FROM (SELECT t, n, row_number() OVER (PARTITION BY t ORDER BY n, k) AS r FROM one) WHERE {condition}"
        )
    };
    assert!(is_key(&first("r = 1"), &["t"]));
    assert!(is_key(&first("r <= 1"), &["t"]));
    assert!(is_key(&first("2 > r"), &["t"]));
    assert!(!is_key(&first("r <= 2"), &["t"]));
    assert!(!is_key(&first("r = 1 OR n = 1"), &["t"]));
}

#[test]
fn a_column_that_is_constant_tells_no_rows_apart() {
    assert!(is_key("SELECT b, m FROM two WHERE a = 'x'", &["b"]));
    assert!(!is_key("SELECT b, m FROM two WHERE a > 'x'", &["b"]));
    assert!(!is_key("SELECT b, m FROM two WHERE a = 'x' OR b = 'y'", &["b"]));
    assert!(has_one_row_at_most("SELECT n FROM one WHERE k = 'x'"));
    assert!(!has_one_row_at_most("SELECT n FROM one WHERE t = 'x'"));
}

#[test]
fn limits_leave_one_row_or_more() {
    assert!(has_one_row_at_most("SELECT n FROM one ORDER BY n LIMIT 1"));
    assert!(!has_one_row_at_most("SELECT n FROM one ORDER BY n LIMIT 2"));
    assert!(is_key("SELECT k, n FROM one ORDER BY n LIMIT 2", &["k"]));
}

#[test]
fn an_unnested_list_repeats_its_row() {
    assert!(!is_key("SELECT k, unnest(make_array(n, 1)) AS x FROM one", &["k"]));
}

#[test]
fn columns_that_determine_a_key_are_one() {
    let numbered = "SELECT k, t, m, row_number() OVER (PARTITION BY t ORDER BY k, a, b) AS r \
                    FROM one JOIN two ON one.n = two.m";
    assert!(is_key(numbered, &["t", "r"]));
    assert!(is_key(numbered, &["k", "r"]));
    assert!(!is_key(numbered, &["m", "r"]));
}
