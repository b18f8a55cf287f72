use expect_test::{Expect, expect};

use super::*;

/// What stands at the cursor `|` of a text.
fn check(text: &str, expected: Expect) {
    let place = text.chars().position(|c| c == '|').unwrap_or_default();
    let shown =
        Draft::of(&text.replacen('|', "", 1)).at(place).map_or_else(|| "nothing".to_owned(), |spot| shown(&spot));
    expected.assert_eq(&shown);
}

fn shown(spot: &Spot) -> String {
    let queries: Vec<String> = spot.queries.iter().map(select_shown).collect();
    format!("{:?} {}[{}] in {}", spot.wanted, spot.before.join("."), spot.word, queries.join(" in "))
}

fn select_shown(select: &Select) -> String {
    let table = |table: &Table| {
        let relation = match &table.relation {
            Relation::Named { source, name } => {
                format!("{}{name}", source.as_ref().map(|source| format!("{source}.")).unwrap_or_default())
            }
            Relation::Query(query) => {
                let items = query.items.iter().map(|item| match item {
                    Item::All { of } => format!("{}*", of.as_ref().map(|of| format!("{of}.")).unwrap_or_default()),
                    Item::Column { name, path, .. } => format!("{name}={}", path.join(".")),
                });
                format!("({})", items.collect::<Vec<_>>().join(" "))
            }
            Relation::Elements(path) => path.join("."),
            Relation::Unknown => "?".to_owned(),
        };
        let columns = if table.columns.is_empty() { String::new() } else { format!("({})", table.columns.join(" ")) };
        format!("{relation} {}{columns}{}", table.name.as_deref().unwrap_or("-"), table.added.join("+"))
    };
    select.tables.iter().map(table).collect::<Vec<_>>().join(", ")
}

#[test]
fn columns_are_wanted_in_a_list_without_an_end() {
    check("SELECT o.| FROM orders.order_placed o", expect!["Expression o[] in orders.order_placed o"]);
    check("SELECT a, | FROM orders.order_placed AS o", expect!["Expression [] in orders.order_placed o"]);
    check("SELECT count(o.| FROM orders.order_placed o", expect!["Expression o[] in orders.order_placed o"]);
    check(
        "SELECT sum(coalesce(to|) FROM orders.order_placed",
        expect!["Expression [to] in orders.order_placed order_placed"],
    );
    check("SELECT o.lines[1].s|k FROM x AS o", expect!["Expression o.lines.[][sk] in x o"]);
    check("SELECT a FROM t WHERE |", expect!["Expression [] in t t"]);
    check("SELECT a IS DISTINCT FROM | FROM t", expect!["Expression [] in t t"]);
    check("FROM t SELECT |", expect!["Expression [] in t t"]);
}

#[test]
fn relations_are_wanted_behind_from_and_join() {
    check("SELECT a FROM |", expect!["Relation [] in "]);
    check("SELECT a FROM orders.|", expect!["Relation orders[] in orders. "]);
    check("SELECT a FROM orders.pl| WHERE x", expect!["Relation orders[pl] in orders.pl pl"]);
    check("SELECT a FROM t LEFT JOIN |", expect!["Relation [] in t t"]);
    check("SELECT a FROM t, |", expect!["Relation [] in t t"]);
    check("SELECT a FROM TUMBLE(orders.|, _time, x)", expect!["Relation orders[] in orders -window_start+window_end"]);
    check("SELECT a FROM t |", expect!["Keyword [] in t t"]);
    check("SEL|", expect!["Begin [SEL] in "]);
    check("SELECT a AS | FROM t", expect!["Name [] in t t"]);
}

#[test]
fn tables_are_known_by_their_aliases() {
    check(
        "SELECT | FROM a.b AS x JOIN c y ON x.k = y.k, unnest(y.l) AS line, LATERAL (SELECT max(z) AS m, y.k FROM d) AS q",
        expect!["Expression [] in a.b x, c y, y.l.[] line, (m= k=y.k) q"],
    );
    check("SELECT x.| FROM (VALUES (1)) AS x(a, b)", expect!["Expression x[] in () x(a b)"]);
    check("SELECT | FROM SESSION(a.b, t, g) AS s", expect!["Expression [] in a.b swindow_start+window_end"]);
    check(
        "WITH t AS (SELECT id, n AS m FROM a.b), u AS (SELECT * FROM t) SELECT | FROM u",
        expect!["Expression [] in (*) u"],
    );
    check("SELECT | FROM a ASOF LEFT JOIN b ON a.t >= b.t", expect!["Expression [] in a a, b b"]);
    check("SELECT | FROM a JOIN b FOR SYSTEM_TIME AS OF a.t ON a.k = b.k", expect!["Expression [] in a a, b b"]);
}

#[test]
fn queries_are_told_apart() {
    check("SELECT a FROM t UNION ALL SELECT | FROM u", expect!["Expression [] in u u"]);
    check("SELECT * EXCEPT (a), | FROM t", expect!["Expression [] in t t"]);
    check("SELECT a FROM t WHERE EXISTS (SELECT | FROM u)", expect!["Expression [] in u u in t t"]);
    check("SELECT a FROM (SELECT | FROM u) x", expect!["Expression [] in u u in () x"]);
}

#[test]
fn nothing_is_wanted_in_texts_and_comments() {
    check("SELECT 'a|b' FROM t", expect!["nothing"]);
    check("SELECT 'a|b", expect!["nothing"]);
    check("SELECT a -- b|c\nFROM t", expect!["nothing"]);
    check("SELECT 1| FROM t", expect!["nothing"]);
}

#[test]
fn whatever_is_written_is_read() {
    let pieces = [
        "SELECT",
        "FROM",
        "(",
        ")",
        "t",
        ".",
        ",",
        "WITH",
        "AS",
        "'",
        "[",
        "]",
        "UNION",
        "JOIN",
        "\u{1f600}",
        "*",
        "\n",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let text: String = (0..random.usize(0..20))
            .map(|_| *random.choice(pieces.iter()).unwrap_or(&""))
            .collect::<Vec<_>>()
            .join(" ");
        let draft = Draft::of(&text);
        let _ = draft.selected();
        for place in 0..=text.chars().count() + 1 {
            let _ = draft.at(place);
        }
    }
    // Deep nesting takes no stack.
    let _ = Draft::of(&"(".repeat(100_000)).at(99_999);
    let deep = format!("{}x", "SELECT * FROM (".repeat(2_000));
    let _ = Draft::of(&deep).at(deep.len());
}
