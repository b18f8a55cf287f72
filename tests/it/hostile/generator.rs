//! Random SQL that makes much of little: what multiplies rows, values or work, within and beside each other.

use fastrand::Rng;

/// One SELECT over `seqs (q, id, n)`.
pub(super) fn select(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0 => chain(rng),
        1 => doubled(rng),
        2 => joined(rng),
        3 => windows(rng),
        4 => aggregated(rng),
        5 => unnested(rng),
        6 => nested(rng),
        7 => sorted(rng),
        8 => listed(rng),
        9 => united(rng),
        10 => recursive_looks(rng),
        _ => format!("SELECT max(length({})) AS m FROM {}", text(rng, 12), rows(rng)),
    }
}

/// A text whose length grows with the depth.
fn text(rng: &mut Rng, depth: u32) -> String {
    if depth == 0 || rng.u8(..12) == 0 {
        return match rng.u8(..5) {
            0 => "id".to_owned(),
            1 => "CAST(n AS VARCHAR)".to_owned(),
            2 => format!("'{}'", "ab".repeat(rng.usize(1..2000))),
            3 => format!("rpad(id, {})", rng.usize(1..9000)),
            _ => "'x'".to_owned(),
        };
    }
    let inner = text(rng, depth - 1);
    match rng.u8(..16) {
        0 => format!("encode({inner}, 'hex')"),
        1 => format!("replace({inner}, 'a', {})", text(rng, 0)),
        2 => format!("concat({inner}, {inner})").chars().take(20_000).collect::<String>().balanced(&inner),
        3 => format!("regexp_replace({inner}, '[a-f0-9]', {}, 'g')", text(rng, 0)),
        4 => format!("{inner} || {}", text(rng, depth.min(3) - 1)),
        5 => format!("upper({inner})"),
        6 => format!("translate({inner}, 'ab', 'ßø')"),
        7 => format!("rpad({inner}, {}, 'é')", rng.usize(1..9999)),
        8 => format!("lpad({inner}, {})", rng.usize(1..9999)),
        9 => format!("array_to_string(string_to_array({inner}, 'a'), {})", text(rng, 0)),
        10 => format!("reverse({inner})"),
        11 => format!("overlay({inner} PLACING {} FROM 1)", text(rng, 0)),
        12 => format!("concat_ws({}, {inner}, id, {inner})", text(rng, 0)).balanced(&inner),
        13 => format!("to_char(TIMESTAMP '2024-01-01', {inner})"),
        14 => format!("CASE WHEN n % 2 = 0 THEN {inner} ELSE {} END", text(rng, 0)),
        _ => format!("initcap({inner})"),
    }
}

/// Texts double with each level: beyond what SQL may have, the inner one stands alone.
trait Balanced {
    fn balanced(self, inner: &str) -> String;
}

impl Balanced for String {
    fn balanced(self, inner: &str) -> String {
        if self.len() > 10_000 { inner.to_owned() } else { self }
    }
}

fn rows(rng: &mut Rng) -> &'static str {
    ["seqs", "seqs", "(SELECT a.q, a.id, b.n FROM seqs a, seqs b)", "(SELECT a.* FROM seqs a, seqs b, seqs c)"]
        [rng.usize(..4)]
}

fn chain(rng: &mut Rng) -> String {
    let (count, terms) = (rng.usize(2..6000), ["1", "n", "q = 1", "id", "n IS NULL"]);
    let (term, operator) =
        [(terms[0], "+"), (terms[1], "*"), (terms[2], "OR"), (terms[3], "||"), (terms[4], "AND")][rng.usize(..5)];
    format!("SELECT max({}) AS m FROM seqs", vec![term; count].join(&format!(" {operator} ")))
}

fn doubled(rng: &mut Rng) -> String {
    let step =
        ["x || x", "concat(x, x, x)", "replace(x, 'k', 'kk')", "repeat(x, 2)", "encode(x, 'hex')"][rng.usize(..5)];
    let levels: String = (1..30).map(|n| format!(", c{n} AS (SELECT {step} AS x FROM c{})", n - 1)).collect();
    let rows = if rng.bool() { "SELECT id AS x FROM seqs" } else { "SELECT 'k' AS x" };
    format!("WITH c0 AS ({rows}){levels} SELECT max(length(x)) AS m FROM c29")
}

fn joined(rng: &mut Rng) -> String {
    let condition = [
        "a.q < b.q",
        "a.n * b.n % 7 = 1",
        "levenshtein(rpad(a.id, 900), rpad(b.id, 900)) > 3",
        "a.id LIKE '%' || b.id || '%'",
        "regexp_like(rpad(a.id, 300), '(k|0)+z')",
        "a.id = b.id",
        "true",
    ][rng.usize(..7)];
    let kind = ["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"][rng.usize(..4)];
    let end = ["count(*)", "max(length(a.id || b.id))", "array_length(array_agg(a.q))"][rng.usize(..3)];
    let more: String = (0..rng.usize(..3)).map(|n| format!(" JOIN seqs c{n} ON c{n}.q <> a.q")).collect();
    format!("SELECT {end} AS m FROM seqs a {kind} seqs b ON {condition}{more}")
}

