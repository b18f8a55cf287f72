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
            error: TABLESAMPLE is not kept: it picks other rows each time
             --> readside.yaml:9:6
              |
            9 | sql: SELECT _seq AS id FROM s.a TABLESAMPLE (10)
              |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: pick by the event, as in `WHERE _seq % 10 = 0`
        "#]],
    );
}

#[test]
fn what_nobody_enforces_is_refused() {
    check(
        PLAIN,
        "access: {policies: [own]}\n---\npolicy: own\nrow_filter: id = 1",
        expect![[r#"
            error: policies and masks are not enforced yet: everybody would see every row
              --> readside.yaml:11:1
               |
            11 | access: {policies: [own]}
               | ^^^^^^
            hint: write `access: public` and keep the listener where only those may reach it who may see everything
        "#]],
    );
    check(
        PLAIN,
        "access: {mask: {id: '0'}}",
        expect![[r#"
            error: policies and masks are not enforced yet: everybody would see every row
              --> readside.yaml:11:1
               |
            11 | access: {mask: {id: '0'}}
               | ^^^^^^
            hint: write `access: public` and keep the listener where only those may reach it who may see everything
        "#]],
    );
    check(
        PLAIN,
        "freshness: {on_stale: refuse}",
        expect![[r#"
            error: stale answers are marked, but not refused yet
              --> readside.yaml:11:23
               |
            11 | freshness: {on_stale: refuse}
               |                       ^^^^^^
            hint: write `on_stale: mark`; a reader can demand a position with `minPosition`
        "#]],
    );
    check(
        PLAIN,
        "---\npolicy: own\nrow_filter: id = 1",
        expect![[r#"
        error: policies are not enforced yet: `own` hides no row
          --> readside.yaml:12:9
           |
        12 | policy: own
           |         ^^^
        hint: remove it, and keep the listener where only those may reach it who may see everything
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
        error: the column `id` comes out as Int64, not as Utf8
          --> readside.yaml:15:15
           |
        15 | columns: {id: string, total: int64}
           |               ^^^^^^
        hint: cast it in the query, or declare what comes out

        error: the column `total` does not come out of the query
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
