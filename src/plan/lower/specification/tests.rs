//! One identity is one meaning: SQL that differs in anything that decides rows has another one.

use std::collections::BTreeMap;

use crate::identity::Identity;
use crate::plan::compile;
use crate::plan::tests::scope;

fn identity(sql: &str) -> Identity {
    match compile(sql, Some(&["id".to_owned()]), &scope()) {
        Ok(compiled) => compiled.circuit.identity(),
        Err(refusal) => panic!("{sql}: {refusal:?}"),
    }
}

#[test]
fn sql_that_means_something_else_has_another_identity() {
    let computed = [
        "amount",
        "amount + 1",
        "amount + 2",
        "amount - 1",
        "CAST(amount AS INT)",
        "CAST(amount AS DOUBLE)",
        "1",
        "2",
        "'1'",
        "'2'",
        "''",
        "NULL::bigint",
        "NULL::varchar",
        "TRUE",
        "FALSE",
        "1.0",
        "1.00",
        "2.0",
        "1e0",
        "DATE '2026-01-01'",
        "DATE '2026-01-02'",
        "TIMESTAMP '2026-01-01 00:00:00'",
        "TIMESTAMP '2026-01-01 00:00:01'",
        "INTERVAL '1 day'",
        "INTERVAL '2 days'",
        "INTERVAL '24 hours'",
        "INTERVAL '1 month'",
        "[1, 2]",
        "[2, 1]",
        "['1', '2']",
        "{'a': 1}",
        "{'b': 1}",
        "concat(other, 'x')",
        "concat(other, 'y')",
        "concat('x', other)",
        "upper(other)",
        "lower(other)",
        "other",
        "id",
        "CASE WHEN other = 'x' THEN 1 ELSE 2 END",
        "CASE WHEN other = 'y' THEN 1 ELSE 2 END",
        "CASE WHEN other = 'x' THEN 2 ELSE 1 END",
        "CASE WHEN other = 'x' THEN 1 END",
        "other LIKE 'x%'",
        "other LIKE 'y%'",
        "other NOT LIKE 'x%'",
        "other ILIKE 'x%'",
        "other IN ('x', 'y')",
        "other IN ('x', 'z')",
        "other NOT IN ('x', 'y')",
        "other IS NULL",
        "other IS NOT NULL",
        "amount BETWEEN 1 AND 2",
        "amount NOT BETWEEN 1 AND 2",
    ];
    let rows = [
        "SELECT id FROM shop.placed WHERE other = 'x'",
        "SELECT id FROM shop.placed WHERE other = 'y'",
        "SELECT id FROM shop.placed WHERE amount > 1",
        "SELECT id FROM shop.placed WHERE amount >= 1",
        "SELECT DISTINCT id FROM shop.placed",
        "SELECT id, count(*) AS x FROM shop.placed GROUP BY id",
        "SELECT id, count(other) AS x FROM shop.placed GROUP BY id",
        "SELECT id, count(DISTINCT other) AS x FROM shop.placed GROUP BY id",
        "SELECT id, count(*) FILTER (WHERE other = 'x') AS x FROM shop.placed GROUP BY id",
        "SELECT id, count(*) FILTER (WHERE other = 'y') AS x FROM shop.placed GROUP BY id",
        "SELECT id, sum(amount) AS x FROM shop.placed GROUP BY id",
        "SELECT id, max(amount) AS x FROM shop.placed GROUP BY id",
        "SELECT id, string_agg(other, ',') AS x FROM shop.placed GROUP BY id",
        "SELECT id, string_agg(other, ';') AS x FROM shop.placed GROUP BY id",
        "SELECT id, string_agg(other, ',' ORDER BY amount) AS x FROM shop.placed GROUP BY id",
        "SELECT id, string_agg(other, ',' ORDER BY amount DESC) AS x FROM shop.placed GROUP BY id",
        "SELECT id, nth_value(other, 1 ORDER BY amount) AS x FROM shop.placed GROUP BY id",
        "SELECT id, nth_value(other, 2 ORDER BY amount) AS x FROM shop.placed GROUP BY id",
        "SELECT id, percentile_cont(amount::double, 0.5) AS x FROM shop.placed GROUP BY id",
        "SELECT id, percentile_cont(amount::double, 0.9) AS x FROM shop.placed GROUP BY id",
        "SELECT id, latest(other) AS x FROM shop.placed GROUP BY id",
        "SELECT id, earliest(other) AS x FROM shop.placed GROUP BY id",
        "SELECT id, sum(amount) AS x FROM shop.placed GROUP BY id HAVING count(*) > 1",
        "SELECT id, sum(amount) AS x FROM shop.placed GROUP BY id HAVING count(*) > 2",
        "SELECT DISTINCT ON (id) id, other FROM shop.placed ORDER BY id, amount",
        "SELECT DISTINCT ON (id) id, other FROM shop.placed ORDER BY id, amount DESC",
    ];
    let mut seen: BTreeMap<Identity, String> = BTreeMap::new();
    let computed = computed.map(|expression| format!("SELECT id, _seq, {expression} AS x FROM shop.placed"));
    for sql in computed.into_iter().chain(rows.map(str::to_owned)) {
        if let Some(other) = seen.insert(identity(&sql), sql.clone()) {
            panic!("one identity for two meanings:\n{other}\n{sql}");
        }
    }
}

#[test]
fn how_sql_is_written_does_not_matter() {
    let same = |one: &str, other: &str| assert_eq!(identity(one), identity(other), "{one}\n{other}");
    same("SELECT id, amount AS x FROM shop.placed", "select p.id,\n  p.amount x from shop.placed as p -- why");
    same("SELECT id, amount + 2 AS x FROM shop.placed", "SELECT id, amount + (1 + 1) AS x FROM shop.placed");
    same(
        "SELECT id, sum(amount) AS x FROM shop.placed WHERE other = 'x' GROUP BY id",
        "WITH x AS (SELECT * FROM shop.placed WHERE other = 'x') SELECT id, sum(amount) AS x FROM x GROUP BY 1",
    );
}
