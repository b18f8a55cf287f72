//! What an operator says that it keeps is what it keeps: the bytes that it counts, which `state_limit` and status go by,
//! against those that the allocator gave.

use readside::circuit::StepInput;
use readside::progress::Watermark;

use super::case::Case;
use super::setup::{compile, messages};
use crate::ALLOCATOR;

/// Counted bytes are at most so many times the real ones, and the other way round.
const FACTOR: f64 = 1.15;
/// Beside that: what every operator has before its first row.
const FIXED_BYTES: i64 = 1 << 10;
const ROWS: usize = 20_000;

const EVENTS: &str =
    "event s.a {t: string, n: int64, x: float64, d: \"decimal(18,2)\", b: bool, u: timestamp, w: string}\n";

/// Rows of so many groups, with a short and a long text.
fn rows(groups: usize) -> String {
    let row = |number: usize| {
        let (group, spread) = (number % groups, number * 7919 % 100_003);
        // Floats from the least to the greatest make wide sums.
        let x = ["1.5", "-2.25", "1e300", "1e-300"][spread % 4];
        let long = format!("a text that is longer than what lies in a row's place, of number {spread}");
        format!(
            "s.a k{number} {{\"t\": \"group-{group}\", \"n\": {spread}, \"x\": {x}, \"d\": \"{spread}.25\", \"b\": {}, \
             \"u\": \"2026-01-01T00:00:{:02}Z\", \"w\": \"{long}\"}}\n",
            spread % 3 == 0,
            spread % 60
        )
    };
    (0..ROWS).map(row).collect()
}

/// Counted and real bytes of a projection's circuit after all rows.
fn kept(declaration: &str, rows: &str) -> (i64, i64) {
    let case = Case::parse(&format!("{EVENTS}{declaration}log\n{rows}")).unwrap();
    let program = compile(&case).unwrap();
    let messages = messages(&case).remove("s").unwrap();
    let mut watermark = Watermark::new(0, None);
    let mut circuit = program.projections.into_iter().next_back().unwrap().compiled.circuit;
    let decoder = &program.sources[0].decoder;
    let batches: Vec<_> =
        messages.chunks(2_000).map(|part| decoder.decode(part, &mut watermark).unwrap().batch).collect();
    let (counted, real) = (circuit.size() as i64, ALLOCATOR.allocated() as i64);
    for batch in &batches {
        let input = StepInput { events: vec![("s", batch)], ..StepInput::default() };
        drop(circuit.step(&input).unwrap());
    }
    (circuit.size() as i64 - counted, ALLOCATOR.allocated() as i64 - real)
}

fn check(declarations: &[String]) {
    let mut wrong = Vec::new();
    for groups in [10, ROWS / 2] {
        let rows = rows(groups);
        for declaration in declarations {
            let (counted, real) = kept(declaration, &rows);
            let (less, more) = (counted.min(real) as f64, counted.max(real) as f64);
            if more > less * FACTOR + FIXED_BYTES as f64 {
                wrong.push(format!("{counted} counted and {real} real over {groups} groups: {declaration}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

#[test]
fn aggregates_count_their_bytes() {
    let over_events = [
        "count(*)",
        "count(n)",
        "sum(n)",
        "sum(d)",
        "avg(d)",
        "sum(x)",
        "avg(x)",
        "stddev(x)",
        "sum(CAST(n AS DOUBLE))",
        "bool_and(b)",
        "bit_or(n)",
        "bit_xor(n)",
        "min(n)",
        "max(w)",
        "latest(w)",
        "earliest(n)",
        "max_by(w, n)",
        "median(n)",
        "percentile_cont(0.9) WITHIN GROUP (ORDER BY x)",
        "nth_value(n, 3 ORDER BY n)",
        "count(DISTINCT n)",
        "count(DISTINCT w)",
        "sum(DISTINCT x)",
        "array_agg(n ORDER BY n)",
        "string_agg(w, ',' ORDER BY w)",
        "count(*) FILTER (WHERE b)",
    ];
    let declarations = over_events.map(|call| format!("table p(t): SELECT t, {call} AS v FROM s.a GROUP BY t\n"));
    check(&declarations);
}

#[test]
fn other_operators_count_their_bytes() {
    let queries = [
        "bag p(t): SELECT DISTINCT t FROM s.a",
        "bag p(w): SELECT DISTINCT w FROM s.a",
        "bag p(w): SELECT l.w AS w, r.n AS n FROM s.a AS l JOIN s.a AS r ON l._seq = r._seq",
        "bag p(w): SELECT l.w AS w, r.n AS n FROM s.a AS l LEFT JOIN s.a AS r ON l._seq = r._seq + 1",
        "table p(t): SELECT DISTINCT ON (t) t, n, w FROM s.a ORDER BY t, _seq DESC",
        "bag p(t): SELECT t, n FROM (SELECT t, n, row_number() OVER (PARTITION BY t ORDER BY n, _seq) AS r FROM s.a) WHERE r <= 2",
        "bag p(w): SELECT w FROM s.a WHERE n IN (SELECT n + 1 FROM s.a)",
    ];
    check(&queries.map(|query| format!("{query}\n")));
}
