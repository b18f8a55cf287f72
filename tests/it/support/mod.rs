//! What integration tests share: a NATS server of their own, a link to it, and waiting with a deadline.

pub(crate) mod link;
pub(crate) mod nats;

use std::time::Duration;

use readside::event::Message;
use readside::source::{Input, Source};

/// Long enough for a loaded machine; a test that needs it is failing.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The next input within the deadline.
pub(crate) async fn next(source: &mut dyn Source) -> Input {
    tokio::time::timeout(DEADLINE, source.next()).await.expect("an input within the deadline")
}

/// Takes inputs until one satisfies `wanted`, and returns it.
pub(crate) async fn until(source: &mut dyn Source, mut wanted: impl FnMut(&Input) -> bool) -> Input {
    let searching = async {
        loop {
            let input = source.next().await;
            if wanted(&input) {
                return input;
            }
            assert!(!matches!(input, Input::Halted { .. } | Input::End), "unexpected {input:?}");
        }
    };
    tokio::time::timeout(DEADLINE, searching).await.expect("the input within the deadline")
}

/// Takes messages until there are at least `count`.
pub(crate) async fn messages(source: &mut dyn Source, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        if let Input::Fetched { messages, .. } = until(source, |input| matches!(input, Input::Fetched { .. })).await {
            taken.extend(messages);
        }
    }
    taken
}
