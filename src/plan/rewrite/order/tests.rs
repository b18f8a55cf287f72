//! Each case runs over many permutations and batchings of the same rows, which must give the same result, and compares
//! it with what is expected.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::MemorySchemaProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionContext;
use expect_test::{Expect, expect};

use super::*;
use crate::plan::{readable, session};

/// `orders.items`: two keys, split events, equal values of n, NULLs, and lists. `facts` holds the same as derived rows.
fn rows() -> RecordBatch {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(3), Some(1)]),
        Some(vec![Some(2)]),
        None,
        Some(vec![]),
        Some(vec![Some(1), None, Some(9)]),
        Some(vec![Some(5), Some(5)]),
        Some(vec![Some(4)]),
        None,
    ]);
    let field = |name: &str, data_type: DataType, nullable| Field::new(name, data_type, nullable);
    let schema = Schema::new(vec![
        field("_seq", DataType::Int64, false),
        field("_ord", DataType::Int32, false),
        field("k", DataType::Utf8, false),
        field("n", DataType::Int64, true),
        field("x", DataType::Float64, true),
        field("s", DataType::Utf8, true),
        field("list", list.data_type().clone(), true),
    ]);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 3, 4, 5, 6, 7])),
        Arc::new(Int32Array::from(vec![0, 0, 0, 1, 0, 0, 0, 0])),
        Arc::new(StringArray::from(vec!["a", "b", "a", "a", "b", "a", "b", "a"])),
        Arc::new(Int64Array::from(vec![Some(5), Some(5), Some(7), Some(7), None, Some(7), Some(1), None])),
        Arc::new(Float64Array::from(vec![
            Some(0.1),
            Some(1e16),
            Some(0.2),
            Some(0.3),
            Some(1.0),
            None,
            Some(-1e16),
            Some(-0.6),
        ])),
        Arc::new(StringArray::from(vec![
            Some("one"),
            Some("two"),
            Some("three"),
            Some("four"),
            None,
            Some("six"),
            Some("seven"),
            None,
        ])),
        Arc::new(list),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn context(rng: Option<&mut fastrand::Rng>, rows: &RecordBatch) -> SessionContext {
    let context = session().unwrap();
    let catalog = context.catalog("datafusion").unwrap();
    catalog.register_schema("orders", Arc::new(MemorySchemaProvider::new())).unwrap();
    let batches = match rng {
        None => vec![rows.clone()],
        Some(rng) => {
            // More partitions than production has, so that states are merged too.
            context.state_ref().write().config_mut().options_mut().execution.target_partitions = rng.usize(1..4);
            shuffled(rng, rows)
        }
    };
    let indices: Vec<usize> = (2..rows.num_columns()).collect();
    let facts: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&indices).unwrap()).collect();
    let table = |schema: SchemaRef, batches: Vec<RecordBatch>| {
        let partitions = batches.chunks(batches.len().div_ceil(2)).map(<[_]>::to_vec).collect();
        Arc::new(MemTable::try_new(schema, partitions).unwrap())
    };
    context.register_table("facts", table(facts[0].schema(), facts.clone())).unwrap();
    context.register_table("orders.items", table(rows.schema(), batches)).unwrap();
    context
}

fn shuffled(rng: &mut fastrand::Rng, rows: &RecordBatch) -> Vec<RecordBatch> {
    let mut indices: Vec<u64> = (0..rows.num_rows() as u64).collect();
    rng.shuffle(&mut indices);
    let rows = take_record_batch(rows, &UInt64Array::from(indices)).unwrap();
    let mut batches = Vec::new();
    let mut start = 0;
    while start < rows.num_rows() {
        let length = rng.usize(1..=rows.num_rows() - start);
        batches.push(rows.slice(start, length));
        start += length;
    }
    batches
}

async fn planned(context: &SessionContext, sql: &str) -> LogicalPlan {
    context.state().create_logical_plan(sql).await.unwrap()
}

