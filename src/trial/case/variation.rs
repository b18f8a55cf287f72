//! The ways in which the same events can come.

use std::collections::BTreeMap;

use super::super::given::Arrival;
use crate::progress::SourceName;

/// Sources beyond which only some orders of them are tried.
const PERMUTED_MAX: usize = 3;

/// One way.
pub(super) struct Variation {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

pub(super) enum Step {
    /// Messages that are committed together.
    Commit(Vec<Arrival>),
    /// A checkpoint, and a start from it.
    Restart,
}

/// All of them. The first one is what the others are compared with.
pub(super) fn variations(given: &[Arrival]) -> Vec<Variation> {
    let one = |arrival: &Arrival| Step::Commit(vec![arrival.clone()]);
    let way = |name: &str, steps: Vec<Step>| Variation { name: name.to_owned(), steps };
    let mut ways = vec![
        way("all at once", vec![Step::Commit(given.to_vec())]),
        way("one by one", given.iter().map(one).collect()),
        way("with a restart after each event", given.iter().flat_map(|event| [one(event), Step::Restart]).collect()),
        way("with every event redelivered", redelivered(given)),
    ];
    for order in orders(given) {
        let names = order.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then ");
        let events = order.iter().flat_map(|source| given.iter().filter(move |event| event.source == *source));
        ways.push(way(&format!("with all of {names}"), events.map(one).collect()));
    }
    ways
}

/// Each event twice in a row, once more after a restart, and all of them again in the end.
fn redelivered(given: &[Arrival]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in given {
        let one = || Step::Commit(vec![event.clone()]);
        steps.extend([one(), one()]);
    }
    steps.extend([Step::Restart, Step::Commit(given.to_vec())]);
    steps
}

/// Orders of the sources as wholes.
fn orders(given: &[Arrival]) -> Vec<Vec<SourceName>> {
    let names: BTreeMap<SourceName, ()> = given.iter().map(|arrival| (arrival.source.clone(), ())).collect();
    let names: Vec<SourceName> = names.into_keys().collect();
    match names.len() {
        0 | 1 => Vec::new(),
        2..=PERMUTED_MAX => permutations(&names),
        _ => vec![names.clone(), names.into_iter().rev().collect()],
    }
}

fn permutations(names: &[SourceName]) -> Vec<Vec<SourceName>> {
    if names.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, first) in names.iter().enumerate() {
        let rest: Vec<SourceName> = [&names[..place], &names[place + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Headers, Message};

    fn arrivals(text: &str) -> Vec<Arrival> {
        let arrival = |(at, name): (usize, &str)| Arrival {
            source: name.into(),
            message: Message {
                seq: at as u64 + 1,
                subject: String::new(),
                headers: Headers::default(),
                payload: bytes::Bytes::new(),
                published_at_us: 0,
                unreadable: None,
            },
        };
        text.split_whitespace().enumerate().map(arrival).collect()
    }

    fn shown(Variation { name, steps }: &Variation) -> String {
        let step = |step: &Step| match step {
            Step::Restart => "restart".to_owned(),
            Step::Commit(events) => {
                let events = events.iter().map(|one| format!("{}{}", one.source, one.message.seq));
                events.collect::<Vec<_>>().join("+")
            }
        };
        format!("{name}: {}", steps.iter().map(step).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_way_has_all_events() {
        let ways: Vec<String> = variations(&arrivals("a b a")).iter().map(shown).collect();
        let expected = [
            "all at once: a1+b2+a3",
            "one by one: a1 b2 a3",
            "with a restart after each event: a1 restart b2 restart a3 restart",
            "with every event redelivered: a1 a1 b2 b2 a3 a3 restart a1+b2+a3",
            "with all of a, then b: a1 a3 b2",
            "with all of b, then a: b2 a1 a3",
        ];
        assert_eq!(ways, expected);
        assert_eq!(variations(&arrivals("a")).len(), 4);
        assert_eq!(variations(&arrivals("a b c")).len(), 10);
        assert_eq!(variations(&arrivals("a b c d")).len(), 6);
    }
}