fn windows(rng: &mut Rng) -> String {
    let function = [
        "array_agg(q)",
        "string_agg(id, ',')",
        "median(n)",
        "count(DISTINCT q)",
        "sum(n)",
        "max(rpad(id, 5000))",
        "lag(rpad(id, 9000))",
        "first_value(rpad(id, 9000))",
        "percent_rank()",
        "nth_value(rpad(id, 2000), 7)",
    ][rng.usize(..10)];
    let order = [
        "ORDER BY q",
        "ORDER BY id, q",
        "PARTITION BY id ORDER BY q",
        "ORDER BY q DESC ROWS BETWEEN 9 PRECEDING AND 9 FOLLOWING",
    ][rng.usize(..4)];
    format!("SELECT count(w) AS m FROM (SELECT {function} OVER ({order}) AS w FROM {})", rows(rng))
}

fn aggregated(rng: &mut Rng) -> String {
    let function = [
        format!("string_agg({}, ',')", text(rng, 2)),
        format!("array_agg({})", text(rng, 2)),
        "array_agg(DISTINCT q * n)".to_owned(),
        "median(q * n)".to_owned(),
        format!("max({})", text(rng, 6)),
        format!("count(DISTINCT {})", text(rng, 3)),
        "array_agg(named_struct('a', rpad(id, 500), 'b', make_array(q, n, q, n)))".to_owned(),
    ][rng.usize(..7)]
    .clone();
    let by = [
        "",
        " GROUP BY q",
        " GROUP BY id",
        " GROUP BY rpad(id, 3000), q",
        " GROUP BY CUBE (id, q, n)",
        " GROUP BY ROLLUP (q, n, id)",
    ][rng.usize(..6)];
    format!("SELECT count(x) AS m FROM (SELECT {function} AS x FROM {}{by})", rows(rng))
}

fn unnested(rng: &mut Rng) -> String {
    let list = [
        "array_agg(q)",
        "array_agg(rpad(id, 999))",
        "array_repeat(max(id), 9999)",
        "range(0, 100000)",
        "array_agg(make_array(q, q, q))",
    ][rng.usize(..5)];
    let beside = text(rng, 2);
    let times: usize = rng.usize(1..4);
    let unnest = (0..times).map(|n| format!("unnest(l) AS x{n}")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT count(*) AS m FROM (SELECT {unnest}, {beside} AS y FROM (SELECT id, 1 AS n, {list} AS l FROM seqs GROUP BY id))"
    )
}

fn nested(rng: &mut Rng) -> String {
    let depth = rng.usize(1..60);
    let (open, close) = [
        ("NOT (", ")"),
        ("abs(", ")"),
        ("(SELECT max(q) FROM seqs WHERE n > ", ")"),
        ("CASE WHEN true THEN ", " END"),
        ("[", "]"),
    ][rng.usize(..5)];
    format!(
        "SELECT {}{}{} AS m",
        open.repeat(depth),
        if open.starts_with("NOT") { "true" } else { "1" },
        close.repeat(depth)
    )
}

fn sorted(rng: &mut Rng) -> String {
    let columns = (0..rng.usize(1..200))
        .map(|n| format!("rpad(id, {}) AS a{n}", rng.usize(1..9999)))
        .collect::<Vec<_>>()
        .join(", ");
    let limit = ["", " LIMIT 1", " LIMIT 100000"][rng.usize(..3)];
    format!("SELECT {columns}, n FROM {} ORDER BY a0, n{limit}", rows(rng))
}

fn listed(rng: &mut Rng) -> String {
    let list = vec![text(rng, 2); rng.usize(1..60)].join(", ");
    let function = ["make_array", "concat", "greatest", "coalesce", "concat_ws"][rng.usize(..5)];
    format!("SELECT count({function}({list})) AS m FROM {}", rows(rng))
}

fn united(rng: &mut Rng) -> String {
    let step = ["UNION ALL", "UNION", "EXCEPT", "INTERSECT"][rng.usize(..4)];
    let levels: String = (1..rng.usize(2..40))
        .map(|n| format!(", c{n} AS (SELECT x FROM c{0} {step} SELECT x FROM c{0})", n - 1))
        .collect();
    let last = levels.matches(" AS (").count();
    format!("WITH c0 AS (SELECT q AS x FROM seqs){levels} SELECT count(*) AS m FROM c{last}")
}

fn recursive_looks(rng: &mut Rng) -> String {
    let texts = [
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT count(*) AS m FROM r",
        "SELECT count(*) AS m FROM generate_series(1, 100000000000)",
        "SELECT array_length(array_repeat(array_repeat(1, 100000), 100000)) AS m",
        "SELECT array_length(generate_series(1, 1000000000)) AS m",
        "SELECT length(repeat('x', 2000000000)) AS m",
        "SELECT array_length(array_resize([1], 1000000000, 1)) AS m",
        "SELECT length(space(2000000000)) AS m",
        "SELECT array_sort(array_agg(a.q * b.q)) AS m FROM seqs a, seqs b",
        "SELECT array_length(array_distinct(array_agg(a.q * b.q))) AS m FROM seqs a, seqs b",
        "SELECT count(*) AS m FROM seqs WHERE q IN (SELECT a.q * b.q FROM seqs a, seqs b, seqs c)",
        "SELECT max((SELECT count(*) FROM seqs b WHERE b.q * a.q % 13 = 1)) AS m FROM seqs a",
        "SELECT factorial(20) * power(2, 1000) AS m FROM seqs a, seqs b, seqs c",
    ];
    texts[rng.usize(..texts.len())].to_owned()
}
