//! Windows that a watermark has closed leave nothing behind: what operators keep is that of the open ones (ADR 7).

use std::collections::BTreeMap;

use readside::circuit::{Circuit, StepInput, Watermarks};
use readside::progress::Watermark;

use super::case::Case;
use super::setup::{compile, messages};

const EVENTS: &str = "event s.a {t: string, n: int64, x: float64}\n";
const CLOSES: &str = "source s drops late events\n";

/// Windows of a minute, in every operator that closes them.
const WINDOWS: &str = "\
table totals(w, t): SELECT date_trunc('minute', _time) AS w, t, count(*) AS a, sum(n) AS b, avg(x) AS c, stddev(x) AS d
  FROM s.a GROUP BY 1, 2
table firsts(w): SELECT date_trunc('minute', _time) AS w, latest(n) AS a, max_by(t, n) AS b, min(x) AS c FROM s.a GROUP BY 1
table ordered(w): SELECT date_trunc('minute', _time) AS w, median(n) AS a, collect(t) AS b, count(DISTINCT n) AS c FROM s.a GROUP BY 1
table different(w): SELECT DISTINCT date_bin(INTERVAL '1 minute', _time) AS w FROM s.a
bag best(n): SELECT n FROM s.a QUALIFY row_number() OVER (PARTITION BY date_trunc('minute', _time) ORDER BY n DESC) <= 2
bag running(n): SELECT n, sum(n) OVER (PARTITION BY date_trunc('minute', _time) ORDER BY _seq ROWS UNBOUNDED PRECEDING) AS s FROM s.a
";

/// What the operators of a projection keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    rows: u64,
    bytes: u64,
}

/// What each projection keeps after each part of a log, of a source that is declared like that.
fn kept(source: &str, parts: &[String]) -> Vec<BTreeMap<String, Kept>> {
    let case = Case::parse(&format!("{EVENTS}{source}{WINDOWS}log\n{}", parts.concat())).unwrap();
    let program = compile(&case).unwrap();
    let messages = messages(&case).remove("s").unwrap();
    let decoder = &program.sources[0].decoder;
    let mut watermark = Watermark::new(decoder.schema().lateness_us, None);
    let mut circuits: Vec<(String, Circuit)> =
        program.projections.into_iter().map(|one| (one.config.name, one.compiled.circuit)).collect();
    let mut begin = 0;
    let step = |part: &String| {
        let end = begin + part.lines().count();
        let events = decoder.decode(&messages[begin..end], &mut watermark).unwrap().batch;
        begin = end;
        let input = StepInput {
            events: vec![("s", &events)],
            watermarks: Watermarks::from([("s", watermark.value_us().unwrap())]),
            ..StepInput::default()
        };
        let kept = circuits.iter_mut().map(|(name, circuit)| {
            circuit.step(&input).unwrap();
            let report = circuit.report();
            let rows = report.iter().map(|operator| operator.rows).sum();
            (name.clone(), Kept { rows, bytes: report.iter().map(|operator| operator.bytes).sum() })
        });
        kept.collect()
    };
    parts.iter().map(step).collect()
}

/// A hundred events over ten minutes of this hour.
fn events(hour: usize) -> String {
    let event = |number: usize| {
        let at = hour * 3600 + number * 6;
        format!("s.a k @{at} {{\"t\": \"t{}\", \"n\": {number}, \"x\": {}.5}}\n", number % 3, number % 7)
    };
    (0..100).map(event).collect()
}

/// One event that is the first of its window.
fn last(hour: usize) -> String {
    format!("s.a k @{} {{\"t\": \"t\", \"n\": 1, \"x\": 1.5}}\n", hour * 3600)
}

#[test]
fn nothing_of_a_closed_window_is_kept() {
    let log = [events(0), last(1)];
    let (open, closed, only_last) = (kept("", &log), kept(CLOSES, &log), kept(CLOSES, &log[1..]));
    for (name, Kept { rows, .. }) in &closed[1] {
        let otherwise = open[1][name].rows;
        assert!(otherwise > 10, "`{name}` keeps {otherwise} rows, which is nothing to let go of");
        assert_eq!(*rows, only_last[0][name].rows, "`{name}` would keep {otherwise} rows of windows that stay open");
    }
}

#[test]
fn state_does_not_grow_with_the_windows_that_were_closed() {
    let hours: Vec<String> = (0..30).map(events).collect();
    let kept = kept(CLOSES, &hours);
    for (name, first) in &kept[0] {
        for (hour, kept) in kept.iter().enumerate() {
            let kept = kept[name];
            assert_eq!(kept.rows, first.rows, "`{name}` after hour {hour}");
            assert!(kept.bytes <= 2 * first.bytes, "`{name}` after hour {hour}: {kept:?}, at first {first:?}");
        }
    }
}
