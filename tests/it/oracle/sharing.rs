//! What several projections compute alike is computed once a step, and kept once.

use std::sync::Arc;

use arrow::array::ArrayRef;
use readside::circuit::{Circuit, Memo, StepInput, share};
use readside::progress::Watermark;

use super::case::{Case, Declaration};
use super::number;
use super::random::random_case;
use super::run::{Verdict, run};
use super::setup::{compile, messages};

#[test]
fn a_column_of_events_is_made_once() {
    let text = "event s.a {t: string}\nevent s.b {n: int64}\n\
                bag p(k): SELECT _key AS k FROM s.a\nbag q(k): SELECT _key AS k, t FROM s.a\n\
                log\ns.a k1 {\"t\": \"x\"}\ns.b k2 {\"n\": 1}\ns.a k3 {\"t\": \"y\"}\n";
    let case = Case::parse(text).unwrap();
    let program = compile(&case).unwrap();
    let events = program.sources[0].decoder.decode(&messages(&case)["s"], &mut Watermark::new(0, None)).unwrap().batch;
    let memo = Memo::default();
    let keys: Vec<ArrayRef> = program
        .projections
        .into_iter()
        .map(|mut planned| {
            let input = StepInput { events: vec![("s", &events)], memo: Some(&memo), ..StepInput::default() };
            planned.compiled.circuit.step(&input).unwrap().0.rows.column(0).clone()
        })
        .collect();
    assert_eq!(keys[0].len(), 2);
    assert!(Arc::ptr_eq(&keys[0], &keys[1]));
}

/// Two circuits that share what they can, after a step over the log.
fn stepped(declarations: &str) -> Vec<Circuit> {
    let events = "event s.a {t: string, n: int64}\nevent s.b {t: string, m: int64}\n";
    let log = "log\ns.a - {\"t\": \"x\", \"n\": 1}\ns.b - {\"t\": \"x\", \"m\": 0}\ns.a - {\"t\": \"y\", \"n\": 0}\n";
    let case = Case::parse(&format!("{events}{declarations}{log}")).unwrap();
    let mut program = compile(&case).unwrap();
    program.share();
    let events = program.sources[0].decoder.decode(&messages(&case)["s"], &mut Watermark::new(0, None)).unwrap().batch;
    let memo = Memo::default();
    let input = StepInput { events: vec![("s", &events)], memo: Some(&memo), ..StepInput::default() };
    let circuits = program.projections.into_iter().map(|mut planned| {
        planned.compiled.circuit.step(&input).unwrap();
        planned.compiled.circuit
    });
    circuits.collect()
}

/// The operators with state that the first circuit shares, and what they have looked at.
fn shared(circuits: &[Circuit]) -> Vec<(&'static str, u64)> {
    let reports =
        circuits[0].report().into_iter().filter(|one| one.grows_with.is_some() && !one.shared_with.is_empty());
    reports.map(|one| (one.name, one.touched)).collect()
}

const JOINED: &str = "SELECT a.t, count(*) AS c, sum(b.m) AS m FROM s.a AS a JOIN s.b AS b ON a.t = b.t GROUP BY a.t";

#[test]
fn an_aggregate_over_a_join_is_kept_once() {
    let alone = stepped(&format!("table p(t): {JOINED}\n"));
    let touched: u64 = alone[0].report().iter().map(|one| one.touched).sum();
    let both = stepped(&format!("table p(t): {JOINED}\ntable q(t): {JOINED} HAVING count(*) > 1\n"));
    let operators = shared(&both);
    assert_eq!(operators.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["inner join", "aggregate"]);
    assert_eq!(operators.iter().map(|(_, touched)| touched).sum::<u64>(), touched);
    assert_eq!(both[0].report()[0].shared_with, ["q"]);
}

#[test]
fn nothing_of_events_is_shared_with_who_rejects_others() {
    let grouped = "SELECT t, count(*) AS c FROM s.a GROUP BY t";
    // Rejects events by a condition of its own, beside the same aggregate.
    let strict = "SELECT x.t AS t, c, q FROM (SELECT t, count(*) AS c FROM s.a GROUP BY t) AS x \
                  JOIN (SELECT t, 10 / n AS q FROM s.a) AS y ON x.t = y.t";
    assert_eq!(shared(&stepped(&format!("table p(t): {grouped}\nbag q(t): {strict}\n"))), []);
    let harmless = strict.replace("10 / n", "n");
    let circuits = stepped(&format!("table p(t): {grouped}\nbag q(t): {harmless}\n"));
    assert_eq!(shared(&circuits).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["aggregate"]);
    // Who rejects the same events may share.
    let quotients = "SELECT t, sum(10 / n) AS s FROM s.a GROUP BY t";
    let circuits = stepped(&format!("table p(t): {quotients}\ntable q(t): {quotients} HAVING sum(10 / n) > 1\n"));
    assert_eq!(shared(&circuits).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["aggregate"]);
}

