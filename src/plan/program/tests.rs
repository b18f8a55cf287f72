#![allow(clippy::unwrap_used)]
use expect_test::{Expect, expect};

use super::*;
use crate::config::{Files, load};

/// The problems of a projection of this SQL with these lines beside it.
fn check(sql: &str, lines: &str, expected: Expect) {
    let text = format!(
        "sources: []\n---\nsource: s\njetstream: {{stream: S}}\nenvelope: {{type: body:/t}}\nevents: {{A: {{fields: {{}}}}}}\n\
         ---\nprojection: p\nsql: {sql}\nkey: id\n{lines}\n"
    );
    let files = Files { list: &|_| Ok(Vec::new()), read: &|_| Ok(text.clone()) };
    let loaded = load("readside.yaml", &files, &|_| None).unwrap();
    let problems = program(&loaded.config).err().unwrap_or_default();
    let shown: Vec<String> = problems.iter().map(|problem| loaded.places.diagnostic(problem).to_string()).collect();
    expected.assert_eq(&shown.join("\n"));
}

const PLAIN: &str = "SELECT _seq AS id FROM s.a";

#[test]
fn what_would_be_quietly_wrong_is_refused() {
    check(
        "SELECT _seq AS id FROM s.a TABLESAMPLE (10)",
        "",
        expect![[r#"
            error[RS0505]: TABLESAMPLE picks other rows each time: pick them by what they are, as in `WHERE _seq % 10 = 0`
             --> readside.yaml:9:6
              |
            9 | sql: SELECT _seq AS id FROM s.a TABLESAMPLE (10)
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
}

#[test]
fn policies_and_masks_that_do_not_fit_are_refused() {
    let policy = |filter: &str| format!("access: {{policies: [own]}}\n---\npolicy: own\nrow_filter: {filter}");
    let mask = |mask: &str| format!("access: {{mask: {mask}}}");
    let two = "SELECT _seq AS id, _id AS name, struct(1) AS s FROM s.a";
    for fits in [
        policy("CAST(id AS VARCHAR) = claim('tenant')"),
        policy("array_has(claim_list('ids'), CAST(id AS VARCHAR)) OR has_role('auditor')"),
        mask("{name: \"CASE WHEN has_role('officer') THEN name ELSE left(name, 1) || '…' END\"}"),
        mask("{name: 'NULL', s: 'NULL'}"),
    ] {
        check(two, &fits, expect![""]);
    }
    check(
        two,
        &policy("tenant = claim('tenant')"),
        expect![[r#"
            error[RS0522]: the policy `own` does not fit `p`: it has no column `tenant`
              --> readside.yaml:11:10
               |
            11 | access: {policies: [own]}
               |          ^^^^^^^^
            hint: the query gives id, name, s
        "#]],
    );
    check(
        two,
        &policy("id +"),
        expect![[r#"
        error[RS0501]: Expected: an expression, found: EOF
          --> readside.yaml:14:13
           |
        14 | row_filter: id +
           |             ^^^^
    "#]],
    );
    check(
        two,
        &policy("id + 1"),
        expect![[r#"
        error[RS0522]: a row filter is true or false, and this is Int64
          --> readside.yaml:14:13
           |
        14 | row_filter: id + 1
           |             ^^^^^^
        hint: write a condition: `tenant_id = claim('tenant')`
    "#]],
    );
    check(
        two,
        &policy("claim(name) = name"),
        expect![[r#"
        error[RS0522]: the policy `own` does not fit `p`: `claim` takes the name of a claim, as a text that is written out
          --> readside.yaml:11:10
           |
        11 | access: {policies: [own]}
           |          ^^^^^^^^
        hint: write it like `claim('tenant')`
    "#]],
    );
    check(
        two,
        &policy("_id = claim('a') AND id < now()"),
        expect![[r#"
            error[RS0522]: the policy `own` does not fit `p`: it has no column `_id`
              --> readside.yaml:11:10
               |
            11 | access: {policies: [own]}
               |          ^^^^^^^^
            hint: the query gives id, name, s
        "#]],
    );
    check(
        two,
        &policy("id IN (SELECT 1)"),
        expect![[r#"
        error[RS0522]: the policy `own` does not fit `p`: a subquery is not possible here
          --> readside.yaml:11:10
           |
        11 | access: {policies: [own]}
           |          ^^^^^^^^
        hint: join what decides it in the projection's SQL, and compare its column
    "#]],
    );
    check(
        two,
        &policy("count(*) = 1"),
        expect![[r#"
        error[RS0522]: the policy `own` does not fit `p`: a policy or mask sees one row
          --> readside.yaml:11:10
           |
        11 | access: {policies: [own]}
           |          ^^^^^^^^
        hint: compute it in the projection's SQL
    "#]],
    );
    check(
        two,
        &mask("{id: '0'}"),
        expect![[r#"
        error[RS0522]: `id` is part of the key, by which rows are found, so it cannot be masked
          --> readside.yaml:11:21
           |
        11 | access: {mask: {id: '0'}}
           |                     ^^^
        hint: hide the rows with a policy, or select a hash of it instead: `sha256(…)`
    "#]],
    );
    check(
        two,
        &mask("{name: '0'}"),
        expect![[r#"
        error[RS0522]: `name` is Utf8, and its mask is Int64
          --> readside.yaml:11:23
           |
        11 | access: {mask: {name: '0'}}
           |                       ^^^
        hint: a mask has the type of its column: cast it, or write NULL
    "#]],
    );
    check(
        two,
        &mask("{nam: \"'x'\"}"),
        expect![[r#"
        error[RS0518]: the column `nam` does not come out of the query
          --> readside.yaml:11:22
           |
        11 | access: {mask: {nam: "'x'"}}
           |                      ^^^^^
        hint: the query gives id, name, s
    "#]],
    );
    check(
        PLAIN,
        "---\npolicy: own\nrow_filter: id = 1",
        expect![[r#"
        error[RS0207]: nothing names the policy `own`: it hides no row
          --> readside.yaml:12:9
           |
        12 | policy: own
           |         ^^^
        hint: name it in the `access.policies` of a projection, or for all of them in `auth.require`; or remove it
    "#]],
    );
}

#[test]
fn the_columns_of_a_view_are_held_to_its_contract() {
    let view = |columns: &str| format!("---\nprojection: v\nkind: view\nsql: SELECT id FROM p\ncolumns: {columns}");
    check(PLAIN, &view("{id: int64}"), expect![""]);
    check(
        PLAIN,
        &view("{id: string, total: int64}"),
        expect![[r#"
            error[RS0517]: the column `id` comes out as Int64, not as Utf8
              --> readside.yaml:15:15
               |
            15 | columns: {id: string, total: int64}
               |               ^^^^^^
            hint: cast it in the query, or declare what comes out

            error[RS0518]: the column `total` does not come out of the query
              --> readside.yaml:15:30
               |
            15 | columns: {id: string, total: int64}
               |                              ^^^^^
            hint: the query gives id
        "#]],
    );
}

#[test]
fn what_is_kept_is_accepted() {
    check(PLAIN, "access: public", expect![""]);
    check(PLAIN, "freshness: {on_stale: mark}", expect![""]);
}

#[test]
fn what_no_index_can_be_made_of_is_refused() {
    let search = |fields: &str, expected: Expect| {
        let declared = format!(
            "projection: s\nkind: search\nkey: [id]\nsql: SELECT id, array_agg(n ORDER BY n) AS list, max(n) AS n FROM shop.placed GROUP BY id\n\
             fields: {fields}"
        );
        check_document(&declared, expected);
    };
    search("{id: keyword, n: {sort: true}}", expect![[""]]);
    search(
        "{n: {sort: true}}",
        expect![[r#"
            error[RS0519]: nothing of this index can be searched for
             --> p.yaml:9:1
              |
            9 | fields: {n: {sort: true}}
              | ^^^^^^
            hint: declare a column as `text`, `keyword` or `vector` in `fields`
        "#]],
    );
    search(
        "{id: keyword, list: {sort: true}}",
        expect![[r#"
            error[RS0519]: the column `list` is List(Int64), and nothing can be sorted by it
             --> p.yaml:9:23
              |
            9 | fields: {id: keyword, list: {sort: true}}
              |                       ^^^^
            hint: take an element of it in the query, or leave `sort` out
        "#]],
    );
    search(
        "{list: {type: vector, dimensions: 3}}",
        expect![[r#"
            error[RS0519]: the column `list` is List(Int64), and a vector is a list of floats
             --> p.yaml:9:10
              |
            9 | fields: {list: {type: vector, dimensions: 3}}
              |          ^^^^
            hint: declare it as `list<float32>` in the source, or cast it in the query: `CAST(x AS REAL[])`
        "#]],
    );
}

/// The problems of a declared query over one table.
fn check_query(query: &str, expected: Expect) {
    check_document(&format!("query: q\n{query}"), expected);
}

/// The problems of a document beside one table.
fn check_document(document: &str, expected: Expect) {
    let root = "sources: s.yaml\nprojections: p.yaml\n";
    let source = "source: shop\nfile: {path: e.ndjson}\nenvelope: {type: body:/type}\n\
                  events: {Placed: {fields: {id: string!, n: int64}}}\n";
    let projections = format!(
        "projection: t\nkey: [id]\nsql: SELECT id, latest(n) AS n FROM shop.placed GROUP BY id\n---\n{document}\n"
    );
    let read = |path: &str| {
        Ok(match path {
            "s.yaml" => source.to_owned(),
            "p.yaml" => projections.clone(),
            _ => root.to_owned(),
        })
    };
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    let loaded = load("readside.yaml", &files, &|_| None).unwrap();
    let problems = program(&loaded.config).map_or_else(|problems| problems, |_| Vec::new());
    let shown: Vec<String> = problems.iter().map(|problem| loaded.places.diagnostic(problem).to_string()).collect();
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn a_declared_query_is_planned_before_anyone_asks() {
    check_query(
        "sql: SELECT id, max_by(id, n) OVER () AS m FROM t WHERE id = $id\nparams: {id: string!}",
        expect![[r#"
            error[RS0509]: `max_by` is no window function
             --> p.yaml:6:6
              |
            6 | sql: SELECT id, max_by(id, n) OVER () AS m FROM t WHERE id = $id
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: use `first_value` or `last_value` with an order in `OVER (…)`
        "#]],
    );
    check_query(
        "sql: SELECT max_by(id, n) AS m, 0.1 + 0.2 AS d FROM t WHERE id = $id LIMIT $limit\nparams: {id: string!, limit: {type: int64, default: 10}}\nsort: [-m]",
        expect![[""]],
    );
    check_query("sql: SELECT split_part(id, $by, 0) AS part FROM t\nparams: {by: string!}", expect![[""]]);
    check_query(
        "sql: SELECT CAST($of AS BIGINT) AS of, n / (n - n) AS n FROM t WHERE n = $n\nparams: {of: string!, n: int64!}",
        expect![[""]],
    );
    check_query(
        "sql: SELEC id FROM t",
        expect![[r#"
            error[RS0501]: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1
             --> p.yaml:6:6
              |
            6 | sql: SELEC id FROM t
              |      ^^^^^
        "#]],
    );
    check_query(
        "sql: SELECT nothing FROM t",
        expect![[r#"
            error[RS0503]: No field named nothing.
            Valid fields are t.id, t.n.
             --> p.yaml:6:13
              |
            6 | sql: SELECT nothing FROM t
              |             ^^^^^^^
        "#]],
    );
    check_query(
        "sql: SELECT id FROM shop.placed",
        expect![[r#"
            error[RS0521]: a query reads projections, and `shop.placed` are events
             --> p.yaml:6:6
              |
            6 | sql: SELECT id FROM shop.placed
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: make a table projection over the events, and read that
        "#]],
    );
    check_query(
        "sql: DROP TABLE t",
        expect![[r#"
            error[RS0504]: this statement does not read
             --> p.yaml:6:6
              |
            6 | sql: DROP TABLE t
              |      ^^^^^^^^^^^^
            hint: write one SELECT
        "#]],
    );
    check_query(
        "sql: SELECT id FROM t WHERE n = $n",
        expect![[r#"
            error[RS0520]: the parameter `$n` is not declared
             --> p.yaml:6:6
              |
            6 | sql: SELECT id FROM t WHERE n = $n
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: declare it: `params: {n: string!}`
        "#]],
    );
    check_query(
        "sql: SELECT id FROM t\nparams: {unused: int64!}",
        expect![[r#"
            error[RS0520]: the parameter `unused` is not in the SQL, so every request would fail
             --> p.yaml:7:18
              |
            7 | params: {unused: int64!}
              |                  ^^^^^^
            hint: use it as `$unused`, or remove it
        "#]],
    );
    check_query(
        "sql: SELECT id FROM t WHERE n = $n\nparams: {n: bool!}",
        expect![[r#"
            error[RS0505]: Cannot infer common argument type for comparison operation int64 = bool
             --> p.yaml:6:6
              |
            6 | sql: SELECT id FROM t WHERE n = $n
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    check_query(
        "sql: SELECT id FROM t\nsort: [n]",
        expect![[r#"
            error[RS0518]: the column `n` does not come out of the query
             --> p.yaml:7:8
              |
            7 | sort: [n]
              |        ^
            hint: the query gives id
        "#]],
    );
    check_query(
        "sql: SELECT latest(n) AS n FROM t",
        expect![[r#"
            error[RS0508]: `latest` needs ORDER BY here: only the events of one source have an order of their own
             --> p.yaml:6:20
              |
            6 | sql: SELECT latest(n) AS n FROM t
              |                    ^
            hint: write `latest(t.n ORDER BY …)`, or read one relation of one source
        "#]],
    );
}
