//! Work is O(delta): what an operator looks at follows from what comes in and goes out, not from what it keeps.
//!
//! Rows are counted, not timed. All rows share one key, the worst case for whoever goes over a key's rows. Functions
//! that are computed again for a changed partition, and aggregates whose value is a list, are exempt by nature.

use std::collections::BTreeMap;

use readside::circuit::{StepInput, ZBatch};
use readside::event::EventBatch;
use readside::progress::Watermark;

use super::case::Case;
use super::setup::{compile, messages};

/// Looked at, at the most, for each row that comes in or goes out; a change in an order looks at neighbours too.
const TOUCHED_PER_ROW: u64 = 16;

/// What the last step of a projection did.
#[derive(Debug, Clone, Copy)]
struct Work {
    touched: u64,
    came_in: u64,
    went_out: u64,
}

/// Two source types: `s.a` fills, and a delta of either follows.
const EVENTS: &str =
    "event s.a {t: string, n: int64, x: float64, d: \"decimal(9,2)\"}\nevent s.b {t: string, n: int64}\n";

fn filler(number: usize) -> String {
    format!(
        "s.a k{number} {{\"t\": \"hot\", \"n\": {}, \"x\": {}.5, \"d\": \"{}.25\"}}\n",
        number * 7 % 1000,
        number % 50,
        number % 80
    )
}

/// The work of each projection in a step over `delta`, after one over `before` and so many fillers.
fn work(declarations: &str, before: &str, fillers: usize, delta: &str) -> BTreeMap<String, Work> {
    let filling: String = (0..fillers).map(filler).collect();
    let case = Case::parse(&format!("{EVENTS}{declarations}log\n{before}{filling}{delta}")).unwrap();
    let program = compile(&case).unwrap();
    let messages = messages(&case).remove("s").unwrap();
    let first = messages.len() - delta.lines().count();
    let decoder = &program.sources[0].decoder;
    let mut watermark = Watermark::new(0, None);
    let mut circuits: Vec<_> =
        program.projections.into_iter().map(|one| (one.config.name, one.compiled.circuit)).collect();
    let mut work = BTreeMap::new();
    for part in [&messages[..first], &messages[first..]] {
        let events = decoder.decode(part, &mut watermark).unwrap().batch;
        let mut outputs: BTreeMap<String, ZBatch> = BTreeMap::new();
        for (name, circuit) in &mut circuits {
            let touched =
                |circuit: &readside::circuit::Circuit| circuit.report().iter().map(|one| one.touched).sum::<u64>();
            let already = touched(circuit);
            let input = StepInput {
                events: vec![("s", &events)],
                deltas: outputs.iter().map(|(name, delta)| (name.as_str(), delta)).collect(),
                ..StepInput::default()
            };
            let (output, rejected) = circuit.step(&input).unwrap();
            assert!(rejected.is_empty());
            let came_in = rows_in(&events) + outputs.values().map(|delta| delta.len() as u64).sum::<u64>();
            let done = Work { touched: touched(circuit) - already, came_in, went_out: output.len() as u64 };
            work.insert(name.clone(), done);
            outputs.insert(name.clone(), output);
        }
    }
    work
}

fn rows_in(events: &EventBatch) -> u64 {
    events.len() as u64
}

#[track_caller]
fn check(declarations: &str, before: &str, delta: &str) {
    for fillers in [100, 1_000, 5_000] {
        for (name, Work { touched, came_in, went_out }) in work(declarations, before, fillers, delta) {
            let most = TOUCHED_PER_ROW * (came_in + went_out);
            assert!(
                touched <= most,
                "`{name}` over {fillers} rows looked at {touched} for {came_in} that came in and {went_out} that went out"
            );
        }
    }
}

const ONE_MORE: &str = "s.a k1 {\"t\": \"hot\", \"n\": 500, \"x\": 3.5, \"d\": \"1.25\"}\n";
const ONE_RIGHT: &str = "s.b k1 {\"t\": \"hot\", \"n\": 1}\n";