#[test]
fn only_equal_states_become_one() {
    let declarations = format!("table p(t): {JOINED}\ntable q(t): {JOINED} HAVING count(*) > 1\n");
    let log: String = (0..40).map(|n| format!("s.{} - {{\"t\": \"t{}\"}}\n", ["a", "b"][n % 2], n % 3)).collect();
    let types = "event s.a {t: string, n: int64}\nevent s.b {t: string, m: int64}\n";
    let case = Case::parse(&format!("{types}{declarations}log\n{log}")).unwrap();
    let program = compile(&case).unwrap();
    let events = program.sources[0].decoder.decode(&messages(&case)["s"], &mut Watermark::new(0, None)).unwrap().batch;
    let mut circuits: Vec<Circuit> = program.projections.into_iter().map(|one| one.compiled.circuit).collect();
    let [p, q] = circuits.as_mut_slice() else { panic!("two circuits") };
    let step = |circuit: &mut Circuit, from: usize, to: usize| {
        let events = events.slice(from, to - from);
        circuit.step(&StepInput { events: vec![("s", &events)], ..StepInput::default() }).unwrap();
    };
    step(p, 0, 40);
    for (from, to) in [(0, 7), (7, 21), (21, 39)] {
        step(q, from, to);
        share(&mut [("p", &mut *p), ("q", &mut *q)]);
        assert_eq!(shared(std::slice::from_ref(p)), [], "one event is not there");
    }
    step(q, 39, 40);
    share(&mut [("p", &mut *p), ("q", &mut *q)]);
    assert_eq!(shared(std::slice::from_ref(p)).len(), 2);
}

#[test]
fn an_error_is_of_all_that_share_it_and_of_nobody_else() {
    let quotient = "SELECT t, 10 / (count(*) - 1) AS q FROM s.a GROUP BY t";
    let log = "log\ns.a - {\"t\": \"x\"}\n";
    let text = format!(
        "event s.a {{t: string}}\ntable p(t): {quotient}\ntable q(t): {quotient}\n\
         table r(t): SELECT t, count(*) AS c FROM s.a GROUP BY t\n{log}"
    );
    let case = Case::parse(&text).unwrap();
    let outcomes = |shares: bool| {
        let mut program = compile(&case).unwrap();
        if shares {
            program.share();
        }
        let decoded = program.sources[0].decoder.decode(&messages(&case)["s"], &mut Watermark::new(0, None)).unwrap();
        let memo = Memo::default();
        let steps = program.projections.into_iter().map(|mut planned| {
            let memo = Some(&memo).filter(|_| shares);
            let input = StepInput { events: vec![("s", &decoded.batch)], memo, ..StepInput::default() };
            let (delta, _) = planned.compiled.circuit.step(&input).unwrap();
            let errors = planned.compiled.circuit.errors().map(|(_, error)| (error.row.clone(), error.message.clone()));
            (delta.len(), errors.collect::<Vec<_>>())
        });
        steps.collect::<Vec<_>>()
    };
    let shared = outcomes(true);
    assert_eq!(shared[0], shared[1]);
    assert_eq!((shared[0].0, shared[0].1.len()), (0, 1), "{shared:?}");
    assert_eq!(shared[2], (1, Vec::new()));
    assert_eq!(shared, outcomes(false));
}

/// The case with every projection twice, and once more under another operator.
fn with_twins(case: &Case) -> Case {
    let mut case = case.clone();
    let twins = case.projections.clone().into_iter().flat_map(|one| {
        let over = Declaration {
            name: format!("{}_over", one.name),
            sql: format!("SELECT DISTINCT * FROM ({}) AS twin", one.sql),
            is_table: false,
            plan: Vec::new(),
            key: one.key.clone(),
        };
        [Declaration { name: format!("{}_twin", one.name), plan: Vec::new(), ..one }, over]
    });
    case.projections.extend(twins);
    case
}

#[test]
fn twins_equal_their_batch_results() {
    equal_their_batch_results(0..number("TWINS_CASES").unwrap_or(8));
}

#[test]
fn more_twins_equal_their_batch_results() {
    equal_their_batch_results(8..16);
}

#[test]
fn other_twins_equal_their_batch_results() {
    equal_their_batch_results(16..24);
}

fn equal_their_batch_results(seeds: std::ops::Range<u64>) {
    let (mut answered, mut operators) = (0, 0);
    let cases = seeds.end - seeds.start;
    for seed in seeds {
        let case = with_twins(&random_case(seed).case());
        match run(&case) {
            Err(Verdict::Failed(failure)) => panic!("seed {seed}: {failure}\n{case}"),
            Err(_) => continue,
            Ok(_) => answered += 1,
        }
        let mut program = compile(&case).unwrap();
        program.share();
        let reports = program.projections.iter().flat_map(|one| one.compiled.circuit.report());
        operators += reports.filter(|one| one.grows_with.is_some() && !one.shared_with.is_empty()).count();
    }
    println!("{answered} of {cases} cases, {operators} operators with state are shared");
    assert!(answered > cases / 4 && operators as u64 > answered, "{answered} cases, {operators} operators");
}
