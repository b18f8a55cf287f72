//! The events that are given, and in which order the sources come.

use std::collections::BTreeMap;

use crate::event::Message;
use crate::pipeline::Fetched;
use crate::progress::SourceName;

/// Messages of each source, in stream order.
pub type Given = BTreeMap<SourceName, Vec<Message>>;

/// One message of a source.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) source: SourceName,
    pub(super) message: Message,
}

/// All messages, each source's in its order, and else by the time at which they were published.
pub(super) fn by_time(given: Given) -> Vec<Arrival> {
    let mut waiting: Vec<_> =
        given.into_iter().map(|(source, messages)| (source, messages.into_iter().peekable())).collect();
    let mut arrivals = Vec::new();
    loop {
        let heads = waiting.iter_mut().enumerate();
        let heads = heads.filter_map(|(place, (_, messages))| Some((messages.peek()?.published_at_us, place)));
        let Some((_, earliest)) = heads.min() else { return arrivals };
        let (source, messages) = &mut waiting[earliest];
        arrivals.extend(messages.next().map(|message| Arrival { source: source.clone(), message }));
    }
}

/// What comes together, for one commit.
pub(super) fn fetched(arrivals: &[Arrival]) -> Vec<Fetched> {
    let mut together: BTreeMap<&SourceName, Vec<Message>> = BTreeMap::new();
    for Arrival { source, message } in arrivals {
        together.entry(source).or_default().push(message.clone());
    }
    let of = |(source, messages): (&SourceName, Vec<Message>)| {
        let last = messages.last().map_or(0, |message| message.seq);
        Fetched { source: source.clone(), messages, covered: last, last_sequence: last }
    };
    together.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Headers;

    #[test]
    fn sources_come_by_time_and_each_stays_in_its_order() {
        let message = |seq, published_at_us| Message {
            seq,
            subject: String::new(),
            headers: Headers::default(),
            payload: bytes::Bytes::new(),
            published_at_us,
            unreadable: None,
        };
        let given = Given::from([
            ("a".into(), vec![message(1, 30), message(2, 10), message(3, 40)]),
            ("b".into(), vec![message(1, 20), message(2, 30)]),
            ("c".into(), vec![]),
        ]);
        let order: Vec<String> =
            by_time(given).iter().map(|arrival| format!("{}{}", arrival.source, arrival.message.seq)).collect();
        assert_eq!(order, ["b1", "a1", "a2", "b2", "a3"]);
    }
}