#[test]
fn of_aggregates() {
    let calls = "count(*) AS a, sum(n) AS b, min(n) AS c, max(x) AS d, avg(d) AS e, count(DISTINCT n) AS f, sum(DISTINCT x) AS g, \
                 median(n) AS h, percentile_cont(0.9) WITHIN GROUP (ORDER BY x) AS i, bool_or(n > 3) AS j, stddev(x) AS k, \
                 bit_and(n) AS o, bit_xor(DISTINCT n) AS r, median(DISTINCT x) AS q, \
                 percentile_cont(DISTINCT 0.3) WITHIN GROUP (ORDER BY x) AS v, sum(array_length(make_array(n))) AS u, \
                 nth_value(n, 40 ORDER BY x, n) AS w, nth_value(DISTINCT n, -300 ORDER BY n) AS y";
    let over_events = format!("table p(t): SELECT t, latest(n) AS l, max_by(n, x) AS m, {calls} FROM s.a GROUP BY t\n");
    check(&over_events, "", ONE_MORE);
    let last = "table last(k): SELECT _key AS k, latest(t) AS t, latest(n) AS n, latest(x) AS x, latest(d) AS d FROM s.a GROUP BY _key\n";
    check(
        &format!("{last}table p(t): SELECT t, max_by(k, n ORDER BY k) AS m, {calls} FROM last GROUP BY t\n"),
        "",
        ONE_MORE,
    );
}

#[test]
fn of_distinct_rows_and_unions() {
    check("bag p(t): SELECT DISTINCT t FROM s.a\n", "", ONE_MORE);
    check("bag p(t): SELECT t FROM s.a UNION SELECT t FROM s.b\n", "", ONE_RIGHT);
    check("bag p(t): SELECT t FROM s.a EXCEPT SELECT t FROM s.b\n", "", ONE_RIGHT);
    check("bag p(t): SELECT t FROM s.a INTERSECT SELECT t FROM s.b\n", ONE_RIGHT, ONE_RIGHT);
}

#[test]
fn of_joins() {
    for kind in ["INNER", "LEFT", "RIGHT", "FULL"] {
        let join = format!("bag p(l): SELECT l.n AS l, r.n AS r FROM s.a AS l {kind} JOIN s.b AS r ON l.t = r.t\n");
        check(&join, "", ONE_MORE);
        // Every row on the left gains its first partner, or one more.
        check(&join, "", ONE_RIGHT);
        check(&join, ONE_RIGHT, ONE_RIGHT);
        check(&join, ONE_RIGHT, ONE_MORE);
    }
}

#[test]
fn of_semi_and_anti_joins() {
    for condition in ["t IN (SELECT t FROM s.b)", "t NOT IN (SELECT t FROM s.b)"] {
        let filtered = format!("bag p(n): SELECT n FROM s.a WHERE {condition}\n");
        check(&filtered, "", ONE_RIGHT);
        // Another partner changes nothing.
        check(&filtered, ONE_RIGHT, ONE_RIGHT);
        check(&filtered, ONE_RIGHT, ONE_MORE);
    }
    let filtered = "bag p(n): SELECT n FROM s.a AS l WHERE NOT EXISTS (SELECT 1 FROM s.b AS r WHERE r.t = l.t)\n";
    check(filtered, ONE_RIGHT, ONE_RIGHT);
    check("bag p(n): SELECT n FROM s.a WHERE n NOT IN (SELECT n FROM s.b)\n", "s.b k {}\n", "s.b k {}\n");
    check("bag p(n): SELECT n FROM s.b WHERE t IN (SELECT t FROM s.a)\n", ONE_RIGHT, ONE_MORE);
}

#[test]
fn of_first_rows() {
    check("bag p(n): SELECT n FROM s.a ORDER BY n DESC LIMIT 3\n", "", ONE_MORE);
    check("bag p(t): SELECT DISTINCT ON (t) t, n FROM s.a ORDER BY t, n DESC\n", "", ONE_MORE);
    for function in ["row_number", "rank", "dense_rank"] {
        let first = format!(
            "bag p(n): SELECT n, {function}() OVER (PARTITION BY t ORDER BY n, x, d, _key) AS place FROM s.a QUALIFY place <= 3\n"
        );
        check(&first, "", ONE_MORE);
    }
}