/// The result as a header and lines, sorted: a result is a set.
async fn answer(context: &SessionContext, sql: &str) -> String {
    let original = planned(context, sql).await;
    let plan = rewrite(original.clone()).unwrap();
    assert_eq!(plan.schema().columns(), original.schema().columns());
    let plan = readable(plan, &context.state()).unwrap();
    let batches = context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
    let mut lines = Vec::new();
    for batch in &batches {
        let options = FormatOptions::default().with_null("NULL");
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap());
        let columns: Vec<_> = columns.collect();
        lines.extend((0..batch.num_rows()).map(|row| {
            let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            values.join(" | ")
        }));
    }
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn check(sql: &str, expected: Expect) {
    let rows = rows();
    let first = answer(&context(None, &rows), sql).await;
    expected.assert_eq(&first);
    for seed in 0..6 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let other = answer(&context(Some(&mut rng), &rows), sql).await;
        assert_eq!(other, first, "seed {seed}: {sql}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check_error(sql: &str, expected: Expect) {
    let plan = planned(&context(None, &rows()), sql).await;
    let RewriteError { message, hint, span, .. } = rewrite(plan).unwrap_err();
    let span = span.map_or_else(String::new, |(line, column)| format!("{line}:{column}: "));
    expected.assert_eq(&format!("{span}{message}\nhint: {}\n", hint.unwrap_or_default()));
}

#[test]
fn picks_follow_the_stream() {
    check(
        "SELECT k, latest(s), latest(s) RESPECT NULLS, earliest(n), latest(s ORDER BY n), last_value(s), first_value(s)
         FROM orders.items GROUP BY k",
        expect![[r#"
            a | six | NULL | 5 | six | NULL | one
            b | seven | seven | 5 | two | seven | two
        "#]],
    );
    check(
        "SELECT latest(s), earliest(s), any_value(n) FROM orders.items WHERE n = 7",
        expect![[r#"
        six | three | 7
    "#]],
    );
    check(
        "SELECT latest(s), earliest(s), any_value(n) FROM orders.items WHERE n > 100",
        expect![[r#"
        NULL | NULL | NULL
    "#]],
    );
    check(
        "SELECT latest(s) FILTER (WHERE n < 7) FROM orders.items HAVING latest(n) = 1",
        expect![[r#"
        seven
    "#]],
    );
}

#[test]
fn picks_by_another_column_break_ties_by_the_stream() {
    check(
        "SELECT k, max_by(s, n), min_by(s, n), max_by(s, x), max_by(s, n ORDER BY x) FROM orders.items GROUP BY k",
        expect![[r#"
            a | six | one | four | six
            b | two | seven | two | two
        "#]],
    );
    check(
        "SELECT k, max_by(s, n), min_by(s, n) FROM facts GROUP BY k",
        expect![[r#"
        a | six | one
        b | two | seven
    "#]],
    );
}

#[test]
fn lists_follow_the_stream_or_the_order_and_then_the_stream() {
    check(
        "SELECT k, collect(s), array_agg(s), array_agg(s ORDER BY n), array_agg(s ORDER BY n DESC) FROM orders.items GROUP BY k",
        expect![[r#"
            a | [one, three, four, six] | [one, three, four, six, NULL] | [one, three, four, six, NULL] | [NULL, six, four, three, one]
            b | [two, seven] | [two, NULL, seven] | [seven, two, NULL] | [NULL, two, seven]
        "#]],
    );
    check(
        "SELECT k, string_agg(s, '-'), string_agg(s, '-' ORDER BY s), nth_value(s, 2 ORDER BY n), nth_value(n, -1 ORDER BY s)
         FROM orders.items GROUP BY k",
        expect![[r#"
            a | one-three-four-six | four-one-six-three | three | NULL
            b | two-seven | seven-two | two | NULL
        "#]],
    );
    check(
        "SELECT collect(s), array_agg(s), string_agg(s, ',') FROM orders.items WHERE n > 100",
        expect![[r#"
        [] | NULL | NULL
    "#]],
    );
    check(
        "SELECT k, collect(DISTINCT n), array_agg(DISTINCT n), string_agg(DISTINCT s, ' ') FROM orders.items GROUP BY k",
        expect![[r#"
            a | [5, 7] | [5, 7, NULL] | four one six three
            b | [1, 5] | [1, 5, NULL] | seven two
        "#]],
    );
    check(
        "SELECT collect(s) || ['end'] AS all FROM (SELECT s FROM orders.items WHERE k = 'b') AS b",
        expect![[r#"
        [two, seven, end]
    "#]],
    );
}

#[test]
fn lists_of_derived_rows_follow_their_values() {
    check(
        "SELECT f.k, collect(f.s), string_agg(i.s, '+') FROM facts f JOIN orders.items i ON f.k = i.k AND f.n = i.n GROUP BY f.k",
        expect![[r#"
            a | [four, four, four, one, six, six, six, three, three, three] | four+four+four+one+six+six+six+three+three+three
            b | [seven, two] | seven+two
        "#]],
    );
    check(
        "SELECT array_agg(s) FROM (SELECT s FROM orders.items UNION ALL SELECT s FROM orders.items)",
        expect![[r#"
            [four, four, one, one, seven, seven, six, six, three, three, two, two, NULL, NULL, NULL, NULL]
        "#]],
    );
}

#[test]
fn maps_keep_the_last_value_of_each_key() {
    check(
        "SELECT map_agg(k, s), map_agg(n, s), map_agg(k, s ORDER BY s DESC), map_agg(n, x) FILTER (WHERE n > 100) FROM orders.items",
        expect![[r#"
            {a: NULL, b: seven} | {1: seven, 5: two, 7: six} | {a: four, b: seven} | {}
        "#]],
    );
    check(
        "SELECT k, map_agg(n, s ORDER BY x) FROM facts GROUP BY k",
        expect![[r#"
        a | {5: one, 7: six}
        b | {1: seven, 5: two}
    "#]],
    );
}

#[test]
fn order_goes_through_subqueries_projections_and_unnested_lists() {
    check(
        "WITH recent AS (SELECT upper(k) AS key, s, n AS _seq FROM orders.items WHERE s IS NOT NULL)
         SELECT key, latest(s), collect(_seq) FROM recent r GROUP BY key",
        expect![[r#"
            A | six | [5, 7, 7, 7]
            B | seven | [5, 1]
        "#]],
    );
    check(
        "SELECT k, collect(i), latest(i) FROM (SELECT k, unnest(list) AS i FROM orders.items) GROUP BY k",
        expect![[r#"
            a | [3, 1, 5, 5] | 5
            b | [2, 1, 9, 4] | 4
        "#]],
    );
    check(
        "SELECT array_agg(i), array_agg(j) FROM (SELECT unnest(list) AS i, unnest([_seq, _ord, 7]) AS j FROM orders.items)",
        expect![[r#"
            [3, 1, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL, 9, 5, 5, NULL, 4, NULL, NULL, NULL, NULL, NULL] | [1, 0, 7, 2, 0, 7, 3, 0, 7, 3, 1, 7, 4, 0, 7, 5, 0, 7, 6, 0, 7, 7, 0, 7]
        "#]],
    );
    check(
        "SELECT k, (SELECT latest(s) FROM orders.items WHERE n = 7) AS l FROM orders.items WHERE _seq IN
         (SELECT max(_seq) FROM orders.items GROUP BY k)",
        expect![[r#"
            a | six
            b | six
        "#]],
    );
}

#[test]
fn first_rows_are_those_of_a_total_order() {
    check(
        "SELECT s, n FROM orders.items ORDER BY n DESC NULLS LAST LIMIT 2",
        expect![[r#"
        four | 7
        six | 7
    "#]],
    );
    check(
        "SELECT s FROM orders.items ORDER BY n LIMIT 3 OFFSET 1",
        expect![[r#"
        one
        three
        two
    "#]],
    );
    check(
        "SELECT _seq FROM orders.items LIMIT 3",
        expect![[r#"
        1
        2
        3
    "#]],
    );
    check(
        "SELECT k, s FROM facts ORDER BY n LIMIT 3",
        expect![[r#"
        a | one
        b | seven
        b | two
    "#]],
    );
    check(
        "SELECT k, s, list FROM facts LIMIT 2",
        expect![[r#"
        a | four | []
        a | one | [3, 1]
    "#]],
    );
    check(
        "SELECT collect(s) FROM (SELECT s FROM orders.items ORDER BY n LIMIT 3)",
        expect![[r#"
        [one, two, seven]
    "#]],
    );
}

#[test]
fn distinct_on_keeps_one_row_of_a_total_order() {
    check(
        "SELECT DISTINCT ON (k) k, s, n FROM orders.items ORDER BY k, n DESC NULLS LAST",
        expect![[r#"
        a | six | 7
        b | two | 5
    "#]],
    );
    check(
        "SELECT DISTINCT ON (k) k, s, n FROM orders.items ORDER BY k, n",
        expect![[r#"
        a | one | 5
        b | seven | 1
    "#]],
    );
    check(
        "SELECT DISTINCT ON (k) k, s FROM orders.items",
        expect![[r#"
        a | one
        b | two
    "#]],
    );
    check(
        "SELECT DISTINCT ON (k, k) k, last_value(s ORDER BY s, s), max_by(n, n ORDER BY n) FROM orders.items GROUP BY k ORDER BY k, k",
        expect![[r#"
            a | NULL | 7
            b | NULL | 5
        "#]],
    );
    check(
        "SELECT DISTINCT ON (n) n, k, list FROM facts ORDER BY n DESC",
        expect![[r#"
        1 | b | [4]
        5 | a | [3, 1]
        7 | a | NULL
        NULL | a | NULL
    "#]],
    );
}

#[test]
fn windows_number_rows_in_a_total_order_and_rank_them_as_written() {
    check(
        "SELECT _seq, _ord, row_number() OVER (PARTITION BY k ORDER BY n DESC NULLS LAST) AS r,
                rank() OVER (PARTITION BY k ORDER BY n DESC NULLS LAST),
                lag(s) OVER (PARTITION BY k ORDER BY n DESC NULLS LAST)
         FROM orders.items WHERE k = 'a'",
        expect![[r#"
            1 | 0 | 4 | 4 | three
            3 | 0 | 3 | 1 | four
            3 | 1 | 2 | 1 | six
            5 | 0 | 1 | 1 | NULL
            7 | 0 | 5 | 5 | one
        "#]],
    );
    check(
        "SELECT _seq, row_number() OVER () FROM orders.items WHERE k = 'b'",
        expect![[r#"
        2 | 1
        4 | 2
        6 | 3
    "#]],
    );
    check(
        "SELECT _seq, _ord, sum(n) OVER (ORDER BY n), sum(n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING),
                first_value(s) OVER (ORDER BY n), array_agg(s) OVER (ORDER BY n ROWS 1 PRECEDING)
         FROM orders.items WHERE n >= 5",
        expect![[r#"
            1 | 0 | 10 | 5 | one | [one]
            2 | 0 | 10 | 10 | one | [one, two]
            3 | 0 | 31 | 17 | one | [two, three]
            3 | 1 | 31 | 24 | one | [three, four]
            5 | 0 | 31 | 31 | one | [four, six]
        "#]],
    );
    check(
        "SELECT s FROM (SELECT s, row_number() OVER (PARTITION BY k ORDER BY n) AS r FROM facts) WHERE r = 1",
        expect![[r#"
            one
            seven
        "#]],
    );
}

#[test]
fn floats_are_summed_exactly_on_every_path() {
    check(
        "SELECT k, sum(x), avg(x), sum(DISTINCT x), var_samp(x), stddev_pop(x), avg(n), sum(n), avg(DISTINCT n) FROM orders.items GROUP BY k",
        expect![[r#"
            a | 2.7755575615628914e-17 | 6.938893903907228e-18 | 2.7755575615628914e-17 | 0.16666666666666666 | 0.35355339059327373 | 6.5 | 26 | 6.0
            b | 1.0 | 0.3333333333333333 | 1.0 | 1e32 | 8164965809277260.0 | 3.0 | 6 | 3.0
        "#]],
    );
    check(
        "SELECT sum(x), avg(x), var(x), stddev(x), sum(x + 1), sum(x) FILTER (WHERE n > 100) FROM facts",
        expect![[r#"
            1.0 | 0.14285714285714285 | 3.3333333333333334e31 | 5773502691896258.0 | 6.0 | NULL
        "#]],
    );
    check(
        "SELECT s, sum(x) OVER (ORDER BY s ROWS 1 PRECEDING) FROM facts WHERE s IS NOT NULL",
        expect![[r#"
        four | 0.3
        one | 0.4
        seven | -1e16
        six | -1e16
        three | 0.2
        two | 1e16
    "#]],
    );
    check(
        "SELECT sum(x::decimal(38,1)), avg(n::decimal(10,2)), sum(1.5), sum(n::float) FROM facts",
        expect![[r#"
        1.0 | 5.333333 | 12.0 | 32.0
    "#]],
    );
}

#[test]
fn extremes_of_floats_know_nan_infinities_and_one_zero() {
    let values = "(SELECT CASE n WHEN 7 THEN 'NaN'::double WHEN 5 THEN 'inf'::double WHEN 1 THEN '-inf'::double ELSE -0.0::double END AS f, k, n FROM facts)";
    check(
        &format!("SELECT max(f), min(f) FROM {values}"),
        expect![[r#"
        NaN | -inf
    "#]],
    );
    check(
        &format!("SELECT n, max(f), min(f) FROM {values} GROUP BY n"),
        expect![[r#"
        1 | -inf | -inf
        5 | inf | inf
        7 | NaN | NaN
        NULL | 0.0 | 0.0
    "#]],
    );
    check(
        &format!("SELECT k, max(f), min(f), canonical_float(min(f)) FROM {values} GROUP BY k"),
        expect![[r#"
        a | NaN | 0.0 | 0.0
        b | inf | -inf | -inf
    "#]],
    );
}

/// Few distinct values, so that most orders tie, and rows that are equal throughout.
fn random_rows(rng: &mut fastrand::Rng) -> RecordBatch {
    let count = rng.usize(1..80);
    let optional = |rng: &mut fastrand::Rng, below: i64| (rng.u8(..) > 40).then(|| rng.i64(0..below));
    let n: Int64Array = (0..count).map(|_| optional(rng, 4)).collect();
    let x: Float64Array = (0..count).map(|_| optional(rng, 9).map(|i| FLOATS[i as usize])).collect();
    let s: StringArray = (0..count).map(|_| optional(rng, 5).map(|i| format!("s{i}"))).collect();
    let k: StringArray = (0..count).map(|_| Some(format!("k{}", rng.u8(0..4)))).collect();
    let list =
        (0..count).map(|_| optional(rng, 4).map(|length| (0..length).map(|_| Some(rng.i32(0..3))).collect::<Vec<_>>()));
    let list: Vec<_> = list.collect();
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from_iter_values((0..count as i64).map(|row| row / 2))),
        Arc::new(Int32Array::from_iter_values((0..count as i32).map(|row| row % 2))),
        Arc::new(k),
        Arc::new(n),
        Arc::new(x),
        Arc::new(s),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(list)),
    ];
    RecordBatch::try_new(rows().schema(), columns).unwrap()
}

const FLOATS: [f64; 9] = [0.1, 0.2, -0.3, 1e16, -1e16, f64::NAN, f64::INFINITY, -0.0, 0.0];

#[test]
fn any_permutation_and_batching_gives_the_same_result() {
    for seed in 0..6 {
        any_order_is_the_same(seed);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn any_order_is_the_same(seed: u64) {
    let queries = [
        "SELECT k, latest(s), earliest(x), max_by(s, n), min_by(list, x), collect(s), array_agg(n ORDER BY x) FROM orders.items GROUP BY k",
        "SELECT k, max_by(s, n), map_agg(n, s ORDER BY x), string_agg(s, ',' ORDER BY n), nth_value(s, 3 ORDER BY x DESC) FROM facts GROUP BY k",
        "SELECT k, sum(x), avg(x), stddev(x), var_pop(x), sum(DISTINCT x), max(x), min(x), any_value(s) FROM facts GROUP BY k",
        "SELECT sum(x), avg(x), stddev(x), min(x), max(x), map_agg(s, n), array_agg(DISTINCT x) FROM orders.items WHERE n > 0",
        "SELECT k, collect(i), latest(i) FROM (SELECT k, unnest(list) AS i FROM orders.items WHERE n > 0) GROUP BY k",
        "SELECT DISTINCT ON (n) n, s, k FROM orders.items ORDER BY n, x DESC",
        "SELECT DISTINCT ON (n) n, s, list FROM facts ORDER BY n, x DESC",
        "SELECT k, s, n FROM facts ORDER BY n DESC LIMIT 7",
        "SELECT _seq, _ord, row_number() OVER (PARTITION BY k ORDER BY n), sum(x) OVER (ORDER BY n ROWS 2 PRECEDING) FROM orders.items",
        "SELECT k, s, rank() OVER (ORDER BY k), row_number() OVER (PARTITION BY k ORDER BY n) FROM facts",
    ];
    let mut rng = fastrand::Rng::with_seed(seed);
    let rows = random_rows(&mut rng);
    for sql in queries {
        let first = answer(&context(None, &rows), sql).await;
        for _ in 0..3 {
            assert_eq!(answer(&context(Some(&mut rng), &rows), sql).await, first, "seed {seed}: {sql}");
        }
    }
}

#[test]
fn names_and_types_survive_whatever_surrounds_the_aggregates() {
    check(
        "SELECT latest(s) AS a, latest(s) AS b, cardinality(collect(s)) + 1, latest(upper(s)) FROM orders.items",
        expect![[r#"
            seven | seven | 7 | SEVEN
        "#]],
    );
    check(
        "SELECT k, n, collect(s), count(*) FROM orders.items WHERE n > 1 GROUP BY ROLLUP (k, n)",
        expect![[r#"
        NULL | NULL | [one, two, three, four, six] | 5
        a | 5 | [one] | 1
        a | 7 | [three, four, six] | 3
        a | NULL | [one, three, four, six] | 4
        b | 5 | [two] | 1
        b | NULL | [two] | 1
    "#]],
    );
    check(
        "SELECT k || '!' AS k2, collect(s) AS all FROM orders.items GROUP BY 1 HAVING cardinality(collect(s)) > 2 ORDER BY latest(n)",
        expect![[r#"
            a! | [one, three, four, six]
        "#]],
    );
    check(
        "SELECT k FROM facts f WHERE EXISTS (SELECT 1 FROM orders.items i WHERE i.k = f.k AND i.n = 1 LIMIT 1)",
        expect![[r#"
            b
            b
            b
        "#]],
    );
    check(
        "SELECT a.k, b.all FROM facts a JOIN (SELECT k, collect(s) AS all FROM orders.items GROUP BY k) b USING (k) GROUP BY 1, 2",
        expect![[r#"
            a | [one, three, four, six]
            b | [two, seven]
        "#]],
    );
}

#[test]
fn nested_values_are_picked_and_break_ties() {
    let nested = "(SELECT k, n, named_struct('s', s, 'x', x) AS both, map([k], [n]) AS m, list FROM facts)";
    check(
        "SELECT k, latest(both), latest(both.s), max_by(both, n), collect(m) FROM (SELECT k, n, named_struct('s', s, 'x', x) AS both, map([k], [n]) AS m FROM orders.items) GROUP BY k",
        expect![[r#"
            a | {s: NULL, x: -0.6} | six | {s: six, x: NULL} | [{a: 5}, {a: 7}, {a: 7}, {a: 7}, {a: NULL}]
            b | {s: seven, x: -1e16} | seven | {s: two, x: 1e16} | [{b: 5}, {b: NULL}, {b: 1}]
        "#]],
    );
    check(
        &format!("SELECT k, array_agg(list ORDER BY n), last_value(both ORDER BY k) FROM {nested} GROUP BY k"),
        expect![[r#"
            a | [[3, 1], [], [5, 5], NULL, NULL] | {s: NULL, x: -0.6}
            b | [[4], [2], [1, NULL, 9]] | {s: NULL, x: 1.0}
        "#]],
    );
    check(
        &format!("SELECT DISTINCT ON (k) k, both FROM {nested} ORDER BY k"),
        expect![[r#"
        a | {s: one, x: 0.1}
        b | {s: seven, x: -1e16}
    "#]],
    );
    check(
        &format!("SELECT row_number() OVER (ORDER BY k) AS r, both FROM {nested} ORDER BY k LIMIT 3"),
        expect![[r#"
        1 | {s: one, x: 0.1}
        2 | {s: four, x: 0.3}
        3 | {s: six, x: NULL}
    "#]],
    );
}

#[test]
fn dialect_literals_and_json_are_those_of_the_one_session() {
    check(
        "SELECT 0.1 + 0.2, arrow_typeof(1.5), arrow_typeof('a'), arrow_typeof(timestamp '2026-01-02T03:04:05Z') FROM facts LIMIT 1",
        expect![[r#"
            0.3 | Decimal128(2, 1) | Utf8 | Timestamp(µs)
        "#]],
    );
    check(
        "SELECT array_transform([1, 2], v -> v + 1), json_get_int('{\"a\": 7}', 'a'), '{\"a\": 7}'->'a' FROM facts LIMIT 1",
        expect![[r#"
            [2, 3] | 7 | 7
        "#]],
    );
}

#[test]
fn what_has_no_order_is_refused() {
    check_error(
        "SELECT latest(s) FROM facts",
        expect![[r#"
        1:15: `latest` needs ORDER BY here: only the events of one source have an order of their own
        hint: write `latest(facts.s ORDER BY …)`, or read one relation of one source
    "#]],
    );
    check_error(
        "SELECT k,\n map_agg(f.s, i.n) FROM facts f JOIN orders.items i USING (k) GROUP BY k",
        expect![[r#"
            2:10: `map_agg` needs ORDER BY here: only the events of one source have an order of their own
            hint: write `map_agg(f.s ORDER BY …)`, or read one relation of one source
        "#]],
    );
    check_error(
        "SELECT nth_value(s, 2) FROM (SELECT s FROM orders.items UNION ALL SELECT s FROM orders.items)",
        expect![[r#"
            `nth_value` needs ORDER BY here: only the events of one source have an order of their own
            hint: write `nth_value(s ORDER BY …)`, or read one relation of one source
        "#]],
    );
    check_error(
        "SELECT DISTINCT ON (k) k, s FROM facts",
        expect![[r#"
        1:21: `DISTINCT ON` over derived rows has no order: which row of a key it keeps is undefined
        hint: add `ORDER BY` with the `DISTINCT ON` expressions first, then what decides, for example `updated_at DESC`
    "#]],
    );
    check_error(
        "SELECT row_number() OVER (PARTITION BY k) FROM facts",
        expect![[r#"
        1:40: `row_number` needs ORDER BY here: only the events of one source have an order of their own
        hint: write `row_number(…) OVER (… ORDER BY …)`, or read one relation of one source
    "#]],
    );
    check_error(
        "SELECT last_value(s) OVER (ORDER BY n RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders.items",
        expect![[r#"
        1:19: `last_value` over a frame between some values or peers is undefined where they tie
        hint: begin the frame at `UNBOUNDED PRECEDING`, or count rows: `ROWS BETWEEN 3 PRECEDING AND CURRENT ROW`
    "#]],
    );
    check_error(
        "SELECT latest(s) OVER (ORDER BY n) FROM orders.items",
        expect![[r#"
        1:15: `latest` is an aggregate, not a window function
        hint: write `last_value(x) IGNORE NULLS OVER (… ORDER BY … ROWS BETWEEN …)`
    "#]],
    );
    check_error(
        "SELECT collect(DISTINCT s ORDER BY n) FROM orders.items",
        expect![[r#"
        1:25: `collect(DISTINCT x)` can only be ordered by x itself
        hint: order by the argument, or leave out ORDER BY
    "#]],
    );
}

#[test]
fn what_changes_by_itself_is_refused() {
    check_error(
        "SELECT k, now() FROM orders.items",
        expect![[r#"
        `now()` is not allowed here: its result depends on when it is computed
        hint: write `_time` for when the event happened or `_published_at` for when the stream stored it
    "#]],
    );
    check_error(
        "SELECT k FROM orders.items WHERE n IN (SELECT n FROM facts WHERE x > random())",
        expect![[r#"
        1:66: `random()` is not allowed here: it gives another result each time
        hint: derive the value from the event, for example from `_id`, `_seq`, `_time` or `_published_at`
    "#]],
    );
    check_error(
        "SELECT count(*) FILTER (WHERE current_date > to_date(s)) FROM orders.items",
        expect![[r#"
        1:54: `current_date()` is not allowed here: its result depends on when it is computed
        hint: write `_time` for when the event happened or `_published_at` for when the stream stored it
    "#]],
    );
}

#[test]
fn functions_without_their_order_are_never_executed() {
    let error = run_unrewritten("SELECT latest(s) FROM orders.items");
    assert!(error.contains("`latest` must be planned by readside"), "{error}");
    let error = run_unrewritten("SELECT map_agg(k, s) FROM orders.items GROUP BY n");
    assert!(error.contains("`map_agg` must be planned by readside"), "{error}");
}

#[tokio::main(flavor = "current_thread")]
async fn run_unrewritten(sql: &str) -> String {
    let context = context(None, &rows());
    let plan = planned(&context, sql).await;
    context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap_err().to_string()
}

#[test]
fn what_follows_from_earlier_columns_breaks_no_ties() {
    let orders = [
        // An event from its place, also where it is missing beside another; a group from its key.
        "SELECT array_agg(l.s ORDER BY l.n) FROM orders.items l LEFT JOIN orders.items r ON l.k = r.k",
        "SELECT array_agg(l.s ORDER BY r._seq, r._ord) FROM orders.items l JOIN orders.items r ON l.k = r.k",
        "SELECT array_agg(t.c ORDER BY l.n) FROM orders.items l JOIN (SELECT k, count(*) AS c FROM facts GROUP BY k) t ON l.k = t.k",
        // A group whose key is NULL is not a missing one.
        "SELECT array_agg(t.c ORDER BY l._seq, l._ord) FROM orders.items l LEFT JOIN (SELECT n, count(*) AS c FROM facts GROUP BY n) t ON l.n = t.n",
        // What is made of both sides follows from both.
        "SELECT array_agg(x ORDER BY a, o) FROM (SELECT l._seq AS a, l._ord AS o, l.s || '!' AS x, l.n + r.n AS y, r.k FROM orders.items l JOIN orders.items r ON l.k = r.k)",
        "SELECT array_agg(s ORDER BY n) FROM (SELECT s, n FROM facts UNION ALL SELECT s, n FROM facts)",
    ];
    let found: String = orders.iter().map(|sql| order_of_list(sql)).collect();
    expect![[r#"
        l.n, l._seq, l._ord, r._seq, r._ord
        r._seq, r._ord, l._seq, l._ord
        l.n, l._seq, l._ord, t.k
        l._seq, l._ord, t.n, t.c
        a, o, y, r.k
        n, s
    "#]]
    .assert_eq(&found);
}

/// By what the only aggregate of a query is ordered, a line.
#[tokio::main(flavor = "current_thread")]
async fn order_of_list(sql: &str) -> String {
    let plan = rewrite(planned(&context(None, &rows()), sql).await).unwrap();
    let mut order = String::new();
    plan.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node
            && let Some(call) = aggregate.aggr_expr.iter().find_map(|expr| match expr.clone().unalias() {
                Expr::AggregateFunction(call) if !call.params.order_by.is_empty() => Some(call),
                _ => None,
            })
        {
            let columns: Vec<String> = call.params.order_by.iter().map(|sort| sort.expr.to_string()).collect();
            order = format!("{}\n", columns.join(", "));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    order
}
