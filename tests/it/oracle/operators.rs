//! The operators of compiled circuits, by name: what the planner made of a query, whatever was written.

use std::collections::{BTreeMap, BTreeSet};

use readside::circuit::{Aggregate, Join, JoinSpec, Operator, Stateful, Unmatched};
use readside::plan::Program;

/// The operators of each projection.
pub(super) fn operators(program: &Program) -> BTreeMap<String, BTreeSet<String>> {
    let projections = program.projections.iter().map(|planned| {
        let nodes = planned.compiled.circuit.nodes().iter();
        (planned.config.name.clone(), nodes.flat_map(|node| names(&node.operator)).collect())
    });
    projections.collect()
}

fn names(operator: &Operator) -> Vec<String> {
    let Operator::Stateful(handle) = operator else {
        let name: String = format!("{operator:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
        return vec![format!("circuit: {name}")];
    };
    match &*handle.lock() {
        Stateful::Aggregate(aggregate) => calls(aggregate),
        Stateful::Join(join) => vec![kind(join)],
        Stateful::Partition(_) => vec!["circuit: Partition".to_owned()],
    }
}

fn calls(aggregate: &Aggregate) -> Vec<String> {
    let spec = aggregate.spec();
    let input = if spec.append_only { "stay" } else { "change" };
    let functions = spec.calls.iter().map(|call| {
        let name: String = format!("{:?}", call.function).chars().take_while(char::is_ascii_alphanumeric).collect();
        format!("circuit: {name} over rows that {input}")
    });
    let none = spec.calls.is_empty().then(|| format!("circuit: groups of rows that {input}"));
    functions.chain(none).collect()
}

fn kind(join: &Join) -> String {
    let JoinSpec { pairs, left_unmatched, right_unmatched, condition, .. } = join.spec();
    let kind = match (pairs, left_unmatched, right_unmatched) {
        (true, Unmatched::Dropped, Unmatched::Dropped) => "inner".to_owned(),
        (true, Unmatched::Padded, Unmatched::Padded) => "full".to_owned(),
        (true, _, Unmatched::Dropped) => "left".to_owned(),
        (true, _, _) => "right".to_owned(),
        (false, Unmatched::Dropped, shown) => format!("right {shown:?}").to_lowercase(),
        (false, shown, _) => format!("left {shown:?}").to_lowercase(),
    };
    let with = if condition.is_some() { " with a condition" } else { "" };
    format!("circuit: {kind} join{with}")
}
