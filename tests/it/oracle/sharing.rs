//! What several projections need of the same events is made once a step.

use std::sync::Arc;

use arrow::array::ArrayRef;
use readside::circuit::{Memo, StepInput};
use readside::progress::Watermark;

use super::case::Case;
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
